"""Confidence intervals by resampling patients.

Several images of one patient are alike, so an interval that resamples images
is too narrow. Here a resample draws as many patients as there are, with
replacement, and takes all images of each (the clustered bootstrap; Field &
Welsh 2007). A resample is stored as how often each image counts, so metrics
that accept weights treat all resamples in a few matrix products.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep.errors import UmsrepError

Key = TypeVar("Key", bound=Hashable)

# Weights held at a time: bounds memory at a few tens of megabytes.
_CELLS = 2_000_000


@dataclass(frozen=True)
class Interval:
    """A percentile interval.

    Attributes:
        low, high: Its ends; nan when too few resamples define the statistic.
        undefined: Number of resamples that left the statistic undefined (for
            example an AUC without a positive image) and were dropped.
    """

    low: float
    high: float
    undefined: int


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
    index, names = pd.factorize(np.asarray(patients, object))
    count = len(names)
    rng = np.random.default_rng([int(seed)])
    block = max(1, _CELLS // max(1, len(index)))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        draws = rng.multinomial(count, np.full(count, 1 / count), size=rows)
        yield draws[:, index].astype(float)


def bootstrap_intervals(
    statistics: Callable[[NDArray[np.float64]], dict[Key, NDArray]],
    patients: Sequence[Hashable] | NDArray,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[Key, Interval]:
    """Patient-clustered percentile intervals of several statistics at once.

    Args:
        statistics: `statistics(weights)` takes weights `(some, images)` and
            returns {name: array `(some,)`}.
        patients: Patient of each image.
        resamples: Number of resamples, at least 1.
        seed: A non-negative integer.
        level: Coverage, between 0 and 1.

    Returns:
        {name: Interval}. An interval is nan when fewer than half of the
        resamples define its statistic, or when there is one patient only.

    Raises:
        UmsrepError: no resamples, or a level outside (0, 1).
    """
    if resamples < 1 or not 0 < level < 1:
        raise UmsrepError(
            f"Got {resamples} resamples and level {level}. Use at least 1 "
            "resample (1000 is usual) and a level between 0 and 1 (0.95)."
        )
    parts = [
        statistics(weights)
        for weights in patient_weights(patients, resamples, seed)
    ]
    single = len(set(patients)) < 2
    intervals = {}
    for name in parts[0]:
        values = np.concatenate([part[name] for part in parts])
        values = values[np.isfinite(values)]
        low = high = np.nan
        if not single and 2 * len(values) >= resamples:
            low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
        intervals[name] = Interval(
            float(low), float(high), resamples - len(values)
        )
    return intervals
