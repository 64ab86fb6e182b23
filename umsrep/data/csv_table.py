"""Tables as people and spreadsheets write them."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from umsrep.errors import UmsrepError

Row = dict[str, str]

SEPARATORS = (",", ";", "\t")


def read_csv(
    file: str | Path,
    columns: Sequence[str],
    called: Mapping[str, str] | None = None,
) -> tuple[list[str], Iterator[tuple[int, Row]]]:
    """Reads a table with a column named image.

    UTF-8, with or without a byte order mark; separated by commas, semicolons
    or tabs, whichever gives a column named image. Empty rows are skipped.

    Args:
        file: A CSV file.
        columns: Names whose case does not matter.
        called: {column of the file: the name that is meant}, or None.

    Returns:
        (names of the columns in order, "" where one has none; iterator of
        (line in the file, {name: cell without surrounding blanks})).

    Raises:
        UmsrepError: not UTF-8, no column image, columns with the same name;
            while iterating: a row of another length, a cell in a column
            without a name, or a row without an image.
    """
    file = Path(file)
    text = _text(file)
    separator, names = _header(file, text, columns, called or {})
    return names, _rows(file, text, separator, names)


def _rows(
    file: Path, text: str, separator: str, names: list[str]
) -> Iterator[tuple[int, Row]]:
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        skipinitialspace=True,
        strict=True,
    )
    try:
        next(reader)
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any(cells):
                yield reader.line_num, _row(file, reader.line_num, names, cells)
    except csv.Error as error:
        raise UmsrepError(
            f"{file}, line {reader.line_num}: {error}. Expected a CSV table; "
            "check the quotation marks."
        ) from error


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UmsrepError(
            f"{file} is not UTF-8 text (byte {error.object[error.start]:#04x} "
            f"in line {line}). Expected a CSV table in UTF-8; save it again, "
            "in Excel with 'Save as' and the type 'CSV UTF-8'."
        ) from error
    except OSError as error:
        raise UmsrepError(
            f"{file} cannot be read ({error.strerror or error}). Expected a "
            "CSV table; check the file and its permissions."
        ) from error


def _header(
    file: Path, text: str, columns: Sequence[str], called: Mapping[str, str]
) -> tuple[str, list[str]]:
    """The separator and the names of the columns."""
    image = next((n for n, ours in called.items() if ours == "image"), "image")
    own = [name for name in columns if name not in called.values()]
    first = text.split("\n", 1)[0].strip("\r\n")
    for separator in SEPARATORS:
        cells = next(
            csv.reader([first], delimiter=separator, skipinitialspace=True), []
        )
        names = [cell.strip() for cell in cells]
        names = [
            called.get(n, n.lower() if n.lower() in own else n) for n in names
        ]
        if "image" in names:
            break
    else:
        raise UmsrepError(
            f"{file} has no column '{image}'; its first line is "
            f"'{first[:120]}'. Expected the names of the columns, separated "
            f"by commas, one of them '{image}'; rename the column with the "
            "file names."
        )
    lacking = [n for n, ours in called.items() if ours not in names]
    if lacking:
        raise UmsrepError(
            f"{file} has no column '{lacking[0]}'. Its columns: "
            f"{', '.join(filter(None, names))}. Correct 'columns' in the "
            "description of the folder."
        )
    for name, count in Counter(names).items():
        if name and count > 1:
            raise UmsrepError(
                f"{file} has {count} columns named '{name}'. Expected "
                "different names; rename or remove one."
            )
    return separator, names


def _row(file: Path, line: int, header: list[str], cells: list[str]) -> Row:
    more = cells[len(header) :]
    unnamed = [
        cell
        for name, cell in zip(header, cells, strict=False)
        if not name and cell
    ]
    if len(cells) < len(header) or any(more):
        raise UmsrepError(
            f"{file}, line {line} has {len(cells)} cells, the first line "
            f"{len(header)}. Expected as many; put cells that hold a "
            "separator into quotation marks."
        )
    if unnamed:
        raise UmsrepError(
            f"{file}, line {line} has '{unnamed[0]}' in a column without a "
            "name. Expected a name for every column; name or remove it "
            "(pandas: to_csv(..., index=False))."
        )
    values = dict(zip(header, cells, strict=False))
    if not values["image"]:
        raise UmsrepError(
            f"{file}, line {line} names no image. Expected a file name in the "
            "column 'image'; fill it in, or remove the row."
        )
    return values
