"""The same images of two tables side by side, and how they differ."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.evaluation import table_metrics
from umsrep.evaluation.bootstrap import bootstrap_intervals

# Random signs of a test by patient.
FLIPS = 9999


def aligned(
    table_a: pd.DataFrame, table_b: pd.DataFrame, task: TaskSpec
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labelled rows of both, in the same order of images."""
    rows_a, rows_b = (
        table_metrics.labelled(table, task).set_index("image", drop=False)
        for table in (table_a, table_b)
    )
    for rows, others, name in (
        (rows_a, rows_b, "B"),
        (rows_b, rows_a, "A"),
    ):
        missing = rows.index.difference(others.index)
        if len(missing):
            raise UmsrepError(
                f"Task '{task.name}': {len(missing)} labelled image(s) are "
                f"missing from {name}, among them "
                f"{', '.join(map(str, missing[:3]))}. A paired test needs "
                "the same images; evaluate both runs on the same data and "
                "split."
            )
    if rows_a.empty:
        raise UmsrepError(
            f"Task '{task.name}' has no labelled image to compare. Evaluate "
            "on data that has this task's labels."
        )
    rows_b = rows_b.loc[rows_a.index]
    column = f"{task.name}_true"
    if column in rows_a and column in rows_b:
        differs = rows_a[column].astype(str) != rows_b[column].astype(str)
        if differs.any():
            raise UmsrepError(
                f"Task '{task.name}': the true value of image "
                f"'{differs.idxmax()}' differs between A and B. Evaluate "
                "both runs on the same prepared data."
            )
    return rows_a, rows_b


def paired(
    a: np.ndarray,
    b: np.ndarray,
    patients: np.ndarray,
    seed: int,
    lower_is_better: bool = False,
) -> dict[str, Any]:
    """What both tests report of the paired values `a` and `b`."""
    a, b = np.asarray(a, float), np.asarray(b, float)

    def mean(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"difference": weights @ (a - b) / weights.sum(-1)}

    interval = bootstrap_intervals(mean, patients, seed=seed)["difference"]
    sums = pd.Series(a - b).groupby(np.asarray(patients)).sum().to_numpy()
    p = sign_flips(sums, seed)
    return {
        "a": a.mean().item(),
        "b": b.mean().item(),
        "difference": (a - b).mean().item(),
        "difference_ci95": (interval.low, interval.high),
        "images": len(a),
        "patients": len(set(patients)),
        "p_patients": p,
        "p_patients_holm": p,
        "a_better": int(((a < b) if lower_is_better else (a > b)).sum()),
        "b_better": int(((b < a) if lower_is_better else (b > a)).sum()),
    }


def sign_flips(sums: ArrayLike, seed: int = 0) -> float:
    """Two-sided p-value of a sum of independent, symmetric parts.

    Where A and B do not differ, the sum of a patient's differences is as
    likely with the other sign.

    Args:
        sums: (patients,) sums of differences.
        seed: Seed of the random signs, where there are too many to try all.
    """
    # Those of no difference change nothing.
    parts = np.asarray(sums, float)
    parts = parts[parts != 0]
    if len(parts) < 2:
        return 1.0

    def total(values: np.ndarray, others: np.ndarray, axis: int) -> np.ndarray:
        return np.sum(values - others, axis=axis)

    # Exchanging a value with 0 changes the sign of the difference.
    return float(
        stats.permutation_test(
            (parts, np.zeros_like(parts)),
            total,
            permutation_type="samples",
            vectorized=True,
            n_resamples=FLIPS,
            batch=1000,
            rng=np.random.default_rng(seed),
        ).pvalue
    )
