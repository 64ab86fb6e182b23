"""What `umsrep verify` says of images that show the same picture."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep import tasks as task_kinds
from umsrep.data import copies
from umsrep.data.prepared import TaskSpec

# (severity, file, message, remedy)
Found = tuple[str, str, str, str]


def findings(
    table: pd.DataFrame,
    tasks: Mapping[str, TaskSpec],
    signatures: Mapping[str, NDArray[np.uint8]],
    image: Callable[[str], NDArray[np.uint8]],
) -> Iterator[Found]:
    """One finding for each group of copies.

    Args:
        table: The manifest, as a data frame of strings.
        tasks: {task: TaskSpec}.
        signatures: {image: its thumbnail} of those that could be read.
        image: `image(name)` is the prepared image.
    """
    table = table[table["image"].isin(list(signatures))].drop_duplicates(
        "image"
    )
    names = list(table["image"])
    pairs = copies.find_copies(
        np.array([signatures[name] for name in names]),
        lambda position: image(names[position]),
    )
    groups = np.array(copies.group_names(names, pairs))
    for group in dict.fromkeys(groups[groups != ""]):
        members = np.flatnonzero(groups == group)
        of_group = [pair for pair in pairs if pair.first in members]
        rows = table.iloc[members]
        equal = all(
            np.array_equal(image(names[members[0]]), image(names[other]))
            for other in members[1:]
        )
        yield _finding(rows, tasks, of_group, equal)


def _finding(
    rows: pd.DataFrame,
    tasks: Mapping[str, TaskSpec],
    pairs: list[copies.Pair],
    equal: bool,
) -> Found:
    first, *others = rows["image"]
    what = "is identical to" if equal else "shows the same picture as"
    message = f"{what} {', '.join(others)}"
    if not equal:
        least = min(pair.similarity for pair in pairs)
        mirrored = any(pair.mirrored for pair in pairs)
        message += f" ({'mirrored, ' * mirrored}similarity {least:.2f})"
    patients = list(rows["patient"].unique())
    if len(patients) > 1:
        message += f", of patients {' and '.join(patients)}"
    for name, task in tasks.items():
        kind: Any = task_kinds.of(task)
        labels = set(rows[name]) - {""}
        if kind.place == task_kinds.CELL and len(labels) > 1:
            message += f"; {name}: {' and '.join(sorted(labels))}"
    sides = sorted(set(rows["split"]) - {""})
    if len(sides) > 1:
        return (
            "error",
            first,
            f"{message}, and they are in {' and '.join(sides)}",
            "Remove all but one from the source, and prepare again.",
        )
    remedy = "Remove all but one: the picture counts more than once."
    if len(patients) > 1:
        remedy = (
            "Splits keep them together. Remove all but one, or give them the "
            "same patient."
        )
    return "warning", first, message, remedy
