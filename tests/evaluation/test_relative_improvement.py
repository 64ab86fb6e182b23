"""Delta m: by hand, directions, baselines, intervals."""

import numpy as np
import pandas as pd
import pytest
from small_folders import CLASSES, predictions

from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.evaluation import relative_improvement, task_metrics
from umsrep.evaluation.relative_improvement import headline

LUNG = TaskSpec("lung", "mask")
FINDING = TaskSpec("finding", "label", CLASSES)
AGE = TaskSpec("age", "number", unit="years")
BOTH = [LUNG, FINDING]
PAIR = [LUNG, AGE]


def masks_and_ages(dice, errors, patients=None):
    count = len(dice)
    return pd.DataFrame(
        {
            "image": [f"{n}.png" for n in range(count)],
            "patient": patients or [str(n) for n in range(count)],
            "lung_dice": dice,
            "lung_iou": dice,
            "age_true": 50.0,
            "age_pred": 50.0 + np.asarray(errors),
            "age_absolute_error": np.abs(errors),
        }
    )


def test_by_hand_with_the_direction_of_each_metric():
    ours = masks_and_ages([0.9] * 4, [3.0] * 4)
    base = masks_and_ages([0.8] * 4, [4.0] * 4)
    found = relative_improvement(ours, base, PAIR, resamples=0)
    dice, age = found.tasks
    assert (dice.metric, age.metric) == ("dice", headline(AGE))
    assert dice.percent == pytest.approx(12.5)
    # Lower errors are better.
    assert age.percent == pytest.approx(25)
    assert found.percent == pytest.approx((12.5 + 25) / 2)
    assert np.isnan(found.ci95).all()


def test_nothing_over_itself_and_labels_by_their_ranking():
    table = predictions(24, 1.0)
    same = relative_improvement(table, table, BOTH)
    assert same.percent == 0
    assert same.ci95 == (0, 0)
    assert [part.metric for part in same.tasks] == ["dice", "auc"]
    assert same.tasks[1].value == task_metrics(table, FINDING)["auc"]
    assert (same.images, same.patients) == (24, 12)
    assert same.note == "12 patients"


def test_the_interval_is_of_patients_and_paired():
    ours, base = predictions(80, 1.2, seed=1), predictions(80, 0.8, seed=1)
    found = relative_improvement(ours, base, BOTH)
    low, high = found.ci95
    assert low < found.percent < high
    # Other images of other draws differ by more than the same ones.
    apart = predictions(80, 0.8, seed=2).assign(
        finding_true=ours["finding_true"]
    )
    unpaired = relative_improvement(ours, apart, BOTH).ci95
    assert high - low < unpaired[1] - unpaired[0]


def test_images_of_a_patient_tell_less():
    rng = np.random.default_rng(4)
    gain = np.repeat(rng.normal(0.05, 0.05, 12), 10)
    apart = [str(n) for n in range(120)]
    together = [str(n // 10) for n in range(120)]
    widths = []
    for people in (apart, together):
        ours = masks_and_ages(0.7 + gain, 4 - 20 * gain, people)
        base = masks_and_ages([0.7] * 120, [4.0] * 120, people)
        widths.append(np.ptp(relative_improvement(ours, base, PAIR).ci95))
    # With equal images, as if there were a tenth of them.
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(10), rel=0.25)


def test_coverage_of_a_known_improvement():
    """The interval holds the truth about as often as it says."""
    rng = np.random.default_rng(0)
    held, repetitions = 0, 120
    for _ in range(repetitions):
        base = masks_and_ages(
            np.clip(rng.normal(0.8, 0.05, 60), 0, 1), rng.gamma(4, 1, 60)
        )
        ours = masks_and_ages(
            np.clip(base["lung_dice"] + rng.normal(0.04, 0.03, 60), 0, 1),
            base["age_absolute_error"] * rng.uniform(0.7, 1.1, 60),
        )
        low, high = relative_improvement(ours, base, PAIR, resamples=300).ci95
        held += low <= (100 * 0.04 / 0.8 + 10) / 2 <= high
    # Two standard errors of a share of 0.95 are 0.04; Dice is clipped at 1.
    assert held / repetitions > 0.87


def test_repeats_are_paired_by_number_and_averaged():
    ours = [masks_and_ages([d] * 4, [2.0] * 4) for d in (0.8, 0.9)]
    base = [masks_and_ages([d] * 4, [2.0] * 4) for d in (0.5, 0.6)]
    # Rows in another order are the same images.
    base[1] = base[1].iloc[::-1]
    found = relative_improvement(ours, base, PAIR, resamples=0)
    assert found.tasks[0].percent == pytest.approx((60 + 50) / 2)
    assert found.percent == pytest.approx(27.5)


def test_tasks_may_have_other_images():
    ours, base = (predictions(40, skill, seed=3) for skill in (1.2, 0.9))
    for table in (ours, base):
        table.loc[:19, ["lung_dice", "lung_iou", "lung_accuracy"]] = np.nan
        table.loc[30:, "finding_true"] = np.nan
    found = relative_improvement(ours, base, BOTH)
    assert found.images == 40
    assert np.isfinite([found.percent, *found.ci95]).all()


@pytest.mark.parametrize("value", [0.0, -0.2])
def test_a_baseline_that_is_not_above_0_gives_none(value):
    ours = masks_and_ages([0.9] * 4, [3.0] * 4)
    base = masks_and_ages([value] * 4, [4.0] * 4)
    found = relative_improvement(ours, base, PAIR)
    assert np.isnan([found.percent, *found.ci95]).all()
    (remark,) = found.remarks
    assert "lung: the baseline's Dice" in remark
    assert "needs one above 0" in remark
    assert found.tasks[1].percent == pytest.approx(25)


def test_fewer_than_two_tasks():
    table = predictions(8)
    with pytest.raises(UmsrepError, match="share several tasks"):
        relative_improvement(table, table, [LUNG])
    with pytest.raises(UmsrepError, match="share several tasks"):
        relative_improvement(
            table.assign(finding_true=np.nan),
            table.assign(finding_true=np.nan),
            BOTH,
        )


def test_other_images():
    table = predictions(8)
    with pytest.raises(UmsrepError, match="same data and split"):
        relative_improvement(table, table.iloc[:5], BOTH)
