"""`umsrep audit`: a prepared data set -> audit.json, a table and pictures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from umsrep import runs
from umsrep.data import Dataset, load, storage
from umsrep.evaluation.auditing import Audit, audit
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
        entries["versions"] = runs.versions()
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
    shown, coefficients, about = coefficient_map(found, task)
    if shown is None:
        return None, ""
    words = "the whole picture"
    if about.startswith("outside"):
        words = f"{about} (grey: covered by masks)"
    caption = (
        f"Mean image of each class of {task}, their difference, and what a "
        f"linear probe reads from {words}: red speaks for {list(means)[-1]}."
    )
    return shortcuts.class_differences(means, ~shown, coefficients), caption


def coefficient_map(found: Audit, task: str):
    """Where a linear probe reads a label outside the masks.

    Args:
        found: The `Audit`.
        task: A task of it.

    Returns:
        ((48, 48) bool: pixels that were looked at; (48, 48) coefficients, or
        None; name of the source); of the whole picture where there are no
        masks, (None, None, "") without pictures.
    """
    sources = {
        source.name: source
        for source in found.sources.found
        if source.shown is not None
    }
    if not sources:
        return None, None, ""
    # Outside the mask comes before the whole picture.
    name = next(iter(sources))
    shown = sources[name].shown
    for tried in found.tried:
        coefficients = tried.probe.coefficients
        if (tried.task, tried.source) == (task, name):
            if coefficients is None:
                break
            values = np.zeros(shown.shape)
            values[shown] = coefficients
            return shown, values, name
    return shown, None, name
