"""What the tests of Doppler strips share."""

import numpy as np

from umsrep.phantoms.echo import draw_strip
from umsrep.phantoms.echo.scene import Scene

NUMBERS = range(8)


def strips(flow, aliased=False, **options):
    """Some strips of one flow, with or without aliasing."""
    numbers = [
        number
        for number in range(60)
        if Scene.draw(7, number, flow, number).aliased == aliased
    ]
    return [
        draw_strip(7, number, flow, **options)
        for number in numbers[: len(NUMBERS)]
    ]


def edge(strip, side):
    """Speed at the mask's outer edge in every column, from the scale."""
    scale = strip.truth["velocity"]
    rows = np.arange(strip.mask.shape[0])[:, None]
    speeds = side * (scale["baseline_row"] - rows) * scale["cm_s_per_pixel"]
    # The edge lies half a pixel beyond the last pixel's centre.
    reach = np.where(strip.mask, speeds + scale["cm_s_per_pixel"] / 2, 0)
    return reach.max(axis=0)


def inside_strip(strip):
    """The spectrogram's part of the picture, without what frames it."""
    velocity, time = strip.truth["velocity"], strip.truth["time"]
    top = round(
        velocity["baseline_row"]
        + 0.5
        - velocity["highest"] / velocity["cm_s_per_pixel"]
    )
    bottom = top + round(
        (velocity["highest"] - velocity["lowest"]) / velocity["cm_s_per_pixel"]
    )
    left = time["first_column"]
    width = strip.parameters["recording"]["duration"] / time["s_per_pixel"]
    return slice(top, bottom), slice(left, left + round(width))
