"""Reading columns of predictions.csv, with errors that name the image."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep.errors import UmsrepError


def column(table: pd.DataFrame, name: str) -> pd.Series:
    """A column of the table.

    Raises:
        UmsrepError: there is none; the message lists those that exist.
    """
    if name not in table.columns:
        raise UmsrepError(
            f"The table of predictions has no column '{name}'. Its columns "
            f"are {', '.join(map(str, table.columns))}. Evaluate the run "
            "again, with this task."
        )
    return table[name]


def filled(values: pd.Series) -> pd.Series:
    """Which cells are not empty."""
    return values.notna() & (values != "")


def numbers(table: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    """Float array (rows, columns).

    Raises:
        UmsrepError: a missing column, or a cell that is no finite number.
    """
    result = np.empty((len(table), len(names)))
    for position, name in enumerate(names):
        cells = pd.to_numeric(column(table, name), errors="coerce")
        values = cells.to_numpy(float)
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise UmsrepError(
                f"Column '{name}' holds {table[name].iloc[bad[0]]!r} for "
                f"image '{table['image'].iloc[bad[0]]}'; expected a finite "
                "number for every image with a reference. Look at that image "
                "and evaluate again."
            )
        result[:, position] = values
    return result


def mean(values: NDArray, weights: NDArray) -> NDArray[np.float64]:
    """Weighted mean of the values that are known; nan where none is."""
    known = ~np.isnan(values)
    total = np.asarray((weights * known).sum(-1), float)
    result = np.full(total.shape, np.nan)
    np.divide(
        weights @ np.where(known, values, 0.0),
        total,
        out=result,
        where=total > 0,
    )
    return result


def weighted_median(values: NDArray, weights: NDArray) -> NDArray[np.float64]:
    """Median of `values` repeated `weights` times, over the last axis.

    With whole weights exactly the median of the repeated values.
    """
    order = np.argsort(values)
    values = values[order]
    cumulative = np.cumsum(weights[..., order], axis=-1)
    half = cumulative[..., -1:] / 2
    lower = np.argmax(cumulative >= half, axis=-1)
    upper = np.argmax(cumulative > half, axis=-1)
    return (values[lower] + values[upper]) / 2
