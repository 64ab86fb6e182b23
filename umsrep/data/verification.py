"""Checking a prepared data set: files, values, and leaks between splits."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep import tasks as task_kinds
from umsrep.data import (
    copies,
    copies_check,
    copies_file,
    file_content,
    storage,
)
from umsrep.data import images as reading
from umsrep.data import scale as scales
from umsrep.data.prepared import (
    HEADER,
    MANIFEST,
    SPLITS,
    count_images,
    read_header,
    scale_columns,
    tasks_of,
)
from umsrep.errors import UmsrepError

# A row of the manifest: {column: cell}.
Row = Mapping[Any, str]
_AGAIN = "Prepare the data set again with 'umsrep prepare'."
_BITS = {"L": 8, "I;16": 16}
_FOLDERS = tuple(
    f"{task_kinds.get(name).folder}/"
    for name in task_kinds.names()
    if task_kinds.get(name).place == task_kinds.PICTURE
)
_CLUTTER = ("thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or doubtful.

    Attributes:
        severity: "error" (results would be wrong) or "warning".
        file: The file or manifest entry at fault, relative to the data set.
        message: What was found.
        remedy: What to do about it.
    """

    severity: str
    file: str
    message: str
    remedy: str


def verify(
    path: str | Path, progress: Callable[[int, int], object] | None = None
) -> list[Finding]:
    """Checks a prepared data set.

    Errors: files that are missing, changed, unreadable or of the wrong size
    or kind; labels and mask values that do not belong; scales that cannot be
    used; repeated images; one patient, or copies of one picture, on two sides
    of a split; counts that disagree. Warnings: copies on one side, implausible
    masks, classes that a split lacks, stray files.

    Args:
        path: The prepared folder.
        progress: `progress(done, total)`, called after each image.

    Returns:
        List of `Finding`s, errors first; empty if all is well.

    Raises:
        UmsrepError: the folder is not a whole prepared data set of this
            format version (see `prepared.read_header`).
    """
    checks = _Checks(Path(path))
    checks.run(progress)
    return sorted(checks.findings, key=lambda f: f.severity != "error")


class _Checks:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.header = read_header(path)
        self.tasks = tasks_of(self.header)
        self.size = tuple(self.header["preprocessing"]["size"])
        self.checksums = self.header["checksums"]
        self.findings: list[Finding] = []

    def error(
        self, file: str | Path, message: str, remedy: str = _AGAIN
    ) -> None:
        self.findings.append(Finding("error", str(file), message, remedy))

    def warning(self, file: str | Path, message: str, remedy: str) -> None:
        self.findings.append(Finding("warning", str(file), message, remedy))

    def run(self, progress: Callable[[int, int], object] | None) -> None:
        self.check_listing()
        table = self.read_manifest()
        if table is None:
            return
        thumbnails: dict[str, NDArray] = {}
        for index, row in enumerate(table.to_dict("records")):
            pixels = self.check_row(row)
            if pixels is not None:
                thumbnails[row["image"]] = copies.signature(pixels)
            if progress:
                progress(index + 1, len(table))
        self.check_fixations(table)
        self.check_repeats(table)
        self.check_patients(table)
        self.check_copies(table, thumbnails)
        self.check_classes(table)
        self.check_counts(table)

    def check_listing(self) -> None:
        present = {
            file.relative_to(self.path).as_posix()
            for file in self.path.rglob("*")
            if file.is_file()
            and not file.name.startswith(".")
            and file.name.lower() not in _CLUTTER
        }
        for file in sorted(set(self.checksums) - present):
            self.error(file, "is listed but missing")
        own = ("images/", "fixations/", *_FOLDERS)
        for file in sorted(present - set(self.checksums) - {HEADER}):
            remedy = "Remove it, or prepare the data set again with it."
            if file.startswith(own) or file == MANIFEST:
                self.error(file, "is not listed in dataset.json", remedy)
            else:
                self.warning(file, "is not listed in dataset.json", remedy)
        for file in sorted(present & set(self.checksums)):
            if storage.sha256(self.path / file) != self.checksums[file]:
                self.error(
                    file,
                    "has changed since it was prepared (checksum differs)",
                )

    def read_manifest(self) -> pd.DataFrame | None:
        try:
            table = pd.read_csv(
                self.path / MANIFEST, dtype=str, keep_default_na=False
            )
        except FileNotFoundError:
            # Reported among the listed files, or not listed at all.
            if MANIFEST not in self.checksums:
                self.error(MANIFEST, "is missing")
            return None
        except (OSError, ValueError) as error:
            self.error(MANIFEST, f"cannot be read ({error})")
            return None
        missing = [
            column
            for column in (
                *("image", "patient", "split", *self.tasks),
                *scale_columns(self.header),
            )
            if column not in table
        ]
        if missing:
            self.error(MANIFEST, f"lacks the columns {', '.join(missing)}")
            return None
        if table.empty:
            self.error(MANIFEST, "lists no image")
            return None
        return table

    def check_row(self, row: Row) -> NDArray | None:
        """Checks one image and its labels; returns its pixels."""
        image = row["image"]
        match = re.fullmatch(r"images/([A-Za-z0-9][\w.-]*)\.png", image)
        if not match:
            self.error(
                image or MANIFEST,
                f"is the image '{image}' of the manifest; expected "
                "images/<id>.png",
            )
            return None
        if not row["patient"].strip():
            self.error(image, "has no patient")
        if row["split"] not in ("", *SPLITS):
            self.error(
                image,
                f"has the split '{row['split']}'; expected one of "
                f"{', '.join(SPLITS)} or nothing",
            )
        for name, task in self.tasks.items():
            value = row[name]
            if not value:
                continue
            kind: Any = task_kinds.of(task)
            if kind.place == task_kinds.PICTURE:
                expected = f"{kind.folder}/{name}/{match[1]}.png"
                self.check_picture(kind, expected, value, image)
            elif fault := kind.fault(value):
                self.error(
                    image,
                    f"has the {fault[0]} for task '{name}'; expected "
                    f"{fault[1]}",
                )
        self.check_scale(image, row)
        pixels = self.read_pixels(image)
        if pixels is None:
            return None
        try:
            file_content.check_not_constant(image, pixels)
        except UmsrepError:
            self.error(image, "is constant: it shows nothing")
        return pixels

    def read_pixels(self, file: str, mode: str = "L") -> NDArray | None:
        """The array of a stored PNG, or None where something is wrong."""
        if file not in self.checksums:
            # A present file that is not listed was reported before.
            if not (self.path / file).is_file():
                self.error(file, "is in the manifest but missing")
            return None
        if not (self.path / file).is_file():
            return None
        try:
            picture = reading.open_image(self.path / file)
        except UmsrepError as error:
            self.error(file, f"is not a readable image ({error})")
            return None
        if picture.mode != mode:
            self.error(
                file,
                f"is stored as {picture.mode}; expected {_BITS[mode]}-bit "
                f"grey ({mode})",
            )
            return None
        pixels = np.asarray(picture)
        if pixels.shape != self.size:
            self.error(
                file,
                f"is {pixels.shape[1]} x {pixels.shape[0]} pixels; expected "
                f"{self.size[1]} x {self.size[0]}",
            )
            return None
        return pixels

    def check_picture(
        self,
        kind: task_kinds.PictureKind,
        expected: str,
        file: str,
        image: str,
    ) -> None:
        if file != expected:
            self.error(
                image, f"has the {kind.name} '{file}'; expected {expected}"
            )
            return
        pixels = self.read_pixels(file, kind.mode)
        if pixels is None:
            return
        for message, remedy in kind.faults(pixels):
            if remedy is None:
                self.error(file, message)
            else:
                self.warning(file, message, remedy)

    def check_scale(self, image: str, row: Row) -> None:
        units = self.header.get("scales", {})
        cells = {name: row.get(name, "") for name in scales.COLUMNS}
        try:
            scale = scales.from_cells(cells, units)
            for axis, length in zip(scales.AXES, self.size, strict=True):
                if scale is not None and axis in scale.axes:
                    scale.axes[axis].check_within(length, axis)
        except UmsrepError as error:
            self.error(image, f"has a scale that cannot be used ({error})")

    def check_fixations(self, table: pd.DataFrame) -> None:
        height, width = self.size
        for name in self.tasks:
            file = f"fixations/{name}.csv"
            if file not in self.checksums:
                continue
            try:
                fixations = pd.read_csv(self.path / file)
                known = fixations["image"].isin(table["image"])
                inside = fixations["x"].between(0, width, inclusive="left")
                inside &= fixations["y"].between(0, height, inclusive="left")
            except (OSError, ValueError, KeyError, TypeError) as error:
                # A missing file was reported with the listing.
                if (self.path / file).exists():
                    self.error(file, f"cannot be read ({error})")
                continue
            for kept, what in (
                (known, "are of images that the manifest lacks"),
                (inside, "lie outside their image"),
            ):
                if not kept.all():
                    self.error(file, f"{int((~kept).sum())} fixations {what}")

    def check_repeats(self, table: pd.DataFrame) -> None:
        for name, group in table.groupby(table["image"].str.lower()):
            if len(group) > 1:
                self.error(name, f"is listed {len(group)} times")

    def check_patients(self, table: pd.DataFrame) -> None:
        given = table[table["split"] != ""]
        if 0 < len(given) < len(table):
            self.warning(
                MANIFEST,
                f"{len(table) - len(given)} of {len(table)} images have no "
                "split",
                "Give every image a split, or none.",
            )
        for patient, group in given.groupby("patient"):
            sides = sorted(set(group["split"]))
            if len(sides) > 1:
                self.error(
                    group["image"].iloc[0],
                    f"patient '{patient}' is in {' and '.join(sides)} "
                    f"({len(group)} images)",
                    "Keep each patient on one side, and prepare again.",
                )

    def check_copies(
        self, table: pd.DataFrame, thumbnails: Mapping[str, NDArray]
    ) -> None:
        # From the pixels as they are now, whatever copies.csv says.
        for found in copies_check.findings(
            table, self.tasks, thumbnails, self.stored
        ):
            self.findings.append(Finding(*found))
        try:
            copies_file.read_pairs(self.path)
        except UmsrepError as error:
            self.error(copies_file.COPIES, f"is damaged ({error})")

    def stored(self, file: str) -> NDArray[np.uint8]:
        return np.asarray(reading.open_image(self.path / file), np.uint8)

    def check_classes(self, table: pd.DataFrame) -> None:
        sides = [s for s in SPLITS if (table["split"] == s).any()]
        for side in sides or [""]:
            part = table[table["split"] == side] if side else table
            where = f"split '{side}'" if side else "the data set"
            for name, task in self.tasks.items():
                found = set(part[name]) - {""}
                missing = [c for c in task.classes if c not in found]
                if not found:
                    message = f"task '{name}' has no labelled image in {where}"
                elif missing:
                    message = (
                        f"task '{name}' has no image of class "
                        f"{', '.join(missing)} in {where}"
                    )
                else:
                    continue
                self.warning(
                    MANIFEST,
                    message,
                    "Add such images, or do not use this task here.",
                )

    def check_counts(self, table: pd.DataFrame) -> None:
        if count_images(table, self.tasks) != self.header["counts"]:
            self.error(HEADER, "its counts disagree with the manifest")
