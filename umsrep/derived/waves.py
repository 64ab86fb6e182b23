"""Waves of a spectral Doppler envelope: found in a mask, joined to beats.

A mask has time on x and velocity on y, positive upwards. Rows are counted from
the top, and pixel centres lie at whole numbers, so a baseline between rows 99
and 100 is 99.5.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage, signal

from umsrep.errors import UmsrepError

# Share of the highest wave on its side: a peak that rises less above the
# valleys beside it is part of another wave.
PROMINENCE = 0.15
# Share of the strip: smaller specks are not waves.
SMALLEST = 0.0005
# Two waves belong to one beat if the gap between them is shorter than this
# share of the gaps beside it.
CLOSER = 0.8


@dataclass(frozen=True)
class Wave:
    """One wave on one side of the baseline.

    Attributes:
        velocity: Highest speed, cm/s, positive on both sides.
        column: Column of the peak.
        start, stop: First column, and the one after the last.
        whole: Whether all of it is in the strip: it touches neither the first
            nor the last column, and its peak neither the first nor the last
            row.
    """

    velocity: float
    column: int
    start: int
    stop: int
    whole: bool


def find_waves(
    mask: np.ndarray,
    per_pixel: float,
    baseline: float,
    side: int,
    frame: tuple[int, int, int, int] | None = None,
) -> list[Wave]:
    """The waves on one side of the baseline, from left to right.

    The outline is, per column, the outer border of the outermost pixel; a
    wave is a local maximum of it that stands out (`PROMINENCE`) and ends where
    the mask ends, or in the valley to the next wave. Specks (`SMALLEST`) are
    left out first. Holes do not matter.

    Args:
        mask: (height, width), bool or 0 and 1.
        per_pixel: Velocity per pixel, cm/s.
        baseline: Row of velocity 0.
        side: 1 above the baseline, -1 below.
        frame: (top, bottom, left, right) of the strip in the image, the
            second and fourth exclusive; None is the whole image.

    Returns:
        List of `Wave`; empty for an empty mask.

    Raises:
        UmsrepError: a mask, scale, baseline or frame that cannot be used.
    """
    mask = _checked(mask, per_pixel, baseline)
    top, bottom, left, right = _frame(frame, mask.shape)
    distance = side * (baseline - np.arange(top, bottom))
    part = mask[top:bottom, left:right] & (distance > 0)[:, None]
    pieces, _ = ndimage.label(part, np.ones((3, 3)))
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    part = (sizes >= max(2, SMALLEST * part.size))[pieces]
    if not part.any():
        return []
    # In pixels, to the outer border of the outermost one.
    outline = np.where(part, distance[:, None] + 0.5, 0.0).max(0)
    edge = distance.max() + 0.5
    peaks, _ = signal.find_peaks(
        np.pad(outline, 1), prominence=PROMINENCE * outline.max()
    )
    peaks = peaks - 1
    valleys = [p + int(outline[p:q].argmin()) for p, q in pairwise(peaks)]
    empty = np.flatnonzero(outline == 0)
    waves = []
    for peak, before, after in zip(
        peaks, [0, *valleys], [*valleys, len(outline)], strict=True
    ):
        place = np.searchsorted(empty, peak)
        start = max(before, empty[place - 1] + 1 if place else 0)
        stop = min(after, empty[place] if place < len(empty) else after)
        inside = start > 0 and stop < len(outline) and outline[peak] < edge
        waves.append(
            Wave(
                float(outline[peak] * per_pixel),
                int(peak + left),
                int(start + left),
                int(stop + left),
                bool(inside),
            )
        )
    return waves


def early_and_late(waves, beats=None):
    """Pairs (early, late) of whole waves of one beat's diastole.

    With `beats`, a pair is the two waves between neighbouring beats, if there
    are exactly two. Without it, two waves belong to one beat if the gap
    between them is clearly (`CLOSER`) shorter than the gaps beside it or, if
    there are only two waves, shorter than their mean width. So there is no
    pair where waves have merged or one is missing; and at slow rates, when the
    pause between early and late filling is as long as systole, `beats` is
    needed.

    Args:
        waves: List of `Wave`, from left to right.
        beats: Columns of the QRS onsets, or None.

    Returns:
        List of (early, late).
    """
    if beats is not None:
        beats = np.sort(np.asarray(beats, float))
        of_beat = np.searchsorted(beats, [wave.column for wave in waves])
        groups = [
            [w for w, b in zip(waves, of_beat, strict=True) if b == beat]
            for beat in np.unique(of_beat)
        ]
        pairs = [tuple(group) for group in groups if len(group) == 2]
    else:
        neighbours = list(pairwise(waves))
        gaps = [late.start - early.stop for early, late in neighbours]
        pairs = [
            pair
            for number, pair in enumerate(neighbours)
            if gaps[number] < _longest_gap(pair, gaps, number)
        ]
    return [pair for pair in pairs if pair[0].whole and pair[1].whole]


def _longest_gap(pair, gaps, number):
    beside = gaps[max(number - 1, 0) : number] + gaps[number + 1 : number + 2]
    if beside:
        return CLOSER * min(beside)
    return np.mean([wave.stop - wave.start for wave in pair])


def _checked(mask, per_pixel, baseline):
    mask = np.asarray(mask)
    if mask.ndim != 2 or not np.isin(mask, (0, 1)).all():
        raise UmsrepError(
            f"mask of shape {mask.shape}, type {mask.dtype}; expected (height, "
            "width) of true and false. Pass mask > 127 of a picture, or "
            "probability > 0.5 of a prediction."
        )
    if not np.isfinite(per_pixel) or per_pixel <= 0:
        raise UmsrepError(
            f"per_pixel={per_pixel}: expected cm/s per pixel, above 0. Take it "
            "from the strip's velocity scale, at the size of the mask."
        )
    if not np.isfinite(baseline):
        raise UmsrepError(
            f"baseline={baseline}: expected the row of velocity 0. Take it "
            "from the strip's velocity scale, at the size of the mask."
        )
    return mask.astype(bool)


def _frame(frame, shape):
    if frame is None:
        return 0, shape[0], 0, shape[1]
    frame = tuple(int(edge) for edge in frame)
    if len(frame) == 4:
        top, bottom, left, right = frame
        if 0 <= top < bottom <= shape[0] and 0 <= left < right <= shape[1]:
            return frame
    raise UmsrepError(
        f"frame={frame}: expected (top, bottom, left, right) of the strip "
        f"within an image of {shape[0]}x{shape[1]} pixels. None is the whole "
        "image."
    )
