import time

import numpy as np
import pandas as pd
import pytest

from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.evaluation import table_metrics as tm
from umsrep.metrics import classification
from umsrep.tasks.columns import weighted_median

# Class names that a careless reader takes for missing values.
FINDING = TaskSpec("finding", "label", ("None", "NA"))
LUNG = TaskSpec("lung", "mask")


def table(images=40, unlabelled=4, seed=0):
    rng = np.random.default_rng([seed])
    true = rng.integers(2, size=images)
    positive = np.clip(0.3 + 0.4 * true + rng.normal(0, 0.25, images), 0, 1)
    dice = rng.uniform(0.7, 1, images)
    frame = pd.DataFrame(
        {
            "image": [f"images/{n:03}.png" for n in range(images)],
            "patient": [f"{n // 2:03}" for n in range(images)],
            "split": "test",
            "finding_true": np.array(FINDING.classes)[true],
            "finding_pred": np.array(FINDING.classes)[
                (positive >= 0.4).astype(int)
            ],
            "finding_p_None": 1 - positive,
            "finding_p_NA": positive,
            "lung_dice": dice,
            "lung_iou": dice / (2 - dice),
            "lung_dice_mean": dice,
            "lung_iou_mean": dice,
            "lung_accuracy": dice,
            "lung_hausdorff95": 50 * (1 - dice),
        }
    )
    frame.loc[: unlabelled - 1, "finding_true"] = np.nan
    masks = [column for column in frame if column.startswith("lung")]
    frame.loc[images - unlabelled :, masks] = np.nan
    return frame


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "predictions.csv"
    table().to_csv(path, index=False)
    return path


def test_a_written_table_reads_the_same(written):
    read = tm.read_predictions(written)
    assert read["patient"][0] == "000"
    assert set(read["finding_true"].dropna()) == {"None", "NA"}
    for task in (FINDING, LUNG):
        assert tm.task_metrics(read, task) == pytest.approx(
            tm.task_metrics(table(), task)
        )


def test_label_metrics_follow_the_stored_decision():
    frame = table()
    known = frame[frame["finding_true"].notna()]
    true = (known["finding_true"] == "NA").to_numpy(int)
    predicted = (known["finding_p_NA"] >= 0.4).to_numpy(int)
    metrics = tm.task_metrics(frame, FINDING)
    assert metrics["accuracy"] == (true == predicted).mean()
    assert metrics["f_score"] == classification.f_score(true, predicted)
    assert metrics["sensitivity"] == predicted[true == 1].mean()
    # The threshold was not 0.5, so the likeliest class decides otherwise.
    likeliest = (known["finding_p_NA"] >= 0.5).to_numpy(int)
    assert metrics["accuracy"] != (true == likeliest).mean()


def test_mask_metrics_are_means_over_labelled_images():
    frame = table()
    dice = frame["lung_dice"].dropna()
    metrics = tm.task_metrics(frame, LUNG)
    assert metrics["dice"] == pytest.approx(dice.mean())
    assert metrics["dice_median"] == dice.median()
    assert metrics["dice_min"] == dice.min()
    assert metrics["hausdorff95"] == pytest.approx(50 * (1 - dice.mean()))
    assert "f_score" not in metrics


def test_every_metric_comes_with_its_interval():
    result = tm.all_metrics(table(), [FINDING, LUNG], bootstrap=300)
    for task in (FINDING, LUNG):
        entry = result[task.name]
        assert entry["images"] == 36
        assert entry["patients"] == 18
        for name in tm.task_metrics(table(), task):
            ends = entry[f"{name}_ci95"]
            if name == "dice_min":
                assert ends is None
            elif name != "expected_calibration_error":  # biased by resampling
                assert ends[0] <= entry[name] <= ends[1], name
                assert ends[0] < ends[1] or entry[name] == 1


def test_no_bootstrap_no_intervals():
    entry = tm.all_metrics(table(), [LUNG], bootstrap=0)["lung"]
    assert not [name for name in entry if name.endswith("_ci95")]


def test_bootstrap_is_repeatable_and_the_seed_matters():
    first, same, other = (
        tm.all_metrics(table(), [FINDING], 200, seed) for seed in (1, 1, 2)
    )
    assert first == same != other


def test_every_interval_is_said_to_be_made_how_and_on_what():
    frame = table(unlabelled=0)
    frame["finding_true"] = ["NA"] + ["None"] * 39
    entry = tm.all_metrics(frame, [FINDING], 400)["finding"]
    assert entry["auc_ci95"][0] < entry["auc"] <= entry["auc_ci95"][1]
    told = entry["intervals"]
    assert told["notes"]["auc"] == "1 patient of a class"
    assert told["notes"]["sensitivity"] == "1 patient"
    assert told["notes"]["accuracy"] == "20 patients"
    assert told["methods"]["accuracy"].startswith("Wilson")
    # Its plug-in value is biased, and every resample's more.
    assert entry["expected_calibration_error_ci95"] is None
    listed = {name for name in entry if f"{name}_ci95" in entry}
    assert set(told["methods"]) <= listed


def test_one_class_only_gives_nan():
    frame = table()
    frame["finding_true"] = "NA"
    entry = tm.all_metrics(frame, [FINDING], 50)["finding"]
    assert np.isnan(entry["auc"])
    assert np.isnan(entry["auc_ci95"]).all()
    assert entry["intervals"]["notes"]["auc"] == "one class only"


@pytest.mark.parametrize("empty", [np.nan, "", None])
def test_a_task_without_references_has_no_metrics(empty):
    frame = table().astype(object)
    frame["finding_true"] = empty
    frame["lung_dice"] = empty
    assert tm.all_metrics(frame, [FINDING, LUNG], 50) == {
        "finding": {"images": 0, "patients": 0},
        "lung": {"images": 0, "patients": 0},
    }


def test_an_image_without_a_patient_is_its_own():
    frame = table().astype(object)
    frame.loc[:3, "patient"] = ["", np.nan, None, "002"]
    assert len(set(tm.patients_of(frame))) == 20 + 1
    frame = frame.drop(columns="patient")
    assert len(set(tm.patients_of(frame))) == 40


def test_weighted_median_repeats_values():
    rng = np.random.default_rng([0])
    values = rng.normal(size=9)
    weights = rng.integers(0, 4, (50, 9)).astype(float)
    expected = [
        np.median(np.repeat(values, counts.astype(int))) for counts in weights
    ]
    np.testing.assert_allclose(weighted_median(values, weights), expected)


def test_a_thousand_resamples_take_seconds():
    frame = table(600)
    begin = time.perf_counter()
    tm.all_metrics(frame, [FINDING], bootstrap=1000)
    assert time.perf_counter() - begin < 10


@pytest.mark.parametrize(
    ("change", "task", "advice"),
    [
        ({"finding_true": "sick"}, FINDING, "Expected one of None, NA"),
        ({"finding_pred": np.nan}, FINDING, "Evaluate again"),
        ({"finding_p_NA": "high"}, FINDING, "a finite number.*evaluate again"),
        ({"lung_iou": np.inf}, LUNG, "Look at that image"),
    ],
)
def test_bad_cells(change, task, advice):
    frame = table(unlabelled=0).astype(object)
    for column, value in change.items():
        frame.loc[3, column] = value
    with pytest.raises(UmsrepError, match=advice) as caught:
        tm.task_metrics(frame, task)
    assert "images/003.png" in str(caught.value)


def test_missing_columns():
    with pytest.raises(UmsrepError, match="Evaluate the run again"):
        tm.task_metrics(table(), TaskSpec("heart", "mask"))
    with pytest.raises(UmsrepError, match="no column 'lung_iou'"):
        tm.task_metrics(table().drop(columns="lung_iou"), LUNG)


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"", "not a readable table"),
        (b"\xff\xfe\x00", "not a readable table"),
        (b"a,b\n1,2,3\n4\n", "'umsrep evaluate'"),
        (b"patient\n1\n", "no column 'image'"),
        (b"image\na.png\na.png\n", "more than one row for image 'a.png'"),
        (None, "does not exist"),
    ],
)
def test_broken_files(tmp_path, content, advice):
    path = tmp_path / "predictions.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UmsrepError, match=advice) as caught:
        tm.read_predictions(path)
    assert str(path) in str(caught.value)


def test_what_says_nothing_is_remarked():
    frame = table(unlabelled=0)
    frame["finding_pred"] = "NA"
    told = tm.all_metrics(frame, [FINDING], 0)["finding"]["remarks"]
    assert "Every image is called NA." in told
    assert any("no better than calling every image" in t for t in told)
    frame[["finding_p_None", "finding_p_NA"]] = 0.5
    told = tm.all_metrics(frame, [FINDING], 0)["finding"]["remarks"]
    assert "the same for every image" in told[0]


def test_masks_that_meet_nothing_are_remarked():
    frame = table()
    assert tm.all_metrics(frame, [LUNG], 0)["lung"]["remarks"] == []
    frame[["lung_dice", "lung_iou"]] = 0.0
    (told,) = tm.all_metrics(frame, [LUNG], 0)["lung"]["remarks"]
    assert "learnt nothing" in told


def test_calibration_error_has_what_true_probabilities_would_show():
    rng = np.random.default_rng(0)
    frame = table(200, unlabelled=0)
    positive = rng.random(200)
    frame["finding_p_NA"], frame["finding_p_None"] = positive, 1 - positive
    order = list(FINDING.classes)
    drawn = (rng.random(200) < frame[f"finding_p_{order[1]}"]).to_numpy()
    frame["finding_true"] = np.where(drawn, order[1], order[0])
    entry = tm.all_metrics(frame, [FINDING], 300)["finding"]
    name = "expected_calibration_error"
    low, high = entry[f"{name}_if_calibrated_ci95"]
    assert 0 < low < entry[f"{name}_if_calibrated"] < high
    assert low < entry[name] < high
    frame["finding_true"] = np.where(drawn, order[0], order[1])
    entry = tm.all_metrics(frame, [FINDING], 300)["finding"]
    assert entry[name] > entry[f"{name}_if_calibrated_ci95"][1]
