"""Reads published tables, and the size of the images that they refer to."""

from pathlib import Path

import pandas as pd

from umsrep.data import dicom
from umsrep.data import images as reading
from umsrep.errors import UmsrepError

ROWS_AT_A_TIME = 200_000


def read_table(path, columns, chunk=None, **options):
    """Reads some columns of a CSV table, as a whole or in parts.

    Args:
        path: The CSV file.
        columns: The columns to read.
        chunk: `chunk(part)` is called for each `ROWS_AT_A_TIME` rows, so that
            a large file is never held as a whole; what it returns is joined.
        options: Options of `pandas.read_csv`.

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


def image_shape(path: Path) -> tuple[int, int]:
    """(height, width) of an image file; DICOM without reading the pixels.

    Raises:
        UmsrepError: as for `images.open_image`.
    """
    if path.suffix.lower() == ".dcm":
        return dicom.read_shape(path)
    image = reading.open_image(path)
    return image.height, image.width
