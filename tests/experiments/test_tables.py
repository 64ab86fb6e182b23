import numpy as np
import pytest
from repeated import A, B, frame

from umsrep.experiments import tables


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
