"""The same images of two tables side by side, and how they differ."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.evaluation import table_metrics

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


@dataclass(frozen=True)
class Difference:
    """A paired test by patient and the interval that belongs to it.

    Attributes:
        p: Two-sided p-value.
        low, high: The differences that the same test does not reject at 5 %;
            infinite where it can reject none, as with five patients.
    """

    p: float
    low: float
    high: float


def paired(
    a: np.ndarray,
    b: np.ndarray,
    patients: np.ndarray,
    seed: int,
    lower_is_better: bool = False,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> dict[str, Any]:
    """What the tests of per-image values report of the pairs `a` and `b`."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    difference = sign_flip_test(a - b, patients, seed)
    return {
        "a": a.mean().item(),
        "b": b.mean().item(),
        "difference": (a - b).mean().item(),
        "difference_ci95": within(difference, bounds),
        "images": len(a),
        "patients": len(set(patients)),
        "p_patients": difference.p,
        "p_patients_holm": difference.p,
        "a_better": int(((a < b) if lower_is_better else (a > b)).sum()),
        "b_better": int(((b < a) if lower_is_better else (b > a)).sum()),
    }


def within(
    difference: Difference, bounds: tuple[float, float]
) -> tuple[float, float]:
    """The interval's ends, inside what a difference can be."""
    low, high = np.clip((difference.low, difference.high), *bounds)
    return float(low), float(high)


def sign_flip_test(
    differences: ArrayLike,
    patients: Sequence[Hashable] | NDArray,
    seed: int = 0,
    level: float = 0.95,
) -> Difference:
    """A sign-flip permutation test of a mean difference, and its interval.

    Where A and B do not differ, A and B may be exchanged for all images of a
    patient together, which turns the sign of the patient's sum. The interval
    holds the differences d for which the same signs, on the sums less d per
    image, do not reject: a choice of signs is as extreme as what was found
    exactly for the d between the mean of the patients with one sign and the
    mean of those with the other, so its ends are quantiles of these means.

    Args:
        differences: A - B of each image.
        patients: Patient of each image.
        seed: Seed of the random signs, where there are too many to try all.
        level: Coverage of the interval.
    """
    index, names = pd.factorize(np.asarray(patients, object))
    values = np.asarray(differences, float)
    count = len(names)
    sums = np.bincount(index, values, count)
    sizes = np.bincount(index, minlength=count).astype(float)
    signs = _signs(sums != 0, seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [
            (chosen @ sums) / (chosen @ sizes) for chosen in (signs, ~signs)
        ]
    # All signs equal: as extreme as anything, whatever the difference.
    low = np.nan_to_num(np.fmin(*means), nan=-np.inf, neginf=-np.inf)
    high = np.nan_to_num(np.fmax(*means), nan=np.inf, posinf=np.inf)
    one_side = signs.all(1) | ~signs.any(1)
    low[one_side], high[one_side] = -np.inf, np.inf
    # Sums of the same numbers in another order differ by rounding.
    slack = 1e-9 * np.abs(sums).max(initial=0)
    p = np.mean((low <= slack) & (high >= -slack))
    places = [1 - level, level]
    return Difference(
        float(p),
        float(np.quantile(low, places[0], method="inverted_cdf")),
        float(np.quantile(high, places[1], method="higher")),
    )


def sign_flips(sums: ArrayLike, seed: int = 0) -> float:
    """Two-sided p-value of a sum of independent, symmetric parts.

    Args:
        sums: (patients,) sums of differences.
        seed: Seed of the random signs, where there are too many to try all.
    """
    values = np.asarray(sums, float)
    return sign_flip_test(values, np.arange(len(values)), seed).p


def _signs(counts: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    """(choices, patients): which signs stay; the first row keeps them all.

    All choices for the patients that `counts` where these are few, so that p
    is exact; the others' signs, which matter for the interval only, are
    drawn.
    """
    rng = np.random.default_rng(seed)
    number = int(counts.sum())
    if 2**number > FLIPS:
        signs = rng.random((FLIPS + 1, len(counts))) < 0.5
        signs[0] = True
        return signs
    every = (np.arange(2**number)[:, None] >> np.arange(number)) & 1 == 0
    times = 1
    if number < len(counts):
        times = max(1, FLIPS // len(every))
    signs = rng.random((times * len(every), len(counts))) < 0.5
    signs[:, counts] = np.tile(every, (times, 1))
    if number == len(counts):
        return signs
    signs[0] = True
    return signs
