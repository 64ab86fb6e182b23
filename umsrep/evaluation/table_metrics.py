"""From the per-image table (predictions.csv) to the reported metrics.

One row per image, with the columns

- `image`, `patient`, `split`;
- of a task those of its kind, see `umsrep.tasks`.

A cell is empty where the image has no reference for the task; such an image
takes no part in that task's metrics.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from umsrep import tasks
from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.evaluation import intervals
from umsrep.tasks import columns


def read_predictions(path: str | Path) -> pd.DataFrame:
    """Reads predictions.csv: names stay text, empty cells become nan.

    Raises:
        UmsrepError: the file is missing, broken, or names an image twice.
    """
    path = Path(path)
    again = "Make it again with 'umsrep evaluate'."
    try:
        # A class may be called "None" or "NA": only empty means missing.
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError as error:
        raise UmsrepError(
            f"{path} does not exist. Expected the table of per-image "
            f"predictions. {again}"
        ) from error
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UmsrepError(
            f"{path} is not a readable table of predictions "
            f"({str(error).strip()}). {again}"
        ) from error
    table = table.mask(table == "")
    if "image" not in table.columns:
        raise UmsrepError(
            f"{path} has no column 'image'. Expected one row per image. {again}"
        )
    twice = table["image"][table["image"].duplicated()]
    if len(twice):
        raise UmsrepError(
            f"{path} has more than one row for image '{twice.iloc[0]}'. "
            f"Expected one row per image. {again}"
        )
    return table


def labelled(table: pd.DataFrame, task: TaskSpec) -> pd.DataFrame:
    """The rows of `table` that have a reference for `task`."""
    reference = tasks.get(task.kind).reference
    return table[
        columns.filled(columns.column(table, f"{task.name}_{reference}"))
    ]


def patients_of(table: pd.DataFrame) -> np.ndarray:
    """Patient per row; an image without a patient is its own patient."""
    patients: pd.Series[Any] = table.get(
        "patient", pd.Series(np.nan, index=table.index)
    )
    alone = "image:" + table["image"].astype(str)
    known = patients.notna() & (patients != "")
    return patients.where(known, alone).astype(str).to_numpy()


def image_values(
    table: pd.DataFrame, task: TaskSpec, column: str | None = None
) -> np.ndarray:
    """A per-image column, or what ranks the images, of the labelled rows."""
    return tasks.of(task).values(labelled(table, task), column)


def task_metrics(table: pd.DataFrame, task: TaskSpec) -> dict[str, float]:
    """All metrics of one task.

    Args:
        table: Data frame with the columns of predictions.csv.
        task: A `TaskSpec` (name, kind, classes).

    Returns:
        {metric: value}; undefined ones are nan, and there are none when no
        image has a reference. Which there are says the task's kind
        (`TaskKind.statistics`).
    """
    rows = labelled(table, task)
    if rows.empty:
        return {}
    statistics = tasks.of(task).statistics(rows)
    return {name: float(value) for name, value in statistics(None).items()}


def all_metrics(
    table: pd.DataFrame,
    specs: Iterable[TaskSpec],
    bootstrap: int = intervals.RESAMPLES,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Metrics of every task with 95 % intervals over patients.

    Args:
        table: Data frame with the columns of predictions.csv.
        specs: `TaskSpec`s.
        bootstrap: Number of resamples where the method is a bootstrap; 0 for
            no intervals.
        seed: Seed of the resamples, the same for each task.

    Returns:
        {task: {...}} with, for each metric, its value and `<metric>_ci95` as
        [low, high] (nan twice where it cannot be had; None where there is no
        method, as for a minimum); `images` and `patients`, the numbers of
        labelled ones; and `intervals`, {"methods": {metric: how its interval
        was made}, "notes": {metric: what limits it}}; `remarks`, what a reader
        must be told, such as that every image is called the same.
    """
    result = {}
    for task in specs:
        values = task_metrics(table, task)
        rows = labelled(table, task)
        patients = patients_of(rows)
        entry: dict[str, Any] = {
            "images": len(rows),
            "patients": len(set(patients)),
        }
        kind = tasks.of(task)
        known = kind.estimates(rows) if values and bootstrap else {}
        methods, notes = {}, {}
        for name, value in values.items():
            entry[name] = value
            if not bootstrap:
                continue
            if name not in known:
                entry[f"{name}_ci95"] = None
                continue
            found = intervals.of_estimate(
                known[name], patients, resamples=bootstrap, seed=seed
            )
            entry[f"{name}_ci95"] = list(found)
            if found.method:
                methods[name] = found.method
            if found.note:
                notes[name] = found.note
        if values:
            entry["remarks"] = kind.remarks(rows)
            for name, told in kind.references(rows, seed).items():
                entry[name], *ends = told
                entry[f"{name}_ci95"] = ends
        if bootstrap and values:
            entry["intervals"] = {"methods": methods, "notes": notes}
        result[task.name] = entry
    return result
