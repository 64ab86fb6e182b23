"""`umsrep audit`: a prepared data set -> audit.json, a table and pictures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from umsrep.data import Dataset, header, load, storage
from umsrep.evaluation import audit_sources
from umsrep.evaluation.audit_result import Audit
from umsrep.evaluation.auditing import audit
from umsrep.figures import shortcuts, style

HEADER = "audit.json"


def audit_data(
    data: str | Path | Dataset,
    out: str | Path | None = None,
    seed: int = 0,
    progress: Callable[[int, int], object] | None = None,
) -> Audit:
    """Audits a data set and, with `out`, writes a folder.

    Args:
        data: A prepared folder, or the `data.Dataset` loaded from one.
        out: The folder to write: audit.json, audit.csv and pictures/; None
            writes nothing.
        seed: Of folds, resamples and permutations.
        progress: `progress(done, total)`, called after each image.

    Returns:
        The `Audit`.
    """
    dataset = load(data)
    if out is None:
        return audit(dataset, seed, progress=progress)
    with storage.new_folder(out) as folder:
        found = audit(dataset, seed, progress=progress)
        entries = found.to_json()
        entries["pictures"] = write_pictures(found, folder)
        entries["versions"] = header.versions()
        if len(dataset.folders) == 1:
            entries["manifest_sha256"] = dataset.folders[0].manifest_sha256
        storage.write_csv(folder / "audit.csv", found.to_frame())
        storage.write_json(folder / HEADER, entries)
    return found


def write_pictures(found: Audit, folder: Path) -> list[dict[str, str]]:
    """Writes what the classes of each label look like.

    Returns:
        [{"file", "task", "caption"}], relative to the folder.
    """
    entries = []
    chart = shortcuts.shortcut_aucs(found.to_frame())
    if chart is not None:
        style.save(chart, folder / "pictures" / "sources.png", dpi=100)
        entries.append(
            {
                "file": "pictures/sources.png",
                "task": "",
                "caption": "AUC of each source alone, with its 95 % interval",
            }
        )
    for task in found.labels:
        figure, caption = _of_task(found, task)
        if figure is not None:
            file = f"pictures/{task}.png"
            style.save(figure, folder / file, dpi=110)
            entries.append({"file": file, "task": task, "caption": caption})
    return entries


def _of_task(found, task):
    """(figure, caption) of one label, or (None, "")."""
    thumbnails, labels = found.sources.thumbnails, found.labels[task]
    if thumbnails is None:
        return None, ""
    names = found.classes[task] or ("below the median", "from the median")
    means = {
        name: thumbnails[labels == index].mean(axis=0)
        for index, name in enumerate(names)
        if (labels == index).any()
    }
    shown, maps = class_maps(found, task)
    words = "grey: covered by masks; " * bool((~shown).any())
    caption = (
        f"Mean image of each class of {task} ({words}red: brighter in, or "
        f"speaks for, {list(means)[-1]}), their difference, what a linear "
        "probe reads, and the difference of small bright things, such as "
        "letters, in fields along the border."
    )
    return shortcuts.class_differences(means, ~shown, maps), caption


def class_maps(found: Audit, task: str):
    """Where a linear probe reads a label, and where markers differ.

    Args:
        found: The `Audit`, with pictures.
        task: A label of it.

    Returns:
        ((48, 48) bool: pixels outside the masks, all without masks;
        {title: masked array}).
    """
    sources = [s for s in found.sources.found if s.shown is not None]
    # Outside the masks comes before the whole picture.
    shown, name = sources[0].shown, sources[0].name
    maps = {}
    for tried in found.tried:
        coefficients = tried.probe.coefficients
        asked = (tried.task, tried.source) == (task, name)
        if asked and coefficients is not None:
            values = np.zeros(shown.shape)
            values[shown] = coefficients
            maps["coefficients"] = np.ma.masked_array(values, ~shown)
    labels, markers = found.labels[task], found.sources.markers
    last = labels.max()
    if (labels == last).any() and ((labels >= 0) & (labels < last)).any():
        difference = markers[labels == last].mean(axis=0)
        others = markers[(labels >= 0) & (labels < last)].mean(axis=0)
        maps["markers"] = np.ma.masked_array(
            difference - others, ~audit_sources.outer_fields()
        )
    return shown, maps
