"""Before any training: is there a shortcut in the data?

Everything that a label should not be readable from is tried alone: the files'
sizes, dimensions, formats and folders, borders and corners, what lies outside
the organ, brightness and sharpness. A network finds whatever of it there is,
and its test results then say nothing about the disease.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep.data import Dataset, copies_file, load
from umsrep.data.owners import owners, with_copies
from umsrep.errors import UmsrepError
from umsrep.evaluation import audit_sources, probing
from umsrep.evaluation.audit_result import LEVEL, RELEVANT, Audit, Tried
from umsrep.evaluation.audit_sources import Source, Sources

# From here on a column of the files is the label, such as a folder per class.
SAME = 0.995
# Sources that say themselves where an image is from.
ORIGINS = ("folder", "device")


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
