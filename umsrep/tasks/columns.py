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


def known(
    table: pd.DataFrame,
    task: str,
    names: Sequence[str],
    required: Sequence[str],
) -> dict[str, NDArray[np.float64]]:
    """{name: value per row} of the columns `<task>_<name>` that have any.

    Args:
        table: Rows of predictions.csv with a reference.
        task: The task's name.
        names: Names of columns.
        required: Those among them that no row may lack; elsewhere nan stands
            for an empty cell, since not every image has fixations.
    """
    found = {}
    for name in names:
        full = f"{task}_{name}"
        if name in required:
            found[name] = numbers(table, [full])[:, 0]
        elif full in table.columns:
            rows = filled(table[full]).to_numpy()
            if rows.any():
                values = np.full(len(table), np.nan)
                values[rows] = numbers(table[rows], [full])[:, 0]
                found[name] = values
    return found


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
