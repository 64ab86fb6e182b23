"""The prepared format: what a prepared folder holds, and how it is opened.

A prepared data set is one folder that everything after the conversion reads:

    images/<id>.png        8-bit grey, all of one size
    masks/<task>/<id>.png  8-bit, 0 outside and 255 inside
    maps/<task>/<id>.png   16-bit, at least 0, its maximum 65535: where people
                           looked, for example
    fixations/<task>.csv   image, observer, x, y, duration_ms: what a map was
                           made of, in pixels of the prepared image
    manifest.csv           one row per image: image, patient, split, one
                           column per task, source; where some image has a
                           scale also y_per_pixel, y_zero, y_start, y_stop
                           and the same of x (see `umsrep.data.scale`)
    sources.csv            one row per image: folder, bytes, format, channels,
                           bits, width, height and device of its source file
    signatures.npy         (images, 64, 64) uint8: thumbnails by which copies
                           are found, in the manifest's order
    copies.csv             image, copy, similarity, mirrored: which images
                           show the same picture (see `umsrep.data.copies`)
    dataset.json           what it is, where it came from, counts, checksums

Sets that an older umsrep prepared lack the three before it.
`dataset.json` is written last, so a folder without one is not a data set.
`umsrep.data.writer` writes the format, `umsrep.data.verification` checks it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from umsrep import tasks as task_kinds
from umsrep.cells import Cells
from umsrep.data import scale, storage
from umsrep.errors import UmsrepError

FORMAT = "umsrep-prepared"
FORMAT_VERSION = 1
HEADER = "dataset.json"
MANIFEST = "manifest.csv"
SPLITS = ("train", "validation", "test")
FIXATION_COLUMNS = ("image", "observer", "x", "y", "duration_ms")
FIXED_COLUMNS = (
    *("image", "patient", "split", "source"),
    *scale.COLUMNS,
    *scale.UNIT_COLUMNS,
)


@dataclass(frozen=True)
class TaskSpec:
    """One task of a prepared data set: its manifest column and its values.

    Attributes:
        name: The task's name, everywhere: manifest column, head, output.
            Letters, digits and underscores, starting with a letter.
        kind: Registered name of a `umsrep.tasks.TaskKind`: "label" (one class
            per image), "mask" (one binary mask), "map" (one map that sums to
            1, such as where people looked) or "number".
        classes: Class names of a label task, in the order of the outputs and
            the positive class last; empty for the other kinds.
        unit: Unit of a number, such as "years"; empty for none.
        limits: The least and the largest number that can be; empty for none.
    """

    name: str
    kind: str
    classes: tuple[str, ...] = ()
    unit: str = ""
    limits: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "limits", tuple(self.limits))
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", str(self.name)):
            raise UmsrepError(
                f"Task name '{self.name}' is not usable. Use letters, digits "
                "and underscores, starting with a letter."
            )
        if self.name in FIXED_COLUMNS:
            raise UmsrepError(
                f"Task name '{self.name}' is a fixed column of the manifest "
                f"({', '.join(FIXED_COLUMNS)}). Choose another name."
            )
        if self.kind not in self._kinds():
            raise UmsrepError(
                f"Task '{self.name}' has kind '{self.kind}'. Expected one of "
                f"{', '.join(self._kinds())}."
            )
        task_kinds.of(self).check()

    def _kinds(self) -> tuple[str, ...]:
        return task_kinds.names()

    def to_json(self) -> dict[str, Any]:
        """The task as run.json and evaluation.json have it."""
        entry: dict[str, Any] = {
            "kind": self.kind,
            "classes": list(self.classes),
        }
        for name in ("unit", "limits"):
            if value := getattr(self, name):
                entry[name] = value
        return entry

    @classmethod
    def from_json(cls, name: str, entry: Mapping[str, Any]) -> "TaskSpec":
        """The task of an entry of dataset.json, run.json or evaluation.json.

        Raises:
            UmsrepError: as the constructor.
        """
        return cls(
            name,
            entry.get("kind"),  # type: ignore[arg-type]
            tuple(entry.get("classes") or ()),
            entry.get("unit") or "",
            tuple(entry.get("limits") or ()),
        )


@dataclass(frozen=True)
class AttentionSpec(TaskSpec):
    """Where a label task's class activation maps should be bright.

    A task of `Dataset.with_attention`, made of others; no prepared folder
    holds one.

    Attributes:
        name, kind: Its name; "attention".
        label: The label task whose true class's map is supervised.
        sources: ((class, map or mask task), ...); a class without one is not
            supervised.
        cells: Where the cells of the class activation maps lie.
    """

    label: str = ""
    sources: tuple[tuple[str, str], ...] = ()
    cells: Cells = Cells((1, 1), (1, 1), (1, 1), (0, 0))

    def _kinds(self) -> tuple[str, ...]:
        return ("attention",)


@dataclass(frozen=True)
class PreparedFolder:
    """The folder that a data set was loaded from.

    Attributes:
        path: The folder.
        header: Its dataset.json.
        images: Number of images in its manifest.
    """

    path: Path
    header: dict[str, Any]
    images: int

    @property
    def manifest_sha256(self) -> str:
        """SHA-256 of the manifest as it is now."""
        return storage.sha256(self.path / MANIFEST)

    @property
    def fit(self) -> str:
        """How images came to one size: "stretch" or "pad"."""
        return self.header["preprocessing"].get("fit", "stretch")


def read_header(path: str | Path) -> dict[str, Any]:
    """Opens a prepared data set: its parsed and checked `dataset.json`.

    Args:
        path: The prepared folder.

    Returns:
        The dict of `dataset.json`. `tasks_of` turns its tasks into
        `TaskSpec`s.

    Raises:
        UmsrepError: not a folder, no `dataset.json` (an interrupted
            conversion), not this format, another format version, or a
            required entry that is missing or wrong.
    """
    path = Path(path)
    if not path.is_dir():
        raise UmsrepError(
            f"{path} is not a folder. Expected a prepared data set; make one "
            "with 'umsrep prepare'."
        )
    file = path / HEADER
    if not file.exists():
        raise UmsrepError(
            f"{path} holds no {HEADER}, so it is not a prepared data set or "
            "its preparation did not finish. Run 'umsrep prepare' (again) "
            "into a new folder."
        )
    header = storage.read_json(file, "prepared data set's header")
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise UmsrepError(
            f"{file} does not describe a prepared data set (expected "
            f'"format": "{FORMAT}"). Make one with \'umsrep prepare\'.'
        )
    version = header.get("format_version")
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise UmsrepError(
            f"{file} has format version {version!r}; this umsrep reads "
            f"version {FORMAT_VERSION}. Prepare the data again with this "
            "umsrep, or use the umsrep that wrote it."
        )
    _check_entries(file, header)
    return header


def _check_entries(file: Path, header: Mapping[str, Any]) -> None:
    damaged = "Prepare the data again with 'umsrep prepare'."
    for key, kind in {
        "name": str,
        "modality": str,
        "preprocessing": dict,
        "tasks": dict,
        "counts": dict,
        "skipped": list,
        "checksums": dict,
    }.items():
        if not isinstance(header.get(key), kind):
            raise UmsrepError(
                f"{file} lacks a valid entry '{key}' (expected a "
                f"{kind.__name__}). {damaged}"
            )
    size = header["preprocessing"].get("size")
    if (
        not isinstance(size, list)
        or len(size) != 2
        or not all(type(side) is int and side > 0 for side in size)
    ):
        raise UmsrepError(
            f"{file} has preprocessing size {size!r}; expected "
            f"[height, width] in pixels. {damaged}"
        )
    units = header.get("scales", {})
    if (
        not isinstance(units, dict)
        or not set(units) <= set(scale.AXES)
        or not all(isinstance(unit, str) and unit for unit in units.values())
    ):
        raise UmsrepError(
            f"{file} has the entry 'scales' {units!r}; expected the unit of "
            f"y, of x or of both. {damaged}"
        )
    try:
        tasks_of(header)
    except (UmsrepError, AttributeError, TypeError) as error:
        raise UmsrepError(
            f"{file} has a damaged entry 'tasks' ({error}). {damaged}"
        ) from error


def scale_columns(header: Mapping[str, Any]) -> tuple[str, ...]:
    """The manifest's columns of scales: all or, without scales, none."""
    return scale.COLUMNS if header.get("scales") else ()


def tasks_of(header: Mapping[str, Any]) -> dict[str, TaskSpec]:
    """The tasks of a header, {name: TaskSpec}, in the manifest's order."""
    return {
        name: TaskSpec.from_json(name, entry)
        for name, entry in header["tasks"].items()
    }


@dataclass(frozen=True)
class SourceDescription:
    """Where a data set comes from and under which terms.

    Attributes:
        title: Full name of the data set.
        url: Where its owners publish it.
        citation: The papers its owners ask to cite.
        licence: The licence, or who says what where there is none.
        modality: What the images are, for example "chest X-ray".
        terms: Attribution and restrictions in words.
    """

    title: str
    url: str
    citation: str
    licence: str
    modality: str
    terms: str = ""


def count_images(
    table: pd.DataFrame, tasks: Mapping[str, TaskSpec]
) -> dict[str, Any]:
    """The entry `counts` of a header.

    Args:
        table: The manifest as a data frame of strings.
        tasks: {name: TaskSpec}.

    Returns:
        {"images", "patients", "splits": {split or "none": images}, "tasks":
        {name: {"labelled": images, ...what its kind counts}}}.
    """
    splits = table["split"].replace("", "none").value_counts()
    counts: dict[str, Any] = {
        "images": len(table),
        "patients": table["patient"].nunique(),
        "splits": {str(k): int(v) for k, v in sorted(splits.items())},
        "tasks": {},
    }
    for name, task in tasks.items():
        entry = {"labelled": int((table[name] != "").sum())}
        counts["tasks"][name] = entry | task_kinds.of(task).counts(table[name])
    return counts
