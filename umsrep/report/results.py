"""The report's results: tables, figures and tests of one data set."""

import itertools

from umsrep.errors import UmsrepError
from umsrep.evaluation import comparison, summary, table_metrics
from umsrep.figures import metric_plots
from umsrep.report.embedding import figure_uri


def section(data, members, frame):
    """Everything about the evaluations of one data set."""
    tests, untested = _tests(members)
    tasks = {t.name: t for _, e in members for t in e.tasks}
    sections = []
    for task in tasks.values():
        rows = frame[frame["task"] == task.name]
        sections.append(
            {
                "name": task.name,
                "kind": task.kind,
                "classes": task.classes,
                "size": _size(rows),
                "finding": _finding(task, rows, tests),
                "intervals": figure_uri(
                    metric_plots.metric_intervals(rows, summary.METRICS)
                ),
                "figure": figure_uri(_task_figure(task, members)),
                "tests": [t for t in tests if t["task"] == task.name],
            }
        )
    best = {name: summary.best_values(frame, name) for name in tasks}
    strategies = [
        {
            "name": name,
            "rows": frame[
                (frame["strategy"] == name)
                & frame["task"].isin([task.name for task in evaluation.tasks])
            ].to_dict("records"),
        }
        for name, evaluation in members
    ]
    return {
        "data": data,
        "strategies": [s for s in strategies if s["rows"]],
        "best": best,
        "tasks": sections,
        "untested": untested,
    }


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
    metric, heading = {
        "mask": ("dice", "Dice"),
        "map": ("cc", "CC"),
        "label": ("accuracy", "accuracy"),
    }[task.kind]
    rows = rows[rows[metric].notna()]
    if len(rows) < 2:
        return None
    best = rows.loc[rows[metric].idxmax()]
    sentence = f"highest {heading} {best[metric]:.3f} ({best['strategy']})"
    baseline = rows[rows["strategy"] == summary.BASELINE]
    if baseline.empty or best["strategy"] == summary.BASELINE:
        return sentence
    sentence += f"; separate models {baseline[metric].iloc[0]:.3f}"
    for test in tests:
        if (
            test["task"] == task.name
            and {test["name_a"], test["name_b"]}
            == {best["strategy"], summary.BASELINE}
            and test["metric"] in ("accuracy", "mean Dice", "mean CC")
        ):
            p = p_value(test["p_patients_holm"], equals="= ")
            sentence += f", p (Holm, by patient) {p}"
    return sentence


def _tests(members):
    """Paired tests of all pairs, adjusted together, and what prevents some."""
    pairs, tests, untested = [], [], []
    tables = [(name, e) for name, e in members if e.predictions is not None]
    for (name_a, a), (name_b, b) in itertools.combinations(tables, 2):
        if not {t.name for t in a.tasks} & {t.name for t in b.tasks}:
            continue
        try:
            found = comparison.paired_tests(
                a.predictions, b.predictions, comparison.common_tasks(a, b)
            )
        except UmsrepError as error:
            reason = str(error)
            for folder, name in ((a.path, name_a), (b.path, name_b)):
                reason = reason.replace(str(folder), f"'{name}'")
            untested.append(f"{name_a} and {name_b}: {reason}")
            continue
        tests += found
        pairs += [(name_a, name_b)] * len(found)
    rows = [
        vars(test) | {"name_a": a, "name_b": b}
        for test, (a, b) in zip(comparison.holm(tests), pairs, strict=True)
    ]
    return rows, untested


def _task_figure(task, members):
    tables = {
        name: evaluation.predictions
        for name, evaluation in members
        if evaluation.predictions is not None and task in evaluation.tasks
    }
    if task.kind != "label":
        column, heading = {"mask": ("dice", "Dice"), "map": ("cc", "CC")}[
            task.kind
        ]
        return metric_plots.value_distribution(
            {
                name: table_metrics.pixel_values(table, task, column)
                for name, table in tables.items()
            },
            heading,
        )
    if len(task.classes) > 2:
        return None
    curves = {}
    for name, table in tables.items():
        true, _, probabilities = table_metrics.label_arrays(table, task)
        curves[name] = (true, probabilities[:, 1])
    return metric_plots.roc_and_reliability(curves)


def p_value(p, equals=""):
    """A p-value for a table or, with `equals`, for a sentence."""
    return "< 0.001" if p < 0.001 else f"{equals}{p:.3f}"


def signed(value):
    """A difference for a table, with a true minus sign."""
    return f"{value:+.3f}".replace("-", "−")
