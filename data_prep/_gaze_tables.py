"""Checks whether tables of gaze fit their images."""

import numpy as np

from umsrep.errors import UmsrepError

# Share of an image's points: a tracker errs at the border, but not so often.
MOST_BEYOND = 0.2
# Share of the sides; people look at more of a picture than its upper left part.
LEAST_REACH = 0.6
FEWEST_IMAGES = 10


def check_pixels(path, table):
    """Raises if positions are fractions of a screen instead of pixels.

    Args:
        path: The table's file, for the message.
        table: Data frame with x and y; negative is outside the image.
    """
    for axis in ("x", "y"):
        if not (table[axis] > 1).any() and (table[axis] >= 0).any():
            raise UmsrepError(
                f"{path} has no {axis} above 1 (from {table[axis].min():g} to "
                f"{table[axis].max():g}): these are fractions of a screen. "
                "Expected pixels of the image; get the table in pixels, or "
                "convert the fractions first."
            )


def check_extent(path, shape, table):
    """Raises if many points lie beyond the image, as in another resolution.

    Args:
        path: The image, for the message.
        shape: Its (height, width).
        table: Its points, with x and y; negative ones do not count.
    """
    positive = table[(table["x"] >= 0) & (table["y"] >= 0)]
    beyond = (positive["x"] >= shape[1]) | (positive["y"] >= shape[0])
    if len(positive) and beyond.mean() > MOST_BEYOND:
        raise UmsrepError(
            f"{path} is {shape[1]} x {shape[0]} pixels, but "
            f"{beyond.mean():.0%} of its gaze points lie beyond, up to "
            f"({positive['x'].max():.0f}, {positive['y'].max():.0f}). "
            "Expected points in pixels of this image; use the image in its "
            "original size, or the table that belongs to it, or remove the "
            "rows in which people looked beside it."
        )


def reach(shape, table):
    """How far the points go, as shares of (width, height)."""
    return table["x"].max() / shape[1], table["y"].max() / shape[0]


def check_reach(path, reaches):
    """Raises if no point of a whole set comes near the far borders.

    Args:
        path: The table's file, for the message.
        reaches: What `reach` returned for each image.
    """
    if len(reaches) < FEWEST_IMAGES:
        return
    across, down = np.nanmax(np.array(reaches), axis=0)
    if max(across, down) < LEAST_REACH:
        raise UmsrepError(
            f"The points of {path} reach only {across:.0%} of the width and "
            f"{down:.0%} of the height of the images: they belong to smaller "
            "images. Use the images to which the positions refer, or scale x "
            "and y first."
        )


def pixel_centres(values):
    """Whole pixel numbers -> the middle of the pixel, continuous."""
    return np.floor(values) + 0.5
