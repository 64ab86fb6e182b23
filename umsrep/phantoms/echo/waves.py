"""The waves of each flow: when they come and what shape they have.

Velocities are in cm/s, positive towards the transducer (up in the picture);
times are in seconds. Time 0 of a beat is the onset of its QRS complex.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from umsrep.phantoms.echo.physiology import (
    electromechanical_systole,
    pre_ejection_period,
)

FLOWS = ("MV", "MA", "TR")
# Names of the waves that are measured, and on which side they lie.
WAVES = {
    "MV": {"E": 1, "A": 1},
    "MA": {"s'": 1, "e'": -1, "a'": -1},
    "TR": {"TR": -1},
}
_ROUNDED = 0.2  # part of the deceleration time that rounds the peak of E


@dataclass(frozen=True)
class Wave:
    """One wave of one beat.

    Attributes:
        name: A name of `WAVES`, or of what is drawn besides them.
        onset, peak, end: Times, s.
        velocity: At the peak, cm/s, signed.
        shape: `shape(times - onset, peak - onset, end - onset)` -> [0, 1].
    """

    name: str
    onset: float
    peak: float
    end: float
    velocity: float
    shape: Callable

    def __call__(self, times):
        """Velocity of the spectrum's outer edge, cm/s; 0 outside the wave."""
        times = np.asarray(times, np.float64)
        inside = (times > self.onset) & (times < self.end)
        after = np.where(inside, times - self.onset, 0.0)
        level = self.shape(after, self.peak - self.onset, self.end - self.onset)
        return np.where(inside, self.velocity * level, 0.0)


def beat_times(physiology, duration, rng):
    """Onsets of the QRS complexes, s, from before 0 to after `duration`.

    Sinus rhythm: intervals differ by about 2 %.
    """
    mean = 60 / physiology.heart_rate
    count = int(np.ceil(duration / mean)) + 5
    intervals = mean * (1 + 0.02 * np.clip(rng.normal(size=count), -2, 2))
    start = -2 * mean + rng.uniform(0, mean)
    return start + np.concatenate([[0.0], np.cumsum(intervals)])


def measured_waves(flow, physiology, beats, rng):
    """The waves that are measured and outlined by the mask.

    Args:
        flow: One of `FLOWS`.
        physiology: A `Physiology`.
        beats: Onsets of the QRS complexes, as from `beat_times`.
        rng: NumPy's generator; peaks differ by about 3 % between beats.

    Returns:
        List of `Wave`, in order of time.
    """
    make = {"MV": _inflow, "MA": _annulus, "TR": _regurgitation}[flow]
    # Velocities rise and fall with respiration, and vary from wave to wave.
    breath = rng.uniform(0, 2 * np.pi), rng.uniform(3.0, 5.0)
    waves = []
    for start, following in zip(beats[:-1], beats[1:], strict=True):
        sway = 1 + 0.025 * np.sin(breath[0] + 2 * np.pi * start / breath[1])
        for wave in make(physiology, start, following):
            factor = sway * (1 + 0.012 * np.clip(rng.normal(), -2, 2))
            waves.append(replace(wave, velocity=wave.velocity * factor))
    return waves


def envelope(waves, times, side):
    """The outer edge on one side of the baseline, cm/s, signed.

    Args:
        waves: `Wave`s.
        times: s, (n,).
        side: 1 above the baseline, -1 below.
    """
    edge = np.zeros(len(times))
    for wave in waves:
        if np.sign(wave.velocity) == side:
            edge = np.maximum(edge, side * wave(times))
    return side * edge


def _inflow(person, start, following):
    onset = start + mitral_opening(person, following - start)
    peak = onset + person.acceleration
    end = peak + person.deceleration
    yield Wave("E", onset, peak, end, person.e, _early_filling)
    # The mitral valve closes with the next beat.
    end = following + 0.03
    onset = end - person.a_duration
    peak = onset + 0.45 * person.a_duration
    yield Wave("A", onset, peak, end, person.a, _hump)


def _annulus(person, start, following):
    interval = following - start
    ejection = start + pre_ejection_period(interval) - 0.02
    closure = start + electromechanical_systole(interval)
    peak = ejection + 0.3 * (closure - ejection)
    yield Wave("s'", ejection, peak, closure, person.systolic, _plateau)
    onset = start + mitral_opening(person, interval) - 0.01
    peak, end = onset + 0.075, onset + 0.18
    yield Wave("e'", onset, peak, end, -person.early, _hump)
    end = following + 0.02
    onset = end - 0.9 * person.a_duration
    yield Wave("a'", onset, (onset + end) / 2, end, -person.late, _hump)


def _regurgitation(person, start, following):
    # From closure to opening of the tricuspid valve: systole and both
    # isovolumic phases.
    onset = start + 0.04
    end = start + electromechanical_systole(following - start) + 0.05
    peak = onset + person.jet_peak * (end - onset)
    yield Wave("TR", onset, peak, end, -person.tricuspid, _parabola)


def mitral_opening(person, interval):
    """Onset of the QRS complex to the opening of the mitral valve, s."""
    return electromechanical_systole(interval) + person.relaxation


def _early_filling(after, peak, end):
    """Fast rise, rounded peak, straight deceleration that ends at `end`.

    The straight part meets the rounded peak as its tangent, and reaches the
    baseline one deceleration time after the peak.
    """
    rise = np.sin(np.pi / 2 * np.minimum(after / peak, 1)) ** 1.3
    part = np.maximum(after - peak, 0) / (end - peak)
    bend = 1 / (2 * _ROUNDED - _ROUNDED**2)
    rounded = 1 - bend * part**2
    straight = 2 * bend * _ROUNDED * (1 - part)
    fall = np.where(part < _ROUNDED, rounded, straight)
    return np.where(after < peak, rise, fall)


def _hump(after, peak, end):
    """A smooth wave, zero slope at the peak."""
    part = _warped(after, peak, end)
    return np.sin(np.pi * part) ** 1.3


def _plateau(after, peak, end):
    """Early peak and slow decline of the systolic annular wave."""
    part = _warped(after, peak, end)
    top = np.sin(np.pi * part)
    # After the peak, the wave is fuller.
    return np.where(after < peak, top**1.2, top**0.9)


def arch(after, peak, end):
    """Half a sine wave, skewed to the peak."""
    return np.sin(np.pi * _warped(after, peak, end))


def _parabola(after, peak, end):
    part = _warped(after, peak, end)
    return np.maximum(1 - np.abs(2 * part - 1) ** 2.2, 0) ** 0.85


def _warped(after, peak, end):
    """Time from 0 to 1, with 0.5 at the peak."""
    return np.interp(after, [0, peak, end], [0, 0.5, 1])
