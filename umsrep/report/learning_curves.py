"""The report's section on learning curves."""

from umsrep import figures
from umsrep.evaluation.curve_folder import AT_ONCE, NEVER
from umsrep.metrics import catalogue
from umsrep.report.embedding import figure_uri


def section(curve):
    """A learning curve as the page shows it.

    Args:
        curve: An `evaluation.curve_folder.LearningCurve`.
    """
    plan, summary = curve.info["plan"], curve.tables["summary"]
    differences = curve.tables["differences"]
    reached = curve.tables["reached"]
    keys = summary[["data", "task", "metric"]].drop_duplicates()
    # The first metric of a task is the one that its curve shows.
    heads = keys.drop_duplicates(["data", "task"])
    panels = list(heads.itertuples(index=False, name=None))
    blocks = {
        key: _block(_of(summary, key), _of(differences, key), key)
        for key in keys.itertuples(index=False, name=None)
    }
    repeats = int(summary["repeats"].max())
    return {
        "data": curve.data,
        "baseline": plan["baseline"],
        "repeats": f"{repeats} trainings" if repeats > 1 else "One training",
        "several": repeats > 1,
        "steps": curve.info["steps"],
        "figure": figure_uri(figures.learning_curves(summary, panels)),
        "others": list(reached["candidate"].unique()) if len(reached) else [],
        "findings": list(_findings(reached)),
        "blocks": [block for key, block in blocks.items() if key in panels],
        "more": [block for key, block in blocks.items() if key not in panels],
        "differences": len(differences) > 0,
        "cost": curve.tables["cost"].to_dict("records"),
    }


def _of(table, key):
    if table.empty:
        return table
    return table[(table[["data", "task", "metric"]] == list(key)).all(axis=1)]


def _findings(reached):
    """A row for each task and test set of the table `reached`."""
    if reached.empty:
        return
    others = reached["candidate"].unique()
    for (data, task, metric), part in reached.groupby(
        ["data", "task", "metric"], sort=False
    ):
        rows = {row["candidate"]: row for row in part.to_dict("records")}
        first = next(iter(rows.values()))
        yield {
            "data": data,
            "task": task,
            "metric": catalogue.metric(metric).heading,
            "target": first["target"],
            "patients": first["baseline_patients"],
            "cells": [_labels(rows.get(name)) for name in others],
        }


def _labels(row):
    """How many patients it takes, in a few characters."""
    if row is None:
        return "–"
    if row["words"] == NEVER:
        return "not reached"
    about = f"{row['patients']:.0f}"
    return f"≤ {about}" if row["words"] == AT_ONCE else about


def _block(summary, differences, key):
    data, task, metric = key
    about = catalogue.metric(metric)
    sizes = sorted(summary["patients"].unique())
    best = {
        size: about.best(part["mean"]) if len(part) > 1 else None
        for size, part in summary.groupby("patients")
    }
    return {
        "data": data,
        "task": task,
        "metric": about.heading,
        "test_patients": int(summary["test_patients"].max()),
        "sizes": sizes,
        "rows": [
            {
                "name": name,
                "cells": [
                    cell and {**cell, "best": cell["mean"] == best[size]}
                    for size, cell in _cells(part, sizes)
                ],
            }
            for name, part in summary.groupby("candidate", sort=False)
        ],
        "differences": [
            {"name": name, "cells": [c for _, c in _cells(part, sizes)]}
            for name, part in (
                differences.groupby("candidate", sort=False)
                if len(differences)
                else ()
            )
        ],
    }


def _cells(part, sizes):
    rows = {row["patients"]: row for row in part.to_dict("records")}
    return [(size, rows.get(size)) for size in sizes]
