import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu

from umsrep.data import storage
from umsrep.experiments import repeats

A = [0.61, 0.62, 0.63, 0.64, 0.65]
B = [0.51, 0.52, 0.53, 0.54, 0.66]


def frame(**networks):
    return pd.DataFrame(
        [
            {
                "network": network,
                "repeat": repeat,
                "task": "finding",
                "metric": "auc",
                "value": value,
            }
            for network, values in networks.items()
            for repeat, value in enumerate(values)
        ]
    )


def test_median_and_sample_deviation():
    table = repeats.median_and_spread(frame(a=A, once=[0.7]))
    one = table[table["network"] == "a"].iloc[0]
    assert one["median"] == 0.63
    assert one["std"] == pytest.approx(np.std(A, ddof=1))
    assert one["repeats"] == 5
    assert table[table["network"] == "once"].iloc[0]["std"] == 0


def test_layout_of_the_papers():
    table = repeats.median_and_spread(frame(a=A, once=[-0.7], other=B))
    shown = repeats.layout(
        table, "finding", {"auc": "AUC ↑", "f": "F"}, ["once", "a", "nobody"]
    )
    assert list(shown) == ["once", "a"]
    assert shown.loc["AUC ↑", "a"] == "0.630 ± 0.016"
    assert shown.loc["AUC ↑", "once"] == "−0.700"
    assert shown.loc["F", "a"] == "–"


def test_mann_whitney_is_scipys_with_holm():
    data = frame(a=A, b=B, c=A[::-1])
    table = repeats.compare(
        data, [("a", "b"), ("a", "c")], [("finding", "auc")]
    )
    assert list(table["b"]) == ["b", "c"]
    first, second = table["p"]
    assert first == pytest.approx(mannwhitneyu(A, B).pvalue)
    # The same values in another order cannot differ.
    assert second == pytest.approx(1)
    assert table["p_holm"][0] == pytest.approx(min(1, 2 * first))
    assert table["median_b"][0] == 0.53


def test_too_few_repeats_are_not_compared():
    few = frame(a=A[:2], b=B[:2])
    assert repeats.compare(few, [("a", "b")], [("finding", "auc")]).empty


def test_folders_have_names_that_every_system_takes(tmp_path):
    run, evaluation = repeats.folders(tmp_path, "resnet-small GG-CAM", 3)
    assert run.name == evaluation.name == "resnet-small-gg-cam-3"


def test_an_undefined_value_leaves_the_others_their_test():
    holes = [*A[:4], float("nan")]
    table = repeats.compare(
        frame(a=holes, b=B), [("a", "b")], [("finding", "auc")]
    )
    assert table["p"][0] == pytest.approx(mannwhitneyu(A[:4], B).pvalue)


def test_an_evaluation_is_of_the_training_that_it_was_made_of(
    tmp_path, monkeypatch
):
    class Run:
        def __init__(self, path):
            self.info = {"config": {"epochs": 3}, "seconds": 1.25}

    monkeypatch.setattr(repeats.runs, "Run", Run)
    told = {"config": {"epochs": 3}, "seconds": 1.25, "folder": "elsewhere"}
    for change, same in (
        ({}, True),
        ({"seconds": 1.5}, False),
        ({"config": {"epochs": 1}}, False),
    ):
        storage.write_json(
            tmp_path / "evaluation.json", {"run": {**told, **change}}
        )
        assert repeats._is_of(tmp_path, tmp_path / "run") is same
