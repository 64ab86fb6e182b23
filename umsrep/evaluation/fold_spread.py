"""How much metrics differ between the folds of a cross-validation.

It is beside the interval over patients, and is another thing: folds share
most of their training patients, so that their spread is no standard error of
the mean (Bengio and Grandvalet 2004).
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from umsrep.data.prepared import TaskSpec
from umsrep.evaluation import table_metrics

# The split of images that each was predicted by the fold that held it out.
HELD_OUT = "held_out"


def spread(
    table: pd.DataFrame, part: ArrayLike, specs: Iterable[TaskSpec]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Each fold's metrics, with their mean and standard deviation.

    Args:
        table: The predictions of all folds (`evaluation.predict.table`).
        part: (n,) which fold predicted a row, from 0.
        specs: `TaskSpec`s.

    Returns:
        {task: {metric: {"mean", "sd", "folds": how many have it, "values":
        [one per fold, None where it is undefined]}}}.
    """
    part, specs = np.asarray(part), list(specs)
    by_fold = [
        table_metrics.all_metrics(table[part == k], specs, bootstrap=0)
        for k in range(int(part.max()) + 1)
    ]
    return across(by_fold)


def across(
    by_fold: list[dict[str, dict[str, Any]]],
) -> dict[str, dict[str, dict[str, Any]]]:
    """As `spread`, of metrics that are known: [{task: {metric: value}}]."""
    names = {
        task: dict.fromkeys(
            name
            for metrics in by_fold
            for name, value in metrics.get(task, {}).items()
            if _is_number(value)
        )
        for task in dict.fromkeys(t for metrics in by_fold for t in metrics)
    }
    return {
        task: {
            name: _summary([m.get(task, {}).get(name) for m in by_fold])
            for name in metrics
        }
        for task, metrics in names.items()
    }


def _summary(values: list[Any]) -> dict[str, Any]:
    values = [float(v) if _is_number(v) else None for v in values]
    known = [v for v in values if v is not None and np.isfinite(v)]
    return {
        "mean": float(np.mean(known)) if known else None,
        # One fold has no spread.
        "sd": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "folds": len(known),
        "values": [v if v in known else None for v in values],
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
