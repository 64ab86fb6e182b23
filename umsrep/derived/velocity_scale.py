"""From an image's scale to what is needed to find waves in the image."""

import math

from umsrep.errors import UmsrepError

CM_S = {"cm/s": 1.0, "m/s": 100.0}


def velocity_scale(scale, shape):
    """What `PeakVelocity.measure` takes, from an image's scale.

    Args:
        scale: `umsrep.data.Scale`: y in cm/s or m/s with its zero, the
            baseline. The region of both axes is the strip.
        shape: (height, width) of the mask.

    Returns:
        (cm/s per pixel, row of velocity 0, (top, bottom, left, right)).

    Raises:
        UmsrepError: no scale, none of y, another unit, no zero, or a region
            outside the mask.
    """
    y = None if scale is None else scale.y
    if y is None:
        raise UmsrepError(
            "No scale of the rows is known; pixels alone give no velocity. "
            "Leave the image out, or add it to scales.csv, and prepare again "
            "(for new images: pass the table to --scales)."
        )
    if y.unit not in CM_S:
        raise UmsrepError(
            f"The rows are in {y.unit}; expected a velocity in "
            f"{' or '.join(CM_S)}. Leave the image out, or convert its scale."
        )
    if y.zero is None:
        raise UmsrepError(
            "The row of velocity 0 is unknown. Leave the image out, or fill "
            "in 'zero' in scales.csv, and prepare again (for new images: pass "
            "the table to --scales)."
        )
    return (
        y.per_pixel * CM_S[y.unit],
        y.zero,
        (
            *_pixels(y, shape[0], "rows"),
            *_pixels(scale.x, shape[1], "columns"),
        ),
    )


def _pixels(axis, length, what):
    """First pixel with its centre in the region, and the one after the last."""
    edges = (0, length)
    if axis is not None:
        given = (axis.start, axis.stop)
        edges = tuple(
            edge if value is None else math.ceil(value - 0.5)
            for edge, value in zip(edges, given, strict=True)
        )
    if not 0 <= edges[0] < edges[1] <= length:
        raise UmsrepError(
            f"The scale applies to the {what} {edges[0]} to {edges[1]} of "
            f"{length}. Expected a part of the image; pass the scale of an "
            "image of this size."
        )
    return edges
