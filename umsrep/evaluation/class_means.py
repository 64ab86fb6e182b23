"""Means of per-image columns by class, with intervals by patient."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep.errors import UmsrepError
from umsrep.evaluation import intervals
from umsrep.evaluation.table_metrics import patients_of

ALL = "all"


def class_means(
    table: pd.DataFrame,
    metrics: Sequence[str],
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """The mean of each metric over all images and over each class.

    Args:
        table: One row per image: `image`, `patient`, `class` (empty where
            unknown) and the metrics' columns.
        metrics: Names of columns of numbers; empty cells are left out.
        resamples: Resamples of patients for the intervals.
        seed: Seed of the resamples.

    Returns:
        class ("all", then the classes in order of appearance),
        metric, value, low, high (95 %; nan for a single patient, or where all
        values are equal), images, patients, and how the interval was made.
    """
    missing = {"image", "class", *metrics} - set(table.columns)
    if missing:
        raise UmsrepError(
            f"The table has no column '{sorted(missing)[0]}'. Pass the table "
            "per image, not its summary."
        )
    patients = patients_of(table)
    labels = table["class"].fillna("").to_numpy(str)
    groups = {ALL: np.ones(len(table), bool)}
    for label in dict.fromkeys(labels):
        if label:
            groups[f"class {label}"] = labels == label
    rows = []
    for (group, member), metric in itertools.product(groups.items(), metrics):
        values = table[metric].to_numpy(float)
        used = member & np.isfinite(values)
        found, people = values[used], patients[used]
        interval = intervals.Interval(np.nan, np.nan)
        if len(set(people)) > 1:
            interval = _interval(found, people, resamples, seed)
        rows.append(
            {
                "class": group.removeprefix("class "),
                "metric": metric,
                "value": found.mean() if len(found) else np.nan,
                "low": interval.low,
                "high": interval.high,
                "images": len(found),
                "patients": len(set(people)),
                "method": interval.method,
            }
        )
    return pd.DataFrame(rows)


def _interval(
    values: NDArray, patients: NDArray, resamples: int, seed: int
) -> intervals.Interval:
    # A hit or a miss each: a share.
    if np.isin(values, (0, 1)).all():
        return intervals.proportion(values, patients)
    return intervals.mean(values, patients, resamples=resamples, seed=seed)
