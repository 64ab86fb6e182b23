"""What a source file tells beside its pixels: size, format, depth, folder.

None of it should say anything about a diagnosis. Where it does, a network may
learn it from what it leaves in the pixels (`umsrep audit`).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pydicom
from PIL import Image

from umsrep.data import storage
from umsrep.errors import UmsrepError

SOURCES = "sources.csv"
COLUMNS = (
    *("image", "folder", "bytes", "format", "channels", "bits"),
    *("width", "height", "device"),
)
# Bits of a channel, by Pillow's mode, where it is not 8.
_BITS = {"1": 1, "I": 32, "F": 32}


def facts(path: str | Path, shape: tuple[int, int]) -> dict[str, Any]:
    """What is known of one source image that could be read.

    Args:
        path: The file.
        shape: (height, width) in pixels.

    Returns:
        {column of sources.csv: value}, without `image` and `folder`; `format`
        and what follows is "" where the file's header does not say.
    """
    found: dict[str, Any] = dict.fromkeys(COLUMNS[2:], "")
    found |= {"height": shape[0], "width": shape[1]}
    path = Path(path)
    found["bytes"] = path.stat().st_size
    try:
        with Image.open(path) as picture:
            mode = picture.mode
            deep = mode.startswith("I;16")
            found |= {
                "format": picture.format or "",
                "channels": len(picture.getbands()),
                "bits": 16 if deep else _BITS.get(mode, 8),
            }
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        found |= _of_dicom(path)
    return found


def _of_dicom(path: Path) -> dict[str, Any]:
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, force=False)
        makers = (header.get(n, "") for n in _DEVICE)
        return {
            "format": "DICOM",
            "channels": int(header.get("SamplesPerPixel", 1)),
            "bits": int(header.get("BitsStored", 0)) or "",
            "device": " ".join(str(m).strip() for m in makers if m),
        }
    # A file whose pixels could be read must not fail for its header.
    except Exception:
        return {}


_DEVICE = ("Manufacturer", "ManufacturerModelName")


def table(found: Mapping[str, tuple[Path, dict[str, Any]]]) -> pd.DataFrame:
    """sources.csv: a row per image.

    Args:
        found: {the manifest's `image`: (its file, `facts` of it)}.

    Returns:
        Data frame of `COLUMNS`; `folder` is relative to the folder above all
        images, for the record travels with the data.
    """
    parents = [str(path.absolute().parent) for path, _ in found.values()]
    above = os.path.commonpath(parents)
    rows = []
    for image, parent in zip(found, parents, strict=True):
        folder = Path(os.path.relpath(parent, above)).as_posix()
        rows.append({"image": image, "folder": folder, **found[image][1]})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write(
    folder: Path, found: Mapping[str, tuple[Path, dict[str, Any]]]
) -> None:
    """Writes `table` as sources.csv of a prepared data set."""
    storage.write_csv(folder / SOURCES, table(found))


def read(path: Path) -> pd.DataFrame | None:
    """sources.csv of a prepared data set, or None of an older one.

    Args:
        path: The data set's folder.

    Returns:
        Data frame of `COLUMNS`; what is not known is nan or "".

    Raises:
        UmsrepError: the file is damaged.
    """
    file = path / SOURCES
    if not file.exists():
        return None
    try:
        text = dict.fromkeys(("image", "folder", "format", "device"), str)
        return pd.read_csv(file, dtype=text)[list(COLUMNS)]
    except (OSError, ValueError, KeyError) as error:
        raise UmsrepError(
            f"{file} cannot be read ({error}). Prepare the data set again."
        ) from error
