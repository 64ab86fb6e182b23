"""Boxes of published tables: from cells to masks."""

import math

from umsrep.data.attention import box_mask
from umsrep.errors import UmsrepError

# Pixels; tables differ in whether a box includes its last column.
SLACK = 1


def numbers(where, cells):
    """The values of a row's cells.

    Args:
        where: The row, for the message.
        cells: {column: text}.

    Returns:
        List of floats, in order.

    Raises:
        UmsrepError: a cell that holds no finite number.
    """
    values = []
    for column, text in cells.items():
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise UmsrepError(
                f"{where} has {column} = '{text}'. Expected a number of "
                "pixels; get the published table again, or correct the row."
            )
        values.append(value)
    return values


def reaches_beyond(boxes, shape):
    """Whether a box extends beyond its image by more than a pixel.

    Args:
        boxes: List of (x1, y1, x2, y2) in pixels.
        shape: (height, width) of the image.
    """
    height, width = shape
    return any(
        x1 < -SLACK or y1 < -SLACK or x2 > width + SLACK or y2 > height + SLACK
        for x1, y1, x2, y2 in boxes
    )


def mask_of(where, boxes, shape):
    """The mask of an image's boxes, cut to the image; see `box_mask`.

    Args:
        where: The image or row, for the message.
        boxes: List of (x1, y1, x2, y2) in pixels.
        shape: (height, width) of the image.

    Returns:
        uint8 (height, width) in {0, 1}.

    Raises:
        UmsrepError: a box that is inverted, empty or entirely outside.
    """
    for x1, y1, x2, y2 in boxes:
        if x1 >= x2 or y1 >= y2:
            raise UmsrepError(
                f"{where} has a box from ({x1:g}, {y1:g}) to ({x2:g}, "
                f"{y2:g}). Expected one that is wider and higher than 0; "
                "correct the table, or leave the image out."
            )
    try:
        return box_mask(boxes, shape)
    except UmsrepError as error:
        raise UmsrepError(f"{where}: {error}") from error
