"""The report's section on learning curves."""

from umsrep import figures
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
        "findings": [
            {**row, "words": _finding(row, plan["baseline"])}
            for row in reached.to_dict("records")
        ],
        "blocks": [block for key, block in blocks.items() if key in panels],
        "more": [block for key, block in blocks.items() if key not in panels],
        "differences": len(differences) > 0,
        "cost": curve.tables["cost"].to_dict("records"),
    }


def _of(table, key):
    if table.empty:
        return table
    return table[(table[["data", "task", "metric"]] == list(key)).all(axis=1)]


def _finding(row, baseline):
    about = catalogue.metric(row["metric"])
    had = (
        f"what '{baseline}' has with {row['baseline_patients']} labelled "
        f"patients ({about.words} {row['target']:.3f})"
    )
    if row["words"] == "not reached":
        return f"does not reach {had}."
    if row["words"] == "at the smallest":
        return (
            f"reaches {had} with the smallest number tried, "
            f"{row['patients']:.0f}."
        )
    return f"reaches {had} with about {row['words']} patients."


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
