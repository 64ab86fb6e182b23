"""Reading tables of gaze, and looking at whether they fit their images."""

import numpy as np
import pandas as pd

from umsrep.data import dicom
from umsrep.data import images as reading
from umsrep.errors import UmsrepError

# Of an image's points: a tracker errs at the border, but not so often.
MOST_BEYOND = 0.2
# Of the sides; people look at more of a picture than its upper left part.
LEAST_REACH = 0.6
FEWEST_IMAGES = 10
ROWS_AT_A_TIME = 200_000


def read_table(path, columns, chunk=None, **options):
    """Some columns of a CSV table, whole or in parts.

    Args:
        path: The CSV file.
        columns: The columns to read.
        chunk: `chunk(part)` for each `ROWS_AT_A_TIME` rows, instead of
            holding a large file at once; what it returns is joined.
        options: Of `pandas.read_csv`.

    Returns:
        Data frame with `columns`.

    Raises:
        UmsrepError: missing, not a CSV table, or without one of the columns.
    """
    try:
        with pd.read_csv(
            path,
            chunksize=ROWS_AT_A_TIME,
            low_memory=False,
            usecols=lambda name: name in columns,
            **options,
        ) as parts:
            tables = []
            for part in parts:
                missing = [name for name in columns if name not in part]
                if missing:
                    raise UmsrepError(
                        f"{path} has no column '{missing[0]}'. Expected the "
                        f"columns {', '.join(columns)}; get the published "
                        "table again."
                    )
                tables.append(chunk(part) if chunk else part)
    except FileNotFoundError as error:
        raise UmsrepError(
            f"{path} does not exist. Expected a table with the columns "
            f"{', '.join(columns)}; get it from the data set's page."
        ) from error
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise UmsrepError(
            f"{path} is not a readable CSV table ({error}). Get the "
            "published table again."
        ) from error
    return pd.concat(tables, ignore_index=True)


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
            "rows of looks beside it."
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
            f"{down:.0%} of the height of the images: they are of smaller "
            "ones. Use the images on which the positions were given, or "
            "scale x and y first."
        )


def image_shape(path):
    """(height, width) of an image file, of DICOM without the pixels.

    Raises:
        UmsrepError: as `images.open_image`.
    """
    if path.suffix.lower() == ".dcm":
        return dicom.read_shape(path)
    image = reading.open_image(path)
    return image.height, image.width


def pixel_centres(values):
    """Whole pixel numbers -> the middle of the pixel, continuous."""
    return np.floor(values) + 0.5
