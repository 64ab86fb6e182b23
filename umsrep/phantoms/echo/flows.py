"""The spectral power of each flow: what moves in the beam, and how fast.

Each function takes a `Scene`, velocities in cm/s as a column (n, 1), times in
s (m,) and a random generator, and returns power (n, m), relative to the bright
parts of a well-recorded wave. The levels are plausible.
"""

import cv2
import numpy as np

from umsrep.phantoms.echo.physiology import (
    electromechanical_systole,
    pre_ejection_period,
)
from umsrep.phantoms.echo.waves import Wave, arch, envelope, mitral_opening


def inflow(scene, v, times, rng):
    """Laminar flow: a narrow band under the edge, a dimmer window below it."""
    edge = envelope(scene.waves, times, 1)
    slowing = np.gradient(edge, times) < 0
    # The window is clear while blood accelerates, filled as it slows down.
    fill = cv2.blur(np.where(slowing, 0.12, 0.025)[None], (9, 1))[0]
    edge = _frayed(edge, rng)
    inside = _below(v, edge, 3 + 0.06 * edge) * (v > 0)
    place = v / np.maximum(edge, 1)
    band = np.exp(-(((place - 0.84) / 0.13) ** 2))
    power = inside * (fill + (1 - fill) * band)
    # Slow blood near the walls.
    power += 0.15 * inside * np.exp(-((v / 18) ** 2))
    opened, closed, outflow = [], [], []
    fastest = rng.uniform(0.4, 0.9) * -scene.recording.lowest
    for start, following in scene.intervals:
        interval = following - start
        opened.append(start + mitral_opening(scene.physiology, interval))
        closed.append(start + 0.03)
        outflow.append(_outflow(start, interval, -fastest))
    strength = 10 ** (rng.uniform(-32, -16) / 10)
    power += strength * _filled(-v, -envelope(outflow, times, -1))
    for clicks, reach in ((opened, 30), (closed, 45)):
        power += _clicks(v, times, clicks, rng.uniform(0.6, 1.2) * reach, rng)
    return power


def _outflow(start, interval, velocity):
    """Blood in the outflow tract, picked up along with the mitral inflow."""
    onset = start + pre_ejection_period(interval)
    end = start + electromechanical_systole(interval)
    peak = onset + 0.35 * (end - onset)
    return Wave("outflow", onset, peak, end, velocity, arch)


def annulus(scene, v, times, rng):
    """Tissue: strong, one thick band that follows the wall's velocity."""
    person, extra = scene.physiology, []
    for start, following in scene.intervals:
        interval = following - start
        closure = start + electromechanical_systole(interval)
        opening = start + mitral_opening(person, interval)
        # Short movements while the valves are closed.
        extra.append(_brief(start + 0.015, 0.05, 0.55 * person.systolic))
        extra.append(_brief(start + 0.055, 0.035, -0.25 * person.systolic))
        extra.append(_brief(closure, 0.045, -0.3 * person.early))
        if opening - closure > 0.07:
            extra.append(_brief(closure + 0.04, 0.04, 0.25 * person.systolic))
    scale = max(person.systolic, person.early, person.late)
    thick = rng.uniform(0.08, 0.13) * scale
    power = np.zeros((len(v), len(times)))
    for group, strength in ((scene.waves, 1.0), (extra, 0.5)):
        for side in (1, -1):
            edge = _frayed(side * envelope(group, times, side), rng)
            speed = side * v
            inside = _below(speed, edge, 0.04 * scale + 0.05 * edge)
            # Slower parts of the wall fill the band's inner side, dimmer.
            middle = np.maximum(edge - thick, 0.62 * edge)
            band = np.exp(-(((speed - middle) / (thick + 0.18 * edge)) ** 2))
            power += strength * inside * (0.05 + 0.95 * band) * (speed > 0)
    # The wall at rest drifts about zero.
    still = 0.25 * thick * slow(rng, len(times), 25)
    power += 0.6 * np.exp(-(((v - still) / (0.4 * thick)) ** 2))
    return power


def _brief(onset, length, velocity):
    end = onset + length
    return Wave("isovolumic", onset, (onset + end) / 2, end, velocity, arch)


def regurgitation(scene, v, times, rng):
    """Turbulent flow: every speed up to the edge; diastolic inflow above."""
    edge = _frayed(-envelope(scene.waves, times, -1), rng)
    power = _filled(-v, edge)
    # Jets are densest near the edge, if the beam meets them well.
    place = -v / np.maximum(edge, 1)
    power *= 1 + rng.uniform(1, 6) * np.exp(-(((place - 0.88) / 0.08) ** 2))
    diastole, opened, closed = [], [], []
    strength = 10 ** (rng.uniform(-8, 0) / 10)
    early, late = rng.uniform(40, 65), rng.uniform(30, 50)
    for start, following in scene.intervals:
        interval = following - start
        opening = start + mitral_opening(scene.physiology, interval)
        peak, end = opening + 0.09, opening + 0.27
        diastole.append(Wave("E", opening, peak, end, early, arch))
        onset, peak, end = following + np.array([-0.11, -0.04, 0.02])
        diastole.append(Wave("A", onset, peak, end, late, arch))
        closed.append(start + 0.035)
        opened.append(start + electromechanical_systole(interval))
    power += strength * _filled(v, envelope(diastole, times, 1))
    power += _clicks(v, times, closed, rng.uniform(40, 120), rng)
    power += _clicks(v, times, opened, rng.uniform(30, 90), rng)
    # Walls and leaflets: strong and slow.
    power += 1.5 * np.exp(-np.abs(v) / rng.uniform(5, 9))
    return power


def slow(rng, columns, width):
    """A slowly changing random line of mean 0 and deviation near 1."""
    noise = rng.standard_normal(columns)[None].astype(np.float32)
    line = cv2.GaussianBlur(noise, (0, 0), width)[0]
    return line * np.sqrt(2 * np.sqrt(np.pi) * width)


def _filled(speed, edge):
    """All speeds up to the edge, more of the slow ones."""
    inside = _below(speed, edge, 6 + 0.07 * edge) * (speed > 0)
    place = speed / np.maximum(edge, 1)
    return inside * (0.12 + 0.5 * np.exp(-((place / 0.3) ** 2)))


def _below(speed, edge, width):
    """1 inside the edge to 0 outside; 0 where there is no wave.

    At the edge the power has fallen by 13 dB, which is where the eye sees the
    wave end.
    """
    past = (speed - edge) * 6 / width + 3
    step = 1 / (1 + np.exp(np.clip(past, -40, 40)))
    return step * np.clip(edge / width, 0, 1)


def _frayed(edge, rng):
    """The edge as individual windows show it: a few per cent off."""
    return edge * (1 + 0.014 * slow(rng, len(edge), 1.5))


def _clicks(v, times, moments, reach, rng):
    """Vertical streaks of opening and closing valves."""
    streaks = np.zeros(len(times))
    for moment in moments:
        strength = 10 ** (rng.uniform(-20, -3) / 10)
        streaks += strength * np.exp(-(((times - moment) / 0.006) ** 2))
    return streaks * np.exp(-((np.abs(v) / reach) ** 2))
