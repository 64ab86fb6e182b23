"""Copies in a training's data: what run.json and split.csv say of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from umsrep import runs
from umsrep.data import Dataset
from umsrep.data.owners import copies_of


def left_out(
    whole: Dataset, splits: Mapping[str, Dataset]
) -> list[pd.DataFrame]:
    """Rows of split.csv of what is on no side, for it is a copy.

    Args:
        whole: The `data.Dataset` that was divided.
        splits: {side: `data.Dataset`}.
    """
    used = np.concatenate([side.table["image"] for side in splits.values()])
    rows = whole.table[~whole.table["image"].isin(used)]
    if rows.empty:
        return []
    return [
        rows.assign(dataset=whole.name, split=runs.COPY)[runs.SPLIT_COLUMNS]
    ]


def facts(
    parts: Sequence[Dataset], splits: Mapping[str, Dataset]
) -> dict[str, Any]:
    """The entry `copies` of run.json.

    Args:
        parts: The `data.Dataset`s that were divided.
        splits: {side: `data.Dataset`}.

    Returns:
        {"pictures": how many there are more than once, "images": their
        images, "patients": theirs, "left_out": images on no side, as copies
        of images that the manifest tests on}.
    """
    entry = {"pictures": 0, "images": 0, "patients": 0}
    for part in parts:
        groups = copies_of(part)
        known = groups != ""
        entry["pictures"] += len(set(groups[known]))
        entry["images"] += int(known.sum())
        entry["patients"] += part.table["patient"][known].nunique()
    used = sum(len(side) for side in splits.values())
    return entry | {"left_out": sum(map(len, parts)) - used}
