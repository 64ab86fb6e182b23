"""Tables that state what the pixels of images measure (scales.csv)."""

from dataclasses import dataclass
from pathlib import Path

from umsrep.data.csv_table import read_csv
from umsrep.data.scale import AXES, NUMBERS, AxisScale, number
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


def read_scale_table(file: str | Path) -> list[ScaleRow]:
    """Reads scales, a row per image and axis.

    Args:
        file: A CSV file with the columns image, axis (x or y), unit and
            per_pixel and, where known, zero, start and stop.

    Raises:
        UmsrepError: not a table that `read_csv` reads, a column that is missing
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


def _row(file: Path, line: int, cells: dict[str, str]) -> ScaleRow:
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
