"""Resampling of patients.

Several images of one patient are alike, so an interval that resamples images
is too narrow. Here a resample draws as many patients as there are, with
replacement, and takes all images of each (the clustered bootstrap; Field &
Welsh 2007). A resample is stored as how often each image counts, so metrics
that accept weights treat all resamples in a few matrix products.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from umsrep.errors import UmsrepError

# Weights held at a time: bounds memory at a few tens of megabytes.
_CELLS = 2_000_000
# Patients left out at a time are one, or one of so many groups.
GROUPS = 200


def patient_counts(
    patients: int, resamples: int, seed: int = 0
) -> Iterator[NDArray[np.float64]]:
    """Yields how often each patient is drawn, in blocks `(some, patients)`.

    Args:
        patients: Number of patients.
        resamples: Number of resamples over all blocks, at least 1.
        seed: A non-negative integer; equal seeds give equal resamples.

    Raises:
        UmsrepError: no resamples.
    """
    yield from _counts(patients, patients, resamples, seed)


def patient_weights(
    patients: Sequence[Hashable] | NDArray,
    resamples: int = 1000,
    seed: int = 0,
) -> Iterator[NDArray[np.float64]]:
    """Yields the resamples in blocks of weights `(some, images)`.

    Args:
        patients: Patient of each image.
        resamples: Number of resamples over all blocks.
        seed: A non-negative integer; equal seeds give equal resamples.
    """
    index, names = pd.factorize(np.asarray(list(patients), object))
    if (index < 0).any():
        raise UmsrepError(
            "An image has no patient (None or nan). Give each a name."
        )
    for draws in _counts(len(names), len(index), resamples, seed):
        yield draws[:, index]


def jackknife(
    function: Callable[[NDArray[np.float64]], ArrayLike],
    index: NDArray[np.int_],
) -> NDArray[np.float64]:
    """A statistic without each of the patients in turn.

    Args:
        function: Takes weights `(some, images)`, returns `(some,)`.
        index: Number of the patient of each image, from 0.

    Returns:
        `(patients,)`.
    """
    count = int(index.max()) + 1
    block = max(1, _CELLS // max(1, len(index)))
    parts = []
    for start in range(0, count, block):
        out = np.arange(start, min(start + block, count))
        weights = (index[None, :] != out[:, None]).astype(float)
        parts.append(np.asarray(function(weights), float))
    return np.concatenate(parts)


def bca(
    function: Callable[[NDArray | None], ArrayLike],
    patients: Sequence[Hashable] | NDArray,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Bias-corrected and accelerated interval by patient (Efron 1987).

    Args:
        function: Takes None or weights `(some, images)`; returns the
            statistic, a number or `(some,)`.
        patients: Patient of each image.
        resamples: Number of resamples; those that leave the statistic
            undefined are dropped.
        seed: A non-negative integer.
        level: Coverage, between 0 and 1.

    Returns:
        (low, high); nan when fewer than half of the resamples, or the whole,
        define the statistic.
    """
    value = float(np.asarray(function(None)))
    values = np.concatenate(
        [
            np.asarray(function(weights), float)
            for weights in patient_weights(patients, resamples, seed)
        ]
    )
    values = values[np.isfinite(values)]
    if not np.isfinite(value) or 2 * len(values) < resamples:
        return np.nan, np.nan
    index, names = pd.factorize(np.asarray(list(patients), object))
    if len(names) > GROUPS:
        # Leaving out groups of patients tells the skewness as well, and takes
        # a time that does not grow with the square of the images.
        rng = np.random.default_rng([int(seed), 1])
        index = rng.permutation(len(names))[index] % GROUPS
    left_out = jackknife(function, index)
    left_out = left_out[np.isfinite(left_out)]
    below = (values < value).mean() + (values == value).mean() / 2
    # All resamples on one side say no more than that they are many.
    edge = 0.5 / len(values)
    shift = stats.norm.ppf(np.clip(below, edge, 1 - edge))
    moved = left_out.mean() - left_out if len(left_out) else np.zeros(1)
    spread = (moved**2).sum() ** 1.5
    skew = (moved**3).sum() / (6 * spread) if spread > 0 else 0.0
    ends = shift + stats.norm.ppf([(1 - level) / 2, (1 + level) / 2])
    places = stats.norm.cdf(shift + ends / (1 - skew * ends))
    low, high = np.quantile(values, places)
    return min(float(low), value), max(float(high), value)


def _counts(
    patients: int, width: int, resamples: int, seed: int
) -> Iterator[NDArray[np.float64]]:
    if resamples < 1:
        raise UmsrepError(
            f"Got {resamples} resamples. Use at least 1 (1000 is usual)."
        )
    rng = np.random.default_rng([int(seed)])
    block = max(1, _CELLS // max(1, width))
    share = np.full(patients, 1 / patients)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        yield rng.multinomial(patients, share, size=rows).astype(float)
