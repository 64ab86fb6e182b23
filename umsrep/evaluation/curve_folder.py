"""Reads a folder of `umsrep learning-curve`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from umsrep.data.storage import read_json
from umsrep.errors import UmsrepError

FORMAT = "umsrep-learning-curve"
FORMAT_VERSION = 1
HEADER = "learning_curve.json"
# Its tables, each a file of this name.
TABLES = ("summary", "differences", "relative", "reached", "cost")
# Words of the table "reached" where there is no number of patients.
AT_ONCE, NEVER = "at the smallest", "not reached"


@dataclass
class LearningCurve:
    """A folder of a learning curve.

    Attributes:
        path: The folder.
        info: learning_curve.json.
        tables: {name: data frame} of `TABLES`; one without rows is empty.
        notes: What is missing, in words.
    """

    path: Path
    info: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    notes: list[str] = field(default_factory=list)

    @property
    def data(self) -> str:
        """Name of the data set that was trained on."""
        described = self.info.get("data") or [{}]
        return str(described[0].get("name") or "unnamed data")


def read_curve(path: str | Path) -> LearningCurve:
    """The `LearningCurve` in a folder.

    Raises:
        UmsrepError: no learning_curve.json or tables, or of another format
            version.
    """
    path = Path(path)
    info = read_json(path / HEADER, "learning curve")
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        raise UmsrepError(
            f'{path / HEADER} is no learning curve (expected "format": '
            f"\"{FORMAT}\"). Run 'umsrep learning-curve' again."
        )
    if info.get("format_version") != FORMAT_VERSION:
        raise UmsrepError(
            f"{path / HEADER} has format version "
            f"{info.get('format_version')!r}; this umsrep reads version "
            f"{FORMAT_VERSION}. Run 'umsrep learning-curve' again."
        )
    if not (path / "summary.csv").exists():
        raise UmsrepError(
            f"{path} has no summary.csv: no point of the curve is finished. "
            "Repeat the command that made it; it goes on where it was."
        )
    tables = {name: _table(path / f"{name}.csv") for name in TABLES}
    notes = []
    if info.get("status") != "complete":
        notes.append("The learning curve is not finished.")
    return LearningCurve(path, info, tables, notes)


def _table(file: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(file)
    except (FileNotFoundError, pd.errors.EmptyDataError):
        return pd.DataFrame()
