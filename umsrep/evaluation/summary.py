"""The comparison table: one row per evaluated run and task."""

import pandas as pd

from umsrep.evaluation.folder import Evaluation, read_folder
from umsrep.metrics import catalogue
from umsrep.runs import Run

PRETRAINING = "pre-training"
BASELINE = "separate"


def read_folders(folders):
    """Reads each path once; what is already read passes through."""
    read = (Evaluation, Run)
    return [
        folder if isinstance(folder, read) else read_folder(folder)
        for folder in folders
    ]


def summary_table(folders):
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
    folders = read_folders(folders)
    evaluations = [f for f in folders if isinstance(f, Evaluation)]
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
    for run in pretraining_runs(folders):
        rows.append(
            {"data": "", "strategy": PRETRAINING, "task": run.pretrained_task}
            # A missing cell would turn a column without intervals into nan.
            | {f"{metric}_ci95": None for metric in catalogue.LISTED}
            | cost(run.info)
        )
    columns = ["data", "strategy", "task", "images", "patients"]
    for metric in catalogue.LISTED:
        columns += [metric, f"{metric}_ci95"]
    return pd.DataFrame(
        rows, columns=[*columns, "seconds", "trainable_parameters"]
    )


def best_values(frame, task):
    """{metric: best value of `task`}; nan where fewer than two compete."""
    part = frame[frame["task"] == task]
    return {
        name: metric.best(part[name])
        if part[name].count() > 1
        else float("nan")
        for name, metric in catalogue.LISTED.items()
    }


def present(frame):
    """The part of `catalogue.LISTED` that any row has."""
    return {
        name: metric
        for name, metric in catalogue.LISTED.items()
        if frame[name].notna().any()
    }


def labels(evaluations):
    """A short name per evaluation: its strategy.

    Evaluations of one data set that share a strategy and a task also get the
    name of their folder, and if that is the same too, a number.
    """

    def clash(one, other, names):
        return (
            one is not other
            and names[id(one)] == names[id(other)]
            and one.data == other.data
            and {t.name for t in one.tasks} & {t.name for t in other.tasks}
        )

    def distinguish(names, suffix):
        return {
            id(one): f"{names[id(one)]} ({suffix(position, one)})"
            if any(clash(one, other, names) for other in evaluations)
            else names[id(one)]
            for position, one in enumerate(evaluations)
        }

    names = {
        id(e): str(e.run.get("strategy") or e.path.resolve().name)
        for e in evaluations
    }
    names = distinguish(names, lambda _, e: e.path.resolve().name)
    names = distinguish(names, lambda position, _: position + 1)
    return [names[id(e)] for e in evaluations]


def pretraining_runs(folders):
    """The pre-training runs among what `read_folders` returned."""
    return [
        folder
        for folder in folders
        if isinstance(folder, Run) and folder.info.get("kind") == "pretrain"
    ]


def cost(info):
    """Training seconds and trainable parameters of a run.json."""
    parameters = info.get("trainable_parameters")
    if isinstance(parameters, dict):
        parameters = parameters.get("total")
    return {
        "seconds": number(info.get("seconds")),
        "trainable_parameters": number(parameters),
    }


def number(value):
    """A float; nan for None and anything that is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return float("nan")
    return float(value)


def interval(value):
    """(low, high), or None when an end is missing."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return None
    low, high = (number(end) for end in value)
    return None if pd.isna(low) or pd.isna(high) else (low, high)


def text(value, digits=3):
    """A number for a table; a dash for nan."""
    if pd.isna(value):
        return "–"
    return f"{value:,.{digits}f}".replace("-", "−")
