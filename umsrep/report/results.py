"""The report's results: tables, figures and tests of one data set."""

import math

import pandas as pd

from umsrep import tasks as task_kinds
from umsrep.evaluation import comparison, summary, table_metrics
from umsrep.figures import metric_plots
from umsrep.metrics import catalogue
from umsrep.report import diagnostics
from umsrep.report.embedding import figure_uri
from umsrep.runs import stage_one

# Columns of metrics that fit into the page's width.
WIDEST = 6
# Metrics that a task's table of decisions shows beside those listed.
SHOWN = ("sensitivity", "specificity", "brier")
# What a figure shows, by `TaskKind.figure`.
FIGURES = {
    "distribution": "Distribution over the images",
    "curves": "ROC and reliability curves",
    "scatter": "Predicted over true values",
    None: "",
}


def section(data, members, frame):
    """Everything about the evaluations of one data set."""
    found, untested = comparison.compare_all(dict(members))
    tests = [vars(test) for test in found]
    tasks = {t.name: t for _, e in members for t in e.tasks}
    sections = []
    for task in tasks.values():
        rows = frame[frame["task"] == task.name]
        sections.append(
            {
                "name": task.name,
                "what": _what(task),
                "size": _size(rows),
                "finding": _finding(task, rows, tests),
                "intervals": figure_uri(
                    metric_plots.metric_intervals(
                        rows, catalogue.LISTED, task.unit
                    )
                ),
                "figure": figure_uri(_task_figure(task, members)),
                "figure_shows": FIGURES[task_kinds.get(task.kind).figure],
                "tests": [t for t in tests if t["task"] == task.name],
                "methods": _methods(task, members),
                "decisions": diagnostics.decisions(task, members),
                "remarks": diagnostics.remarks(task, members),
                "failures": diagnostics.failures(task, members),
            }
        )
    return {
        "data": data,
        "tables": _tables(members, tasks, frame),
        "best": {name: summary.best_values(frame, name) for name in tasks},
        "tasks": sections,
        "untested": untested,
        "unequal": diagnostics.unequal(members),
        "subgroups": [
            _subgroups(name, evaluation, tasks)
            for name, evaluation in members
            if evaluation.subgroups
        ],
        "folds": [
            _folds(name, evaluation, tasks)
            for name, evaluation in members
            if evaluation.folds
        ],
        "copies": list(dict.fromkeys(filter(None, map(_copies, members)))),
        "warnings": [
            f"{name}: {words}"
            for name, evaluation in members
            for words in (
                *_learnt_from_test_images(evaluation),
                *_seen_whole(evaluation),
            )
        ],
    }


def _subgroups(name, evaluation, tasks):
    """The main metric of each subgroup, and the tests of differences."""
    found, rows = evaluation.subgroups, []
    for row in found.get("rows", []):
        if row["task"] in tasks:
            main = task_kinds.of(tasks[row["task"]]).main
            about = ("column", "task", "group", "images", "patients")
            rows.append(
                {
                    **{key: row[key] for key in about},
                    "metric": catalogue.metric(main).heading,
                    "value": summary.number(row.get(main)),
                    "interval": summary.interval(row.get(f"{main}_ci95")),
                }
            )
    tests = [
        f"{test['task']} by {test['column']}: {test['metric']} differs by up "
        f"to {test['range']:.3f}, p (Holm) {p_value(test['p_holm'], '= ')}"
        for test in found.get("tests", [])
    ]
    return {"name": name, "rows": rows, "tests": tests}


def _folds(name, evaluation, tasks):
    """Mean and spread over the folds of a cross-validation."""
    rows = []
    for task, metrics in evaluation.folds.items():
        for metric, found in metrics.items():
            if task in tasks and metric in catalogue.LISTED:
                rows.append(
                    {
                        "task": task,
                        "metric": catalogue.metric(metric).heading,
                        **{
                            key: summary.number(found.get(key))
                            for key in ("mean", "sd")
                        },
                        "values": [
                            summary.number(value) for value in found["values"]
                        ],
                    }
                )
    return {"name": name, "rows": rows}


def _seen_whole(evaluation):
    """A sentence about images without a mask to focus by, or nothing."""
    count = evaluation.info.get("seen_whole")
    if not isinstance(count, int) or not count:
        return []
    return [
        f"{count} of {evaluation.info.get('images')} images had no mask to "
        "focus by; there the whole image was classified."
    ]


def _copies(member):
    """A sentence about copies in the data of a training, or ""."""
    _, evaluation = member
    found = evaluation.run.get("copies")
    if not isinstance(found, dict) or not found.get("pictures"):
        return ""
    text = (
        f"{found['pictures']} pictures are in the data more than once "
        f"({found['images']} images of {found['patients']} patients); copies "
        "stay on one side of the split"
    )
    if left_out := found.get("left_out"):
        text += f", and {left_out} images that are copies of test images were "
        text += "left out"
    return f"{text}."


def _learnt_from_test_images(evaluation):
    """What the first stage has seen of the images, in sentences."""
    found = evaluation.info.get("seen_in_stage_one")
    return stage_one.in_words(found if isinstance(found, list) else None)


def _tables(members, tasks, frame):
    """One table of all tasks or, where it would be too wide, one per kind."""
    parts = {"": list(tasks)}
    if len(summary.present(frame)) > WIDEST:
        parts = {}
        for name, task in tasks.items():
            parts.setdefault(task.kind, []).append(name)
    tables = []
    for names in parts.values():
        rows = frame[frame["task"].isin(names)]
        strategies = [
            {
                "name": name,
                "rows": rows[rows["strategy"] == name].to_dict("records"),
            }
            for name, _ in members
        ]
        tables.append(
            {
                "metrics": summary.present(rows),
                "strategies": [s for s in strategies if s["rows"]],
            }
        )
    return tables


def _what(task):
    """The classes of a label; "mask", or "number in years", of others."""
    words = task_kinds.of(task).words().removeprefix("a ")
    return " / ".join(task.classes) or words


def _methods(task, members):
    """How the intervals were made and what limits them, in a sentence."""
    made, limits = {}, {}
    for _, evaluation in members:
        entry = (evaluation.metrics or {}).get(task.name) or {}
        told = entry.get("intervals") or {}
        for kept, found in ((made, "methods"), (limits, "notes")):
            for metric, words in (told.get(found) or {}).items():
                if metric in catalogue.LISTED or metric in SHOWN:
                    heading = catalogue.metric(metric).heading
                    kept.setdefault(words, {})[heading] = None
    if not made:
        return ""
    sentence = "Intervals over patients: " + "; ".join(
        f"{', '.join(metrics)}: {method}" for method, metrics in made.items()
    )
    if limits:
        # Of most, it limits every metric.
        every = {h for metrics in made.values() for h in metrics}
        sentence += ". Little to rest on: " + "; ".join(
            note + (f" ({', '.join(metrics)})" * (set(metrics) != every))
            for note, metrics in limits.items()
        )
    return f"{sentence}."


def _size(rows):
    """ "69 images of 63 patients", or of each strategy if they differ."""
    sizes = dict.fromkeys(
        f"{summary.text(images, 0)} images of {summary.text(patients, 0)} "
        "patients"
        for images, patients in zip(
            rows["images"], rows["patients"], strict=True
        )
    )
    return "; ".join(sizes)


def _finding(task, rows, tests):
    """One sentence: the best strategy, and how the baseline does."""
    kind = task_kinds.of(task)
    metric = catalogue.metric(kind.main)
    values = rows[metric.name]
    rows = rows[values.notna()]
    if len(rows) < 2:
        return None
    best = rows.loc[rows[metric.name] == metric.best(values)].iloc[0]
    sentence = (
        f"{'lowest' if metric.lower_is_better else 'highest'} {metric.words} "
        f"{best[metric.name]:.3f} ({best['strategy']})"
    )
    baseline = rows[rows["strategy"] == summary.BASELINE]
    if baseline.empty or best["strategy"] == summary.BASELINE:
        return sentence
    sentence += f"; separate models {baseline[metric.name].iloc[0]:.3f}"
    compared = {kind.main}
    if kind.ranked_by:
        compared.add(f"mean {catalogue.metric(kind.ranked_by).words}")
    for test in tests:
        if (
            test["task"] == task.name
            and {test["name_a"], test["name_b"]}
            == {best["strategy"], summary.BASELINE}
            and test["metric"] in compared
        ):
            p = p_value(test["p_patients_holm"], equals="= ")
            sentence += f", p (Holm, by patient) {p}"
    return sentence


def _task_figure(task, members):
    tables = {
        name: evaluation.predictions
        for name, evaluation in members
        if evaluation.predictions is not None and task in evaluation.tasks
    }
    kind = task_kinds.of(task)
    if kind.figure == "distribution":
        values = {
            name: table_metrics.image_values(table, task)
            for name, table in tables.items()
        }
        heading = catalogue.metric(kind.ranked_by).heading
        return metric_plots.value_distribution(values, heading)
    arrays = {
        name: kind.arrays(table_metrics.labelled(table, task))
        for name, table in tables.items()
    }
    if kind.figure == "scatter":
        return metric_plots.predicted_over_true(arrays, task.unit)
    if kind.figure != "curves" or len(task.classes) > 2:
        return None
    return metric_plots.roc_and_reliability(
        {
            name: (true, probabilities[:, 1], predicted)
            for name, (true, predicted, probabilities) in arrays.items()
        }
    )


def p_value(p, equals=""):
    """A p-value for a table or, with `equals`, for a sentence."""
    return "< 0.001" if p < 0.001 else f"{equals}{p:.3f}"


def signed(value):
    """A difference for a table, with a true minus sign."""
    return f"{value:+.3f}".replace("-", "−")


def ends(interval):
    """An interval of a difference; in words where nothing is rejected."""
    if any(pd.isna(end) for end in interval):
        return ""
    if all(math.isinf(end) for end in interval):
        return "too few patients"
    return " to ".join(map(signed, interval))
