"""What run folders and evaluation folders both hold, read with care.

What is missing is noted in words; what is broken is an error.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from umsrep.data.storage import read_json
from umsrep.errors import UmsrepError


@dataclass
class Picture:
    """A PNG inside a folder.

    Attributes:
        file: Its path.
        kind: "mask", "gradcam", or "" for a part of a triplet.
        task, image, caption: Text, maybe empty.
        score: Whatever the writer ranked it by, or None.
    """

    file: Path
    kind: str = ""
    task: str = ""
    image: str = ""
    caption: str = ""
    score: float | None = None


def read_picture(folder, subfolder, name, notes):
    """The `Picture`, unless it is missing or lies outside `folder`."""
    inside = folder.resolve()
    for file in (folder / str(name), folder / subfolder / str(name)):
        file = file.resolve()
        if file.is_relative_to(inside) and file.is_file():
            return Picture(file)
    notes.append(f"The picture '{Path(str(name)).name}' is missing.")
    return None


def read_history(folder, notes):
    """Data frame of history.csv, or None."""
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


def optional_json(file, kind, default):
    """A JSON file's dict, or list of dicts; `default` where there is none."""
    if not file.exists():
        return default
    value = read_json(file, "file of results")
    wrong = not isinstance(value, kind) or (
        kind is list and not all(isinstance(entry, dict) for entry in value)
    )
    if wrong:
        shape = "an object" if kind is dict else "a list of objects"
        raise UmsrepError(
            f"{file} does not hold {shape}. Make it again with the command "
            "that wrote it."
        )
    return value
