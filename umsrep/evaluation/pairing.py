"""The same images of two tables side by side, and how they differ."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.evaluation import intervals, table_metrics
from umsrep.evaluation.patients import People, codes

# Random signs of a test by patient.
FLIPS = 9999
# Signs held at a time: bounds memory at a few tens of megabytes.
_CELLS = 4_000_000


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
    if bounds == (-1.0, 1.0) and np.isin([a, b], (0, 1)).all():
        difference = not_narrower(difference, a, b, patients)
    return {
        "a": a.mean().item(),
        "b": b.mean().item(),
        "difference": (a - b).mean().item(),
        "difference_ci95": within(difference, bounds),
        "images": len(a),
        "patients": len(set(patients)),
        "note": People(patients, len(a), 0.95).note(),
        "p_patients": difference.p,
        "p_patients_holm": difference.p,
        "a_better": int(((a < b) if lower_is_better else (a > b)).sum()),
        "b_better": int(((b < a) if lower_is_better else (b > a)).sum()),
    }


def not_narrower(
    test: Difference,
    a: NDArray,
    b: NDArray,
    patients: Sequence[Hashable] | NDArray,
) -> Difference:
    """The interval of two shares, no narrower than theirs allow.

    Where A and B differ on few patients or none, exchanging them says too
    little: twenty patients on whom both are right do not prove them equal.
    Newcombe's (1998) interval of paired shares, from the shares' own intervals,
    is the least, on the sides that p leaves open.

    Args:
        test: The test of the shares.
        a, b: 0 or 1 of each image.
        patients: Patient of each image.
    """
    shares = a.mean(), b.mean()
    ends = [intervals.proportion(x, patients) for x in (a, b)]
    if not all(end.method for end in ends):
        return test
    alike = 0.0
    if a.std() and b.std():
        alike = max(float(np.corrcoef(a, b)[0, 1]), 0.0)
    found = shares[0] - shares[1]
    below = shares[0] - ends[0].low, ends[1].high - shares[1]
    above = ends[0].high - shares[0], shares[1] - ends[1].low
    low, high = (
        found + sign * np.sqrt(x**2 - 2 * alike * x * y + y**2)
        for sign, (x, y) in ((-1, below), (1, above))
    )
    low, high = min(test.low, low), max(test.high, high)
    if test.p <= 0.05:
        low, high = (test.low, high) if found > 0 else (low, test.high)
    return replace(test, low=float(low), high=float(high))


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
    index = codes(patients)
    values = np.asarray(differences, float)
    count = int(index.max()) + 1
    sums = np.bincount(index, values, count)
    sizes = np.bincount(index, minlength=count).astype(float)
    ends = [_reached(signs, sums, sizes) for signs in _signs(sums != 0, seed)]
    low, high = (np.concatenate(side) for side in zip(*ends, strict=True))
    # Sums of the same numbers in another order differ by rounding.
    slack = 1e-9 * np.abs(sums).max(initial=0)
    p = np.mean((low <= slack) & (high >= -slack))
    places = [1 - level, level]
    return Difference(
        float(p),
        float(np.quantile(low, places[0], method="inverted_cdf")),
        float(np.quantile(high, places[1], method="higher")),
    )


def _reached(
    signs: NDArray[np.bool_], sums: NDArray, sizes: NDArray
) -> tuple[NDArray, NDArray]:
    """Between which differences each choice of signs is as extreme."""
    above, count = signs @ sums, signs @ sizes
    with np.errstate(invalid="ignore", divide="ignore"):
        means = above / count, (sums.sum() - above) / (sizes.sum() - count)
    # All signs equal: as extreme as anything, whatever the difference.
    one_side = signs.all(1) | ~signs.any(1)
    low, high = np.fmin(*means), np.fmax(*means)
    return np.where(one_side, -np.inf, low), np.where(one_side, np.inf, high)


def _signs(counts: NDArray[np.bool_], seed: int) -> Iterator[NDArray[np.bool_]]:
    """Blocks (choices, patients): which signs stay.

    All choices for the patients that `counts` where these are few, so that p
    is exact; the others' signs, which matter for the interval only, are
    drawn.
    """
    rng = np.random.default_rng(seed)
    number, patients = int(counts.sum()), len(counts)
    block = max(1, _CELLS // patients)
    if 2**number > FLIPS:
        # That of the data, which is one of them.
        yield np.ones((1, patients), bool)
        for start in range(0, FLIPS, block):
            yield rng.random((min(block, FLIPS - start), patients)) < 0.5
        return
    every = (np.arange(2**number)[:, None] >> np.arange(number)) & 1 == 0
    times = 1 if number == patients else max(1, FLIPS // len(every))
    for time in range(times):
        signs = rng.random((len(every), patients)) < 0.5
        signs[:, counts] = every
        if time == 0 and number < patients:
            signs[0] = True
        yield signs
