"""Who was studied: patients, images and labels of each side of a split.

What reporting guidelines ask of a table of participants and of a flow of
exclusions (CLAIM 2024, items 8 to 12 and 33; STARD-AI).
"""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from umsrep import tasks

if TYPE_CHECKING:
    from umsrep.data.dataset import Dataset


def summary(data: "Dataset") -> pd.DataFrame:
    """See `Dataset.summary`."""
    rows = []
    for name, task in data.tasks.items():
        labelled = data.labelled(name)
        counts = data.table[name].value_counts()
        rows.append(
            {
                "task": name,
                "kind": task.kind,
                "labelled": int(labelled.sum()),
                "patients": data.table["patient"][labelled].nunique(),
                "classes": ", ".join(
                    f"{label} ({counts.get(label, 0)})"
                    for label in task.classes
                ),
            }
        )
    return pd.DataFrame(rows)


def cohort(sides: Mapping[str, "Dataset"]) -> pd.DataFrame:
    """Patients, images, labelled and missing ones per side and task.

    Args:
        sides: {"train": data set, ...}, or {name: data set}.

    Returns:
        A data frame, a row per side and task: side, images, patients, task,
        labelled, labelled_patients, missing (images without a label), and
        `what` (the classes' numbers, or the range of numbers).
    """
    rows = []
    for side, data in sides.items():
        for name, spec in data.tasks.items():
            kind = tasks.of(spec)
            labelled = data.labelled(name)
            cells = data.table[name][labelled]
            entry = {
                "labelled": int(labelled.sum()),
                **kind.counts(cells.astype(str)),
            }
            rows.append(
                {
                    "side": side,
                    "images": len(data),
                    "patients": int(data.table["patient"].nunique()),
                    "task": name,
                    "labelled": entry["labelled"],
                    "labelled_patients": int(
                        data.table["patient"][labelled].nunique()
                    ),
                    "missing": int((~labelled).sum()),
                    "what": kind.counted(entry)
                    if entry["labelled"]
                    else "none",
                }
            )
    return pd.DataFrame(rows)


def exclusions(header: Mapping[str, Any], left_out: int = 0) -> list[list[Any]]:
    """The flow from source files to the images that are used.

    Args:
        header: dataset.json of the prepared set.
        left_out: Images left out because a first stage was learnt on their
            patients.

    Returns:
        [[what, number of images]], in order.
    """
    skipped = header.get("skipped") or []
    prepared = (header.get("counts") or {}).get("images", 0)
    steps: list[list[Any]] = [["source files", prepared + len(skipped)]]
    reasons = Counter(entry["reason"] for entry in skipped)
    # Reasons name the file; those of one sort differ in what follows.
    steps += [
        [f"skipped: {reason}", -count]
        for reason, count in reasons.most_common(5)
    ]
    others = len(skipped) - sum(-count for _, count in steps[1:])
    if others:
        steps.append(["skipped for other reasons", -others])
    steps.append(["prepared images", prepared])
    if left_out:
        steps.append(
            ["left out: the first stage saw their patients", -left_out]
        )
        steps.append(["images used", prepared - left_out])
    return steps
