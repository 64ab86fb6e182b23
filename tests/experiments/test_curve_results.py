from pathlib import Path

import pytest
from small_folders import CLASSES, predictions

from umsrep.data.prepared import TaskSpec
from umsrep.evaluation.folder import Evaluation
from umsrep.experiments import curve_statistics
from umsrep.experiments.curve_results import differences, relative

LUNG = TaskSpec("lung", "mask")


def evaluations(skill, repeats):
    return {
        repeat: Evaluation(
            Path(f"{skill}-{repeat}"),
            {},
            {},
            [LUNG],
            {"lung": {"images": 24}},
            predictions(24, skill, seed=repeat),
        )
        for repeat in repeats
    }


def points(ours, theirs):
    return {
        ("new", 8, "toy"): evaluations(0.9, ours),
        ("old", 8, "toy"): evaluations(0.6, theirs),
    }


@pytest.mark.parametrize(
    ("ours", "theirs"), [((0, 1), (1, 2)), ((1,), (0, 1, 2)), ((2, 1), (1, 0))]
)
def test_repeats_are_compared_by_number(ours, theirs):
    """Of an incomplete curve, only those that both have; never two others."""
    found = differences(points(ours, theirs), "old")
    alone = differences(points((1,), (1,)), "old")
    row, expected = found.iloc[0].to_dict(), alone.iloc[0].to_dict()
    assert row["repeats"] == 1
    assert row == expected
    # It matters which: another pair of repeats gives another difference.
    sides = evaluations(0.9, [0]), evaluations(0.6, [1])
    wrong = curve_statistics.difference(
        *([e.predictions for e in side.values()] for side in sides),
        LUNG,
        "dice",
    )
    assert wrong["difference"] != pytest.approx(row["difference"])


def test_no_repeat_in_common_is_no_difference():
    assert not len(differences(points((0,), (1, 2)), "old"))


def test_delta_m_is_of_all_tasks_and_common_repeats():
    both = points((0, 1, 2), (1, 2))
    assert not len(relative(both, "old"))  # One task has its own metric.
    for repeats in both.values():
        for evaluation in repeats.values():
            evaluation.tasks.append(TaskSpec("finding", "label", CLASSES))
            evaluation.metrics["finding"] = {"images": 24}
    (row,) = relative(both, "old").to_dict("records")
    assert (row["candidate"], row["patients"], row["repeats"]) == ("new", 8, 2)
    assert row["low"] < row["percent"] < row["high"]
    lung, finding = row["tasks"].split(", ")
    assert lung.startswith("lung dice +")
    assert finding.startswith("finding auc ")
    parts = [float(part.split()[-1]) for part in (lung, finding)]
    assert row["percent"] == pytest.approx(sum(parts) / 2, abs=0.06)
