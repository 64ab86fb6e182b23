from pathlib import Path

import pytest
from small_folders import predictions

from umsrep.data.prepared import TaskSpec
from umsrep.evaluation.folder import Evaluation
from umsrep.experiments import curve_statistics
from umsrep.experiments.curve_results import differences

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
