"""The tables of a learning curve, from its run and evaluation folders."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from umsrep import figures, runs
from umsrep.data import storage
from umsrep.evaluation.folder import Evaluation, read_folder
from umsrep.evaluation.relative_improvement import relative_improvement
from umsrep.experiments import curve_statistics as statistics
from umsrep.experiments.curve_folder import (
    BOOTSTRAP,
    CurveFolder,
    CurveRun,
)
from umsrep.metrics import catalogue

# {(candidate, patients, test set): {repeat: what it gave}}.
Points = dict[tuple[str, int, str], dict[int, Evaluation]]


def write_results(folder: CurveFolder) -> dict[str, pd.DataFrame]:
    """Writes curve.csv, the tables, curve.md and curve.png.

    Args:
        folder: A `CurveFolder`; runs that are not done are left out.

    Returns:
        {"curve", "summary", "differences", "relative", "reached", "cost": data
        frame}; empty without a run that is done.
    """
    done = [run for run in folder.runs() if run.done]
    if not done:
        return {}
    points: Points = {}
    rows = []
    for run in done:
        for name, path in run.evaluations.items():
            evaluation = _read(path)
            key = (run.candidate.name, run.patients, name)
            points.setdefault(key, {})[run.repeat] = evaluation
            rows += _rows(run, name, evaluation, folder.plan.seed)
    headlines = {
        spec.name: statistics.headline(spec)
        for repeats in points.values()
        for spec in _tasks(repeats)
    }
    summary = _summary(points)
    compared = differences(points, folder.plan.baseline)
    tables = {
        "curve": pd.DataFrame(rows),
        "summary": summary,
        "differences": compared,
        "relative": relative(points, folder.plan.baseline),
        "reached": statistics.reached(summary, folder.plan.baseline, headlines),
        "cost": _cost(done),
    }
    for name, table in tables.items():
        storage.write_csv(folder.path / f"{name}.csv", table)
    storage.write_text(folder.path / "curve.md", page(tables, folder))
    panels = [
        (data, task, metric)
        for data, task, metric in dict.fromkeys(
            zip(
                summary["data"], summary["task"], summary["metric"], strict=True
            )
        )
        if headlines[task] == metric
    ]
    figure = figures.learning_curves(summary, panels)
    figures.save(figure, Path(folder.path) / "curve.png", dpi=140)
    return tables


def _read(path: Path) -> Evaluation:
    """An evaluation, without the task whose mask the images show."""
    evaluation = read_folder(path)
    blanked = evaluation.info.get("blank_outside")
    evaluation.tasks = [s for s in evaluation.tasks if s.name != blanked]
    evaluation.metrics = {
        name: entry
        for name, entry in (evaluation.metrics or {}).items()
        if name != blanked
    }
    return evaluation


def _rows(run: CurveRun, data: str, evaluation: Evaluation, seed: int):
    for task, entry in (evaluation.metrics or {}).items():
        for metric, value in entry.items():
            if isinstance(value, (int, float)):
                yield {
                    "candidate": run.candidate.name,
                    "patients": run.patients,
                    "repeat": run.repeat,
                    "seed": seed + run.repeat,
                    "data": data,
                    "task": task,
                    "metric": metric,
                    "value": value,
                }


def _summary(points: Points) -> pd.DataFrame:
    rows = []
    for (candidate, patients, data), repeats in points.items():
        for spec in _tasks(repeats):
            entries = [
                (e.metrics or {}).get(spec.name) for e in repeats.values()
            ]
            for metric in statistics.shown(spec):
                found = [e for e in entries if e and _known(e.get(metric))]
                if not found:
                    continue
                values = [entry[metric] for entry in found]
                about = catalogue.metric(metric)
                low, high = statistics.interval(
                    values,
                    [_ends(entry.get(f"{metric}_ci95")) for entry in found],
                    about.low,
                    about.high,
                )
                several = len(values) > 1
                rows.append(
                    {
                        "candidate": candidate,
                        "patients": patients,
                        "data": data,
                        "task": spec.name,
                        "metric": metric,
                        "mean": np.mean(values),
                        "low": low,
                        "high": high,
                        "sd": np.std(values, ddof=1) if several else np.nan,
                        "repeats": len(values),
                        "test_images": found[0]["images"],
                        "test_patients": found[0]["patients"],
                    }
                )
    return pd.DataFrame(rows)


def _tasks(repeats: dict[int, Evaluation]):
    """The `data.TaskSpec`s of a point's evaluations."""
    return next(iter(repeats.values())).tasks


def _known(value) -> bool:
    return isinstance(value, (int, float)) and bool(np.isfinite(value))


def _ends(value) -> tuple[float, float]:
    if not value or None in value:
        return np.nan, np.nan
    return value[0], value[1]


def differences(points: Points, baseline: str) -> pd.DataFrame:
    """Each candidate less the baseline, of the repeats that both have.

    Args:
        points: {(candidate, patients, test set): {repeat: `Evaluation`}}.
        baseline: Name of a candidate.
    """
    rows = []
    for (candidate, patients, data), ours in points.items():
        theirs = points.get((baseline, patients, data))
        if candidate == baseline or theirs is None:
            continue
        # Of an unfinished curve, the repeats that both have: those of one
        # number have the same patients and seed.
        both = sorted(set(ours) & set(theirs))
        if not both:
            continue
        tables = [
            [side[repeat].predictions for repeat in both]
            for side in (ours, theirs)
        ]
        others = {spec.name for spec in _tasks(theirs)}
        for spec in _tasks(ours):
            told = (ours[both[0]].metrics or {}).get(spec.name) or {}
            if spec.name not in others or not told.get("images"):
                continue
            for metric in statistics.shown(spec):
                found = statistics.difference(*tables, spec, metric)
                if found is not None:
                    rows.append(
                        {
                            "candidate": candidate,
                            "baseline": baseline,
                            "patients": patients,
                            "data": data,
                            "task": spec.name,
                            "metric": metric,
                            "repeats": len(both),
                            **found,
                        }
                    )
    return statistics.with_holm(pd.DataFrame(rows))


def relative(points: Points, baseline: str) -> pd.DataFrame:
    """Delta m of each candidate over the baseline, of several tasks.

    Args:
        points: {(candidate, patients, test set): {repeat: `Evaluation`}}.
        baseline: Name of a candidate.

    Returns:
        Data frame: candidate, baseline, patients, data, percent, low, high,
        repeats, tasks (each with its own percent), remarks.
    """
    rows = []
    for (candidate, patients, data), ours in points.items():
        theirs = points.get((baseline, patients, data))
        if candidate == baseline or theirs is None:
            continue
        both = sorted(set(ours) & set(theirs))
        others = {spec.name for spec in _tasks(theirs)}
        specs = [
            spec
            for spec in _tasks(ours)
            if spec.name in others
            and both
            and ((ours[both[0]].metrics or {}).get(spec.name) or {}).get(
                "images"
            )
        ]
        if len(specs) < 2:
            continue
        found = relative_improvement(
            *([side[r].predictions for r in both] for side in (ours, theirs)),
            specs,
            BOOTSTRAP,
        )
        low, high = found.ci95
        rows.append(
            {
                "candidate": candidate,
                "baseline": baseline,
                "patients": patients,
                "data": data,
                "percent": found.percent,
                "low": low,
                "high": high,
                "repeats": len(both),
                "tasks": ", ".join(
                    f"{t.task} {t.metric} {t.percent:+.1f}" for t in found.tasks
                ),
                "remarks": " ".join(found.remarks),
            }
        )
    return pd.DataFrame(rows)


def _cost(done: Sequence[CurveRun]) -> pd.DataFrame:
    rows = []
    for run in done:
        info = runs.read_run(run.folder)
        rows.append(
            {
                "candidate": run.candidate.name,
                "patients": run.patients,
                "training_images": info["images"]["train"],
                "seconds": info["seconds"],
                "trainable_parameters": info["trainable_parameters"]["total"],
            }
        )
    groups = pd.DataFrame(rows).groupby(["candidate", "patients"], sort=False)
    return groups.median().reset_index()


def page(tables: dict[str, pd.DataFrame], folder: CurveFolder) -> str:
    """The text of curve.md."""
    plan = folder.plan
    parts = [
        "# Learning curves",
        f"{len(plan.candidates)} candidates, {plan.repeats} repeats, "
        f"{folder.steps} optimizer steps per task in every run "
        "(linear heads are solved instead); trained on "
        f"{Path(plan.data).name}. docs/learning-curves.md says what the "
        "intervals cover.",
        "## Means over repeats",
        _markdown(tables["summary"], [*statistics.KEY, "mean", "low", "high"]),
    ]
    if len(tables["differences"]):
        parts += [
            f"## Differences from '{plan.baseline}'",
            _markdown(
                tables["differences"],
                [*statistics.KEY, "difference", "low", "high", "p", "p_holm"],
            ),
        ]
    if len(tables["relative"]):
        parts += [
            f"## Delta m over '{plan.baseline}', %",
            _markdown(
                tables["relative"],
                [
                    *("candidate", "patients", "data"),
                    *("percent", "low", "high", "tasks"),
                ],
            ),
        ]
    if len(tables["reached"]):
        parts += [
            f"## Labels that reach '{plan.baseline}' at its largest number",
            _markdown(
                tables["reached"],
                ["candidate", "data", "task", "metric", "target", "words"],
            ),
        ]
    parts += [
        "## Cost, medians",
        _markdown(
            tables["cost"],
            ["candidate", "patients", "training_images", "seconds"],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _markdown(table: pd.DataFrame, columns: list[str]) -> str:
    shown = table[columns].copy()
    for name in shown:
        if shown[name].dtype == float:
            digits = 1 if name == "seconds" else 3
            shown[name] = [
                "–" if np.isnan(v) else f"{v:.{digits}f}" for v in shown[name]
            ]
    return shown.to_markdown(index=False, disable_numparse=True)
