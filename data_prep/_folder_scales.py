"""The table of scales in a user's own folder."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from data_prep._csv_table import read_csv
from data_prep._image_names import match_rows
from umsrep.data.scale import AXES, NUMBERS, AxisScale, Scale, number
from umsrep.errors import UmsrepError

NEEDED = ("image", "axis", "unit", "per_pixel")
COLUMNS = (*NEEDED, *NUMBERS[1:])


@dataclass(frozen=True)
class ScaleRow:
    """One row: its line in the file, and the scale of one axis."""

    line: int
    image: str
    axis: str
    scale: AxisScale


def read_scale_table(file):
    """Reads scales, a row per image and axis.

    Args:
        file: A CSV file with the columns image, axis (x or y), unit and
            per_pixel and, where known, zero, start and stop.

    Returns:
        List of `ScaleRow`.

    Raises:
        UmsrepError: no table that `read_csv` reads, a column that is missing
            or unknown, another axis, or what `AxisScale` refuses.
    """
    file = Path(file)
    names, rows = read_csv(file, COLUMNS)
    for name in NEEDED:
        if name not in names:
            raise UmsrepError(
                f"{file} has no column '{name}'; it has "
                f"{', '.join(filter(None, names))}. Expected image, axis, "
                "unit, per_pixel and, where known, zero, start and stop; "
                "rename or add the column."
            )
    unknown = [name for name in names if name and name not in COLUMNS]
    if unknown:
        raise UmsrepError(
            f"{file} has the unknown column '{unknown[0]}'. Expected "
            f"{', '.join(COLUMNS)}; rename or remove it."
        )
    return [_row(file, line, cells) for line, cells in rows]


def _row(file, line, cells):
    axis = cells["axis"].lower()
    if axis not in AXES:
        raise UmsrepError(
            f"{file}, line {line} has the axis '{cells['axis']}'. Expected y "
            "(rows) or x (columns); correct it."
        )
    try:
        scale = AxisScale(
            cells["unit"],
            **{name: number(cells.get(name, "")) for name in NUMBERS},
        )
    except UmsrepError as error:
        raise UmsrepError(f"{file}, line {line}: {error}") from error
    return ScaleRow(line, cells["image"], axis, scale)


def read_scales(groups, contents):
    """Adds the scales of a folder's images.

    Args:
        groups: {stem in lower case: [image files]}; images with two scales of
            an axis are taken out.
        contents: `FolderContents`, filled.

    Raises:
        UmsrepError: see `read_scale_table`.
    """
    file, root = contents.layout.scales, contents.layout.images
    if not file.exists():
        return
    rows = read_scale_table(file)
    matched = match_rows(file, rows, root, groups, contents.problems)
    for path, rows in matched.items():
        axes = defaultdict(list)
        for row in rows:
            axes[row.axis].append(row)
        for axis, repeated in axes.items():
            if len(repeated) > 1:
                # Which one is right is unknown, so the image is left out.
                groups.pop(path.stem.lower(), None)
                lines = " and ".join(str(row.line) for row in repeated)
                contents.problems.append(
                    (
                        path,
                        f"{file} has {len(repeated)} {axis} scales for "
                        f"{path.name} (lines {lines}). Expected one row per "
                        "image and axis; keep the right one.",
                    )
                )
        contents.scales[path] = Scale(
            **{axis: found[0].scale for axis, found in axes.items()}
        )
