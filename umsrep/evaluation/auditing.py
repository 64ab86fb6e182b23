"""Before any training: is there a shortcut in the data?

Everything that a label should not be readable from is tried alone: the files'
sizes, dimensions, formats and folders, borders and corners, what lies outside
the organ, brightness and sharpness. A network finds whatever of it there is,
and its test results then say nothing about the disease.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep.data import Dataset, copies_file, load
from umsrep.data.owners import owners, with_copies
from umsrep.errors import UmsrepError
from umsrep.evaluation import audit_sources, probing
from umsrep.evaluation.audit_sources import Source, Sources

FORMAT, FORMAT_VERSION = "umsrep-audit", 1
# A shortcut is significant after Holm's adjustment for all that was tried,
# its interval lies above chance, and it is not too weak to matter.
LEVEL, RELEVANT = 0.05, 0.6
# From here on a column of the files is the label, such as a folder per class.
SAME = 0.995
# Sources that say themselves where an image is from.
ORIGINS = ("folder", "device")


@dataclass(frozen=True)
class Tried:
    """One source tried on one label.

    Attributes:
        task: The label task or, with `about` "origin", what tells where an
            image is from: "split", "folder" or "device".
        source: Name of the source.
        about: "label" or "origin".
        probe: The `probing.Probe`.
        p_holm: Its p, adjusted for everything that was tried.
        flagged: Whether the label is readable from it.
        note: What to bear in mind.
    """

    task: str
    source: str
    about: str
    probe: probing.Probe
    p_holm: float
    flagged: bool
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """The entry of audit.json."""
        found = self.probe
        entry: dict[str, Any] = {
            "task": self.task,
            "from": self.source,
            "auc": round(found.auc, 4),
            "low": round(found.low, 4),
            "high": round(found.high, 4),
            "chance": 0.5,
            "p": found.p,
            "p_holm": self.p_holm,
            "images": found.images,
            "patients": found.patients,
            "classes": found.classes,
            "flagged": self.flagged,
        }
        return entry | ({"note": self.note} if self.note else {})


@dataclass
class Audit:
    """What an audit found.

    Attributes:
        name: Of the data set.
        tried: Every `Tried`.
        copies: [{"images", "patients", "splits"}] per picture that is there
            more than once.
        repeats: {"patients": those with several images, "images": theirs,
            "most": images of one patient, "of_patients", "of_images"}.
        missing: {source: why it could not be looked at}.
        not_tried: {label: why}.
        seed: Of folds, resamples and permutations.
        sources: The `Sources`, for pictures of a shortcut.
        labels: {task: (n,) class indices, negative where unknown}.
        classes: {task: names of its classes}.
    """

    name: str
    tried: list[Tried]
    copies: list[dict[str, Any]]
    repeats: dict[str, int]
    missing: dict[str, str]
    not_tried: dict[str, str]
    seed: int
    sources: Sources = field(repr=False, default_factory=Sources)
    labels: dict[str, NDArray] = field(repr=False, default_factory=dict)
    classes: dict[str, tuple[str, ...]] = field(
        repr=False, default_factory=dict
    )

    @property
    def shortcuts(self) -> list[Tried]:
        """The labels that are readable from what is not the disease."""
        return [t for t in self.tried if t.flagged and t.about == "label"]

    @property
    def differences(self) -> list[Tried]:
        """The origins (split, folder, device) that are readable."""
        return [t for t in self.tried if t.flagged and t.about == "origin"]

    def to_frame(self) -> pd.DataFrame:
        """All that was tried: a row per label and source, strongest first."""
        rows = [tried.to_json() for tried in self.tried]
        columns = ["task", "from", "auc", "low", "high", "p_holm", "flagged"]
        if not rows:
            return pd.DataFrame(columns=columns)
        frame = pd.DataFrame(rows)
        frame = frame[[*columns, "images", "patients", "classes"]]
        return frame.sort_values(
            ["task", "auc"], ascending=[True, False], ignore_index=True
        )

    def sentences(self) -> list[str]:
        """What was found, in words; the first is the result."""
        lines = []
        by_task: dict[str, list[str]] = {}
        for tried in sorted(
            self.shortcuts + self.differences, key=lambda t: -t.probe.auc
        ):
            readable = f"{tried.source} (AUC {tried.probe.auc:.2f})"
            by_task.setdefault(f"{tried.about} {tried.task}", []).append(
                readable
            )
        for name, words in by_task.items():
            kind, _, task = name.partition(" ")
            title = "Shortcut" if kind == "label" else "Readable origin"
            lines.append(f"{title}: {task} from {', '.join(words)}.")
        if not by_task and self.tried:
            lines.append(
                f"No shortcut found: {len(self.tried)} tried, none is readable "
                f"(AUC of {RELEVANT} or more, p < {LEVEL} after Holm)."
            )
        notes = {
            (t.source if t.about == "label" else t.task, t.note)
            for t in self.tried
            if t.note
        }
        lines += [f"{name}: {note}." for name, note in sorted(notes)]
        people = sum(len(c["patients"]) > 1 for c in self.copies)
        lines.append(
            f"Copies: {len(self.copies)} pictures more than once, {people} "
            "under several patients."
        )
        lines.append(
            "Repeat patients: {patients} of {of_patients} have several images "
            "({images} of {of_images}; {most} at most).".format(**self.repeats)
        )
        for title, why in (
            ("Not looked at", self.missing),
            ("Not tried", self.not_tried),
        ):
            reasons: dict[str, list[str]] = {}
            for name, reason in why.items():
                reasons.setdefault(reason, []).append(name)
            lines += [
                f"{title}: {', '.join(names)} ({reason})."
                for reason, names in reasons.items()
            ]
        return lines

    def _repr_html_(self) -> str:
        shown = self.to_frame().style.format(precision=3)
        return shown.hide(axis="index").to_html()

    def to_json(self) -> dict[str, Any]:
        """audit.json."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "data": self.name,
            "seed": self.seed,
            "folds": probing.FOLDS,
            "permutations": probing.PERMUTATIONS,
            "level": LEVEL,
            "relevant_auc": RELEVANT,
            "shortcuts": [tried.to_json() for tried in self.shortcuts],
            "differences": [tried.to_json() for tried in self.differences],
            "copies": self.copies,
            "repeat_patients": self.repeats,
            "tried": [tried.to_json() for tried in self.tried],
            "not_looked_at": self.missing,
            "not_tried": self.not_tried,
        }


def audit(
    data: str | Path | Dataset,
    seed: int = 0,
    cheap: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Audit:
    """Looks for shortcuts, copies and repeat patients in a data set.

    Args:
        data: A prepared folder, or the `data.Dataset` loaded from one.
        seed: Of folds, resamples and permutations.
        cheap: Only what the files tell: no picture is read.
        progress: `progress(done, total)`, called after each image.

    Returns:
        An `Audit`; `to_frame()` is its table.

    Raises:
        UmsrepError: no prepared data set, or an empty one.
    """
    dataset = with_copies(load(data))
    if not len(dataset):
        raise UmsrepError(
            f"Data set '{dataset.name}' has no image. Pass a data set with "
            "images to audit."
        )
    sources = audit_sources.of_files(dataset)
    if not cheap:
        pictures = audit_sources.of_pictures(dataset, progress)
        pictures.found = sources.found + pictures.found
        pictures.missing = sources.missing | pictures.missing
        pictures.groups = sources.groups
        sources = pictures
    whose = owners(dataset)
    labels, not_tried = _labels(dataset, whose)
    origins = {} if cheap else _origins(dataset, sources, whose)
    for name in [n for n in origins if _tells(origins[n], labels.values())]:
        not_tried[name] = "it tells the class, and so does the disease"
        del origins[name]
    tried = _all(labels, origins, sources.found, whose, seed)
    return Audit(
        name=dataset.name,
        tried=tried,
        copies=_copies(dataset),
        repeats=_repeats(dataset),
        missing=sources.missing,
        not_tried=not_tried,
        seed=seed,
        sources=sources,
        labels=labels,
        classes={name: dataset.task(name).classes for name in labels},
    )


def _labels(
    dataset: Dataset, whose: NDArray
) -> tuple[dict[str, NDArray], dict[str, str]]:
    """({task: class indices} that can be tried, {task: why not})."""
    found, not_tried = {}, {}
    for task in dataset.tasks:
        labels = audit_sources.label_values(dataset, task)
        if labels is None:
            continue
        keep = probing.usable(labels, whose)
        if len(np.unique(labels[keep])) < 2:
            not_tried[task] = (
                f"fewer than two classes with {probing.FEWEST_IMAGES} images "
                f"of {probing.FEWEST_GROUPS} patients"
            )
        else:
            found[task] = labels
    if not found and not not_tried:
        not_tried["labels"] = "the data set has no label or number task"
    return found, not_tried


def _origins(
    dataset: Dataset, sources: Sources, whose: NDArray
) -> dict[str, NDArray]:
    """{what says where an image is from: indices} that can be tried."""
    columns = {"split": dataset.table["split"].to_numpy(str), **sources.groups}
    found = {}
    for name, text in columns.items():
        indices = pd.factorize(text)[0]
        indices[text == ""] = -1
        keep = probing.usable(indices, whose)
        if len(np.unique(indices[keep])) > 1:
            found[name] = indices
    return found


def _tells(origin: NDArray, labels: Iterable[NDArray]) -> bool:
    """Whether an origin alone says a label, such as a folder per class."""
    for values in labels:
        known = (values >= 0) & (origin >= 0)
        classes = len(np.unique(values[known]))
        pairs = np.stack([origin[known], values[known]], axis=1)
        places = len(np.unique(origin[known]))
        if classes > 1 and len(np.unique(pairs, axis=0)) == places:
            return True
    return False


def _all(
    labels: dict[str, NDArray],
    origins: dict[str, NDArray],
    sources: Sequence[Source],
    whose: NDArray,
    seed: int,
) -> list[Tried]:
    rows = []
    for about, targets in (("label", labels), ("origin", origins)):
        for name, values in targets.items():
            for source in sources:
                if about == "origin" and source.name in ORIGINS:
                    continue
                found = probing.probe(source.features, values, whose, seed)
                if found is not None:
                    rows.append((name, source, about, found))
    adjusted = _holm([found.p for *_, found in rows])
    return [
        _judged(name, source, about, found, p)
        for (name, source, about, found), p in zip(rows, adjusted, strict=True)
    ]


def _judged(
    name: str, source: Source, about: str, found: probing.Probe, p: float
) -> Tried:
    flagged = p < LEVEL and found.low > 0.5 and found.auc >= RELEVANT
    note = ""
    if source.name == "whole picture" and about == "label":
        note = "for comparison: it holds the disease, too"
        flagged = False
    elif source.name == "folder" and found.auc > SAME:
        note = (
            "each class has folders of its own: nothing, if they were sorted "
            "by class; if they are sites or scanners, class and site cannot "
            "be told apart"
        )
        flagged = False
    elif about == "origin":
        note = "classes may be more frequent in one than in another"
    elif source.disease:
        note = "the disease itself may change it"
    return Tried(name, source.name, about, found, p, bool(flagged), note)


def _holm(values: Sequence[float]) -> list[float]:
    from statsmodels.stats.multitest import multipletests

    if not values:
        return []
    return [float(p) for p in multipletests(values, method="holm")[1]]


def _copies(dataset: Dataset) -> list[dict[str, Any]]:
    groups = dataset.table["copies"].to_numpy(str)
    pairs = None
    if len(dataset.folders) == 1:
        pairs = copies_file.read_pairs(dataset.folders[0].path)
    found = []
    for group in dict.fromkeys(groups[groups != ""]):
        rows = dataset.table[groups == group]
        entry: dict[str, Any] = {
            "images": list(rows["image"]),
            "patients": list(rows["patient"].unique()),
            "splits": sorted(set(rows["split"]) - {""}),
        }
        if pairs is not None:
            inside = pairs[pairs["image"].isin(entry["images"])]
            entry["similarity"] = float(inside["similarity"].min())
            entry["mirrored"] = bool(inside["mirrored"].any())
        found.append(entry)
    return found


def _repeats(dataset: Dataset) -> dict[str, int]:
    counts = dataset.table["patient"].value_counts()
    several = counts[counts > 1]
    return {
        "patients": len(several),
        "images": int(several.sum()),
        "most": int(counts.max()),
        "of_patients": len(counts),
        "of_images": len(dataset),
    }
