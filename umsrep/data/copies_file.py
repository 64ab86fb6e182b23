"""Copies as a prepared data set records them: signatures.npy, copies.csv."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep.data import copies, storage
from umsrep.errors import UmsrepError

SIGNATURES, COPIES = "signatures.npy", "copies.csv"
FILES = (SIGNATURES, COPIES)


def write(
    folder: Path, table: pd.DataFrame, signatures: NDArray[np.uint8]
) -> list[str]:
    """Writes both files of a data set whose images are written.

    Args:
        folder: The data set's folder.
        table: The manifest, as a data frame of strings.
        signatures: (n, 64, 64) uint8, one per row.

    Returns:
        Warnings about copies under several patients.
    """
    names = list(table["image"])

    def image(position: int) -> NDArray[np.uint8]:
        file = str(folder / names[position])
        return np.asarray(cv2.imread(file, cv2.IMREAD_GRAYSCALE), np.uint8)

    pairs = copies.find_copies(signatures, image)
    with storage.atomic_path(folder / SIGNATURES) as temporary:
        np.save(temporary, signatures)
    storage.write_csv(folder / COPIES, copies.to_frame(names, pairs))
    return _warnings(table, copies.group_names(names, pairs))


def read(path: Path, images: Sequence[str]) -> list[str] | None:
    """The group of copies of each image, or None of an older data set.

    Args:
        path: The data set's folder.
        images: The manifest's images.

    Raises:
        UmsrepError: copies.csv is damaged, or names other images.
    """
    pairs = read_pairs(path)
    if pairs is None:
        return None
    position = {name: number for number, name in enumerate(images)}
    try:
        found = [
            copies.Pair(position[first], position[second], 1.0, False)
            for first, second in zip(pairs["image"], pairs["copy"], strict=True)
        ]
    except KeyError as error:
        raise UmsrepError(
            f"{path / COPIES} names the image {error}, which the manifest "
            "lacks. Prepare the data set again."
        ) from error
    return copies.group_names(list(images), found)


def read_pairs(path: Path) -> pd.DataFrame | None:
    """copies.csv as a data frame, or None of an older data set."""
    file = path / COPIES
    if not file.exists():
        return None
    try:
        pairs = pd.read_csv(file, dtype={"image": str, "copy": str})
        return pairs[list(copies.COLUMNS)]
    except (OSError, ValueError, KeyError) as error:
        raise UmsrepError(
            f"{file} cannot be read ({error}). Prepare the data set again."
        ) from error


def across_patients(
    table: pd.DataFrame, groups: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """Rows of the manifest of each group of copies under several patients."""
    named = table.assign(group=groups)
    for group, rows in named[named["group"] != ""].groupby("group", sort=False):
        if group and rows["patient"].nunique() > 1:
            yield rows


def _warnings(table: pd.DataFrame, groups: Sequence[str]) -> list[str]:
    found = list(across_patients(table, groups))
    if not found:
        return []
    patients = ", ".join(found[0]["patient"].unique()[:4])
    return [
        f"{sum(map(len, found))} images are copies of each other under "
        f"several patients ({len(found)} pictures; the first: "
        f"{', '.join(found[0]['image'][:4])} of {patients}). Every split "
        "keeps them together; `umsrep verify` lists them."
    ]
