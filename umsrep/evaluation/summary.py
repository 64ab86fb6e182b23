"""The comparison table: one row per evaluated run and task."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from umsrep.evaluation.audit_folder import AuditFolder
from umsrep.evaluation.curve_folder import LearningCurve
from umsrep.evaluation.folder import Evaluation, Folder, read_folder
from umsrep.metrics import catalogue
from umsrep.runs.folder import Run

PRETRAINING = "pre-training"
BASELINE = "separate"


def read_folders(
    folders: Iterable[str | Path | Folder],
) -> list[Folder]:
    """Reads each path once; what is already read passes through."""
    read = (Evaluation, Run, AuditFolder, LearningCurve)
    return [
        folder if isinstance(folder, read) else read_folder(folder)
        for folder in folders
    ]


def summary_table(
    folders: Iterable[str | Path | Folder],
) -> pd.DataFrame:
    """One row per evaluation and task, then one per pre-training run.

    Args:
        folders: Paths of run and evaluation folders.

    Returns:
        A data frame with the columns `data` (name and split), `strategy`,
        `task`, `images`, `patients`; each metric of `catalogue.LISTED` and
        `<metric>_ci95` ([low, high] or None); `seconds` and
        `trainable_parameters` of the whole run, so equal in all rows of one
        run. What a task does not have, or what is missing, is nan.

    Raises:
        UmsrepError: a folder cannot be read.
    """
    read = read_folders(folders)
    evaluations = [f for f in read if isinstance(f, Evaluation)]
    rows = []
    for label, evaluation in zip(labels(evaluations), evaluations, strict=True):
        for task in evaluation.tasks:
            values = (evaluation.metrics or {}).get(task.name) or {}
            row = {
                "data": evaluation.data,
                "strategy": label,
                "task": task.name,
                "images": number(values.get("images")),
                "patients": number(values.get("patients")),
            }
            for metric in catalogue.LISTED:
                row[metric] = number(values.get(metric))
                row[f"{metric}_ci95"] = interval(values.get(f"{metric}_ci95"))
            rows.append(row | cost(evaluation.run))
    for run in pretraining_runs(read):
        learnt = run.pretrained_task
        rows.append(
            {
                "data": "",
                "strategy": PRETRAINING,
                "task": learnt,
                # A missing cell would turn a column without intervals into
                # nan.
                **{f"{metric}_ci95": None for metric in catalogue.LISTED},
                **cost(run.info),
            }
        )
    columns = ["data", "strategy", "task", "images", "patients"]
    for metric in catalogue.LISTED:
        columns += [metric, f"{metric}_ci95"]
    return pd.DataFrame(
        rows, columns=[*columns, "seconds", "trainable_parameters"]
    )


def best_values(frame: pd.DataFrame, task: str) -> dict[str, float]:
    """{metric: best value of `task`}; nan where fewer than two compete."""
    part = frame[frame["task"] == task]
    return {
        name: metric.best(part[name])
        if part[name].count() > 1
        else float("nan")
        for name, metric in catalogue.LISTED.items()
    }


def present(frame: pd.DataFrame) -> dict[str, catalogue.Metric]:
    """The part of `catalogue.LISTED` that any row has."""
    return {
        name: metric
        for name, metric in catalogue.LISTED.items()
        if frame[name].notna().any()
    }


def labels(evaluations: Sequence[Evaluation]) -> list[str]:
    """A short name per evaluation: its strategy.

    Evaluations of one data set that share a strategy and a task also get the
    name of their folder, and if that is the same too, a number.
    """

    def clash(a: Evaluation, b: Evaluation, names: dict[int, str]) -> bool:
        return (
            a is not b
            and names[id(a)] == names[id(b)]
            and a.data == b.data
            and bool({t.name for t in a.tasks} & {t.name for t in b.tasks})
        )

    def distinguish(
        names: dict[int, str], suffix: Callable[[int, Evaluation], object]
    ) -> dict[int, str]:
        return {
            id(e): f"{names[id(e)]} ({suffix(position, e)})"
            if any(clash(e, other, names) for other in evaluations)
            else names[id(e)]
            for position, e in enumerate(evaluations)
        }

    names = {
        id(e): str(e.run.get("strategy") or e.path.resolve().name)
        for e in evaluations
    }
    names = distinguish(names, lambda _, e: e.path.resolve().name)
    names = distinguish(names, lambda position, _: position + 1)
    return [names[id(e)] for e in evaluations]


def pretraining_runs(
    folders: Iterable[Folder],
) -> list[Run]:
    """The pre-training runs among what `read_folders` returned."""
    return [
        folder
        for folder in folders
        if isinstance(folder, Run) and folder.info.get("kind") == "pretrain"
    ]


def cost(info: Mapping[str, Any]) -> dict[str, float]:
    """Training seconds and trainable parameters of a run.json."""
    parameters = info.get("trainable_parameters")
    if isinstance(parameters, dict):
        parameters = parameters.get("total")
    return {
        "seconds": number(info.get("seconds")),
        "trainable_parameters": number(parameters),
    }


def number(value: object) -> float:
    """A float; nan for None and anything that is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return float("nan")
    return float(value)


def interval(value: object) -> tuple[float, float] | None:
    """(low, high), or None when an end is missing."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return None
    low, high = (number(end) for end in value)
    return None if pd.isna(low) or pd.isna(high) else (low, high)


def text(value: float, digits: int = 3) -> str:
    """A number for a table; a dash for nan."""
    if pd.isna(value):
        return "–"
    return f"{value:,.{digits}f}".replace("-", "−")
