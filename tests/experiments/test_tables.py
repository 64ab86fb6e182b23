import numpy as np
import pandas as pd
import pytest
from repeated import A, B, frame

from umsrep.experiments import strategies, tables
from umsrep.experiments.repeats import REPRESENTATION, Candidate
from umsrep.stages.settings import FinetuneSettings


def test_median_and_sample_deviation():
    table = tables.median_and_spread(frame(a=A, once=[0.7]))
    one = table[table["network"] == "a"].iloc[0]
    assert one["median"] == 0.63
    assert one["std"] == pytest.approx(np.std(A, ddof=1))
    assert one["repeats"] == 5
    assert table[table["network"] == "once"].iloc[0]["std"] == 0


def test_layout_of_the_papers():
    table = tables.median_and_spread(frame(a=A, once=[-0.7], other=B))
    shown = tables.layout(
        table, "finding", {"auc": "AUC ↑", "f": "F"}, ["once", "a", "nobody"]
    )
    assert list(shown) == ["once", "a"]
    assert shown.loc["AUC ↑", "a"] == "0.630 ± 0.016"
    assert shown.loc["AUC ↑", "once"] == "−0.700"
    assert shown.loc["F", "a"] == "–"


def bold(table):
    """{row: names of the columns in bold}."""
    return {
        row: [c for c in table if str(table.loc[row, c]).startswith("**")]
        for row in table.index
    }


def written(columns, rows):
    """A table as `layout` makes it."""
    return pd.DataFrame(columns, index=pd.Index(rows, name="Metrics"))


def test_the_best_of_a_row_is_bold_where_an_arrow_says_which():
    table = written(
        {
            "a": ["0.726 ± 0.004", "0.670 ± 0.018", "0.5", "1,200", "−0.200"],
            "b": ["0.750 ± 0.002", "0.670 ± 0.030", "0.6", "980", "−0.300"],
            "c": ["0.750", "–", "0.7", "–", "nan"],
        },
        ["KLD ↓", "ACC ↑", "by chance", "Parameters ↓", "IG ↑"],
    )
    shown = tables.with_best(table)
    assert bold(shown) == {
        "KLD ↓": ["a"],
        # What reads equal is equal.
        "ACC ↑": ["a", "b"],
        "by chance": [],
        "Parameters ↓": ["b"],
        "IG ↑": ["a"],
    }
    assert shown.loc["KLD ↓", "a"] == "**0.726 ± 0.004**"
    # The table itself, which is printed and tested with, has no marks.
    assert not any(bold(table).values())


def test_a_value_alone_or_a_limit_is_not_the_best():
    table = written(
        {"limit": ["0.9", "0.9"], "a": ["0.5", "0.5"], "b": ["–", "0.6"]},
        ["PCC ↑", "HS ↑"],
    )
    assert bold(tables.with_best(table, apart=("limit",))) == {
        "PCC ↑": [],
        "HS ↑": ["b"],
    }
    # Rows of strategies have no arrows.
    other = pd.DataFrame({"Strategy": ["joint"], "Accuracy": ["0.9"]})
    pd.testing.assert_frame_equal(tables.with_best(other), other)


def test_examples_are_spread_over_a_sorted_manifest():
    chosen = tables.evenly(np.arange(95), 48)
    assert len(set(chosen)) == 48
    assert (chosen[0], chosen[-1]) == (0, 94)
    assert np.median(chosen) == pytest.approx(47, abs=1)
    assert list(tables.evenly([3, 5], 6)) == [3, 5]


def test_classes_of_their_own_columns_only_where_there_are_three():
    two = {"sensitivity": "sensitivity ↑"}
    assert list(tables.classification_metrics("ab", two)) == [
        "accuracy",
        "auc",
        "sensitivity",
    ]
    assert list(tables.classification_metrics("abc", two)) == [
        "accuracy",
        "auc",
        "auc_a",
        "auc_b",
        "auc_c",
    ]


def costs(network, tasks, steps):
    rows = {"": {"seconds": 20.0, "epochs": 3, "trainable_parameters": 900}}
    for task, count in zip(tasks, steps, strict=True):
        rows[task] = {
            "training_seconds": 8.0,
            "training_parameters": 400,
            "training_steps": count,
            "training_labels": 16 * count,
        }
    return [
        {"network": network, "repeat": 0, "task": t, "metric": m, "value": v}
        for t, row in rows.items()
        for m, v in row.items()
    ]


def test_costs_tell_the_budget_of_each_task():
    rows = costs("both", ("gaze", "finding"), (30, 30))
    rows += costs("one", ("gaze",), (24,))
    shown = tables.cost(
        tables.median_and_spread(pd.DataFrame(rows)), ["both", "one"]
    )
    assert list(shown.loc["Steps of gaze"]) == ["30", "24"]
    assert list(shown.loc["Labelled images seen of finding"]) == ["480", "–"]
    # Runs of earlier versions tell none.
    old = pd.DataFrame(rows[:3])
    assert len(tables.cost(tables.median_and_spread(old), ["both"])) == 3


def test_costs_of_strategies_tell_unequal_budgets_apart():
    tasks = ("lung", "finding")
    counts = {"independent": (30, 30), "joint": (30, 28), "separate": (30, 24)}
    rows = costs(REPRESENTATION, (), ())
    for strategy, steps in counts.items():
        rows += costs(strategy, tasks, steps)
    # A joint training has no seconds of a task's own.
    rows = [
        row
        for row in rows
        if (row["network"], row["metric"]) != ("joint", "training_seconds")
    ]
    group = {
        name: Candidate(name, tasks, FinetuneSettings()) for name in counts
    }
    shown = strategies.cost(
        tables.median_and_spread(pd.DataFrame(rows)), group
    ).set_index("Part")["Steps per task"]
    assert shown["all tasks, independent"] == "30"
    assert shown["all tasks, joint"] == "30 / 28"
    assert shown["separate model, finding"] == "24"
    assert shown["representation"] == "–"
