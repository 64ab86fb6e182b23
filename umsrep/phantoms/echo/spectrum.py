"""From the power of a flow to grey values, as a scanner makes them.

The spectrum is made on a grid of its own, a bin per velocity and a column per
Fourier window, so that it does not depend on the size of the picture.
"""

import cv2
import numpy as np

from umsrep.phantoms.echo import flows
from umsrep.phantoms.echo.waves import envelope

BINS = 240  # of velocity, over the strip's range
WINDOW = 0.005  # s from column to column
NOISE_FLOOR = -35.0  # dB, of a well-adjusted strip
# Velocities up to this many ranges beyond the strip fold back into it.
_FOLDS = 1
_POWER = {
    "MV": flows.inflow,
    "MA": flows.annulus,
    "TR": flows.regurgitation,
}


def draw_spectrum(scene, quality, rng):
    """The grey values of a strip, before it is scaled to its pixels.

    Args:
        scene: A `Scene`.
        quality: A `Quality`.
        rng: NumPy's generator.

    Returns:
        float32 (BINS, columns) in [0, 1]; the highest velocity is on top.
    """
    recording = scene.recording
    columns = int(np.ceil(recording.duration / WINDOW))
    times = (np.arange(columns) + 0.5) * recording.duration / columns
    span = recording.highest - recording.lowest
    folds = 2 * _FOLDS + 1
    bins = (np.arange(folds * BINS) + 0.5) / BINS
    v = (recording.highest + span * (_FOLDS - bins))[:, None]
    # Strength changes slowly, by some dB.
    power = 10 ** (flows.slow(rng, columns, 60) / 10)
    power = power * _POWER[scene.flow](scene, v, times, rng)
    power *= _completeness(scene.waves, v, times, quality, rng)
    power = folded(power, folds)
    v = v[_FOLDS * BINS : (_FOLDS + 1) * BINS]
    power *= 1 - np.exp(-((v / recording.wall_filter) ** 4))
    power *= _gaps(times / recording.duration, quality)
    # Crosstalk of the two directions.
    mirror = 10 ** (rng.uniform(-42, -28) / 10)
    power += mirror * _mirrored(power, v[:, 0])
    noise = 10 ** ((NOISE_FLOOR + quality.noise) / 10)
    speckled = (power + noise) * _speckle(rng, power.shape)
    level = 10 * np.log10(speckled + 1e-9) + quality.gain
    # White lies 4 dB above the bright parts.
    grey = (level - 4 + recording.dynamic_range) / recording.dynamic_range
    return np.clip(grey, 0, 1).astype(np.float32)


def folded(power, folds):
    """Aliasing: speeds beyond the Nyquist limit come back on the other side.

    Args:
        power: (folds * n, columns), evenly spaced velocities.
        folds: Number of times that the strip's range fits into them; the
            middle one is the strip.

    Returns:
        (n, columns).
    """
    return power.reshape(folds, -1, power.shape[1]).sum(axis=0)


def _completeness(waves, v, times, quality, rng):
    """Factor that fades the tips of an incomplete envelope."""
    if not quality.incomplete:
        return 1.0
    factor = 1.0
    kept = 1 - quality.incomplete * (1 + 0.1 * flows.slow(rng, len(times), 12))
    loss = rng.uniform(1.3, 2.2)  # powers of ten
    for side in (1, -1):
        edge = side * envelope(waves, times, side)
        place = side * v / np.maximum(edge, 1e-6)
        fade = 1 / (1 + np.exp(-np.clip((place - kept) / 0.07, -40, 40)))
        factor = factor * 10 ** (-loss * fade * (side * v > 0) * (edge > 0))
    return factor


def _gaps(part, quality):
    """Factor of the parts of the strip whose signal drops out."""
    loss = np.zeros(len(part))
    for start, width, amount in quality.dropout:
        rise = 1 / (1 + np.exp(np.clip((start - part) / 0.006, -40, 40)))
        fall = 1 / (
            1 + np.exp(np.clip((part - start - width) / 0.006, -40, 40))
        )
        loss = np.maximum(loss, amount * rise * fall)
    return 10 ** (-loss / 10)


def _mirrored(power, velocities):
    """The same spectrum on the other side of the baseline."""
    step = velocities[0] - velocities[1]
    rows = np.round((velocities[0] + velocities) / step).astype(int)
    inside = (rows >= 0) & (rows < len(velocities))
    return power[np.where(inside, rows, 0)] * inside[:, None]


def _speckle(rng, shape):
    """Power of a random signal with mean 1; windows overlap in time."""
    looks = []
    for _ in range(2):
        parts = rng.standard_normal((2, *shape)).astype(np.float32)
        parts = [cv2.GaussianBlur(p, (0, 0), 0.9, sigmaY=0.6) for p in parts]
        looks.append(parts[0] ** 2 + parts[1] ** 2)
    total = np.mean(looks, axis=0)
    return total / total.mean()
