"""The table of fixations that a user writes."""

import re
import sys
from pathlib import Path

import pandas as pd

from umsrep.data.csv_table import read_csv
from umsrep.errors import UmsrepError

NEEDED = ("image", "x", "y")
COLUMNS = (*NEEDED, "observer", "duration_ms")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def read_fixation_table(file):
    """Reads fixations, or samples of an eye tracker, on many images.

    The columns are read without regard to case. Rows whose x and y are both
    empty are moments at which the eye was lost; they are left out.

    Args:
        file: A CSV file.

    Returns:
        (data frame, warnings). The frame has a row per point, in the file's
        order: line (in the file), image (as written), x, y (float, pixels),
        observer (None where unknown), and duration_ms (float, NaN where
        unknown) if the file has that column.

    Raises:
        UmsrepError: not a table that `read_csv` reads, no column x or y, a
            cell that is not a number, a negative duration, or no position at
            all.
    """
    file = Path(file)
    names, rows = read_csv(file, COLUMNS)
    for name in NEEDED:
        if name not in names:
            raise UmsrepError(
                f"{file} has no column '{name}'; it has "
                f"{', '.join(filter(None, names))}. Expected image, x, y and, "
                "where known, observer and duration_ms; rename the column."
            )
    table = {name: [] for name in ("line", *COLUMNS)}
    lost = 0
    for line, cells in rows:
        if not cells["x"] and not cells["y"]:
            lost += 1
            continue
        # One string for all rows of an image: tables may be long.
        table["image"].append(sys.intern(cells["image"]))
        table["observer"].append(sys.intern(cells.get("observer", "")) or None)
        table["line"].append(line)
        for name in ("x", "y"):
            table[name].append(_number(file, line, name, cells[name]))
        duration = cells.get("duration_ms", "")
        table["duration_ms"].append(
            _duration(file, line, duration) if duration else float("nan")
        )
    if not table["line"]:
        raise UmsrepError(
            f"{file} holds no position. Expected a row per fixation with "
            "image, x and y; fill it, or move it away."
        )
    if "duration_ms" not in names:
        del table["duration_ms"]
    return pd.DataFrame(table), _warnings(file, names, lost)


def _number(file, line, name, cell):
    if not _NUMBER.fullmatch(cell):
        raise UmsrepError(
            f"{file}, line {line} has the {name} '{cell}'. Expected a number, "
            "with a decimal point; correct it, or leave both x and y empty "
            "where the position is not known."
        )
    return float(cell)


def _duration(file, line, cell):
    value = _number(file, line, "duration_ms", cell)
    if value < 0:
        raise UmsrepError(
            f"{file}, line {line} has the duration_ms {cell}. Expected "
            "milliseconds of at least 0; correct it, or remove the row."
        )
    return value


def _warnings(file, names, lost):
    where = f"{file.parent.name}/{file.name}"
    unread = [name for name in names if name not in ("", *COLUMNS)]
    if unread:
        yield (
            f"Columns of {where} that are not read: {', '.join(unread)}. Only "
            f"{', '.join(COLUMNS)} are: if one of these was meant, rename it "
            "and prepare again."
        )
    if lost:
        yield f"Rows of {where} without a position: {lost}; left out."
