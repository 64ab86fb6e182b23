"""Means of per-image columns by class, with intervals by patient."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep.errors import UmsrepError
from umsrep.evaluation.bootstrap import bootstrap_intervals
from umsrep.evaluation.table_metrics import patients_of

ALL = "all"

Key = tuple[str, str]


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
        metric, value, low, high (95 %; nan for a single patient), images,
        patients.
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
    columns: dict[Key, tuple[NDArray, NDArray]] = {}
    for group, member in groups.items():
        for metric in metrics:
            values = table[metric].to_numpy(float)
            columns[group, metric] = member & np.isfinite(values), values

    def statistics(weights: NDArray[np.float64]) -> dict[Key, NDArray]:
        means = {}
        for key, (used, values) in columns.items():
            part = weights[:, used]
            total = part.sum(axis=1)
            means[key] = np.divide(
                part @ values[used],
                total,
                out=np.full(len(part), np.nan),
                where=total > 0,
            )
        return means

    intervals = bootstrap_intervals(statistics, patients, resamples, seed)
    whole = statistics(np.ones((1, len(table))))
    rows = []
    for (group, metric), (used, _) in columns.items():
        interval = intervals[group, metric]
        count = len(set(patients[used]))
        known = count > 1
        rows.append(
            {
                "class": group.removeprefix("class "),
                "metric": metric,
                "value": float(whole[group, metric][0]),
                "low": interval.low if known else np.nan,
                "high": interval.high if known else np.nan,
                "images": int(used.sum()),
                "patients": count,
            }
        )
    return pd.DataFrame(rows)
