"""What run folders and evaluation folders both hold, checked while reading.

What is missing becomes a note; what is damaged is an error.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from umsrep.data.storage import read_json
from umsrep.errors import UmsrepError


@dataclass
class Picture:
    """A PNG inside a folder.

    Attributes:
        file: Its path.
        kind: "mask", "gradcam", or "" for a part of a triplet.
        task, image, caption: Text, possibly empty.
        score: What the writer ranked it by, or None.
    """

    file: Path
    kind: str = ""
    task: str = ""
    image: str = ""
    caption: str = ""
    score: float | None = None


def read_picture(
    folder: Path, subfolder: str, name: object, notes: list[str]
) -> Picture | None:
    """The `Picture`, unless it is missing or lies outside `folder`."""
    inside = folder.resolve()
    for file in (folder / str(name), folder / subfolder / str(name)):
        file = file.resolve()
        if file.is_relative_to(inside) and file.is_file():
            return Picture(file)
    notes.append(f"The picture '{Path(str(name)).name}' is missing.")
    return None


def read_history(folder: Path, notes: list[str]) -> pd.DataFrame | None:
    """history.csv, or None and a note."""
    file = folder / "history.csv"
    if not file.exists():
        notes.append("No history.csv: no training curves.")
        return None
    try:
        history = pd.read_csv(file)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UmsrepError(
            f"{file} is not a readable history ({str(error).strip()}). "
            "Continue the run with --resume, or train again."
        ) from error
    if history.empty:
        notes.append("history.csv has no epoch yet: no training curves.")
        return None
    return history


def optional_json(file: Path, kind: type, default: Any) -> Any:
    """A JSON file's dict, or list of dicts; `default` without the file.

    Args:
        file: The file.
        kind: `dict`, or `list` for a list of dicts.
        default: What to return if there is no such file.
    """
    if not file.exists():
        return default
    value = read_json(file, "file of results")
    right = isinstance(value, kind)
    if kind is list and isinstance(value, list):
        right = all(isinstance(entry, dict) for entry in value)
    if not right:
        shape = "an object" if kind is dict else "a list of objects"
        raise UmsrepError(
            f"{file} does not hold {shape}. Make it again with the command "
            "that wrote it."
        )
    return value
