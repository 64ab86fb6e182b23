"""What a reviewer asks beside the metrics is on the page."""

import json
import re

import pandas as pd
import pytest

from umsrep import data
from umsrep.report import page as report

COHORT = [
    {
        "side": "train",
        "images": 31,
        "patients": 20,
        "task": "finding",
        "labelled": 29,
        "labelled_patients": 19,
        "missing": 2,
        "what": "29 labelled (15 normal, 14 abnormal); positive: abnormal",
    }
]


def text(*folders):
    page = re.sub(
        r"(?s)<style>.*?</style>|<[^>]*>", " ", report.render(folders)
    )
    return re.sub(r"\s+", " ", page)


def test_cohort_counts_patients_images_and_missing_labels(prepared_folder):
    whole = data.load(prepared_folder)
    train, validation, test = whole.split(fractions=(0.6, 0.2, 0.2), seed=0)
    table = data.cohort({"train": train, "test": test, "val": validation})
    assert len(table) == 3 * 2
    level = table[table["task"] == "level"]
    assert level["images"].sum() == len(whole)
    assert level["patients"].sum() == whole.table["patient"].nunique()
    assert (level["labelled"] + level["missing"] == level["images"]).all()
    # Every tenth lacks its label.
    assert level["missing"].sum() == len(whole) // 10
    row = level.iloc[0]
    classes = train.table["level"].value_counts()
    for name in ("low", "high"):
        assert f"{classes[name]} {name}" in row["what"]


def test_exclusions_account_for_every_file():
    header = {
        "skipped": [{"file": f"{n}.png", "reason": "too dark"} for n in "abc"]
        + [{"file": "d.png", "reason": "no patient"}],
        "counts": {"images": 40},
    }
    steps = data.exclusions(header, left_out=6)
    assert steps[0] == ["source files", 44]
    assert ["skipped: too dark", -3] in steps
    assert steps[-1] == ["images used", 34]
    total = 0
    for what, count in steps:
        if what in ("prepared images", "images used"):
            assert total == count
        else:
            total += count


def test_cohort_and_exclusions_are_shown_once(write_evaluation):
    info = {"cohort": COHORT, "exclusions": [["source files", 40]]}
    folders = []
    for name in ("joint", "separate"):
        folder = write_evaluation(name)
        header = json.loads((folder / "evaluation.json").read_text())
        header["run"] |= info
        (folder / "evaluation.json").write_text(json.dumps(header))
        folders.append(folder)
    page = text(*folders)
    assert page.count("15 normal, 14 abnormal") == 1
    assert "joint, separate" in page
    assert "source files: 40" in page


def test_decisions_show_matrix_threshold_and_calibration(write_evaluation):
    folder = write_evaluation(
        calibration={
            "finding": {
                "temperature": 20.0,
                "threshold": 0.431,
                "temperature_at_bound": True,
            }
        }
    )
    table = pd.read_csv(folder / "predictions.csv")
    page = text(folder)
    positive = table[table["finding_true"] == "abnormal"]
    hits = (positive["finding_pred"] == "abnormal").sum()
    assert f" {len(positive) - hits} {hits} 0.50" in page
    assert "abnormal from a probability of 0.431 on" in page
    assert "at its bound" in page
    assert "if calibrated" in page


def test_what_limits_an_interval_is_said(write_evaluation):
    assert "Little to rest on: 12 patients" in text(write_evaluation())


def test_constant_predictions_are_a_warning(write_evaluation):
    folder = write_evaluation()
    file = folder / "metrics.json"
    metrics = json.loads(file.read_text())
    metrics["finding"]["remarks"] = ["Every image is called normal."]
    file.write_text(json.dumps(metrics))
    assert "joint. Every image is called normal." in text(folder)


@pytest.mark.parametrize("setting", ["seed", "epochs", "batch_size"])
def test_unequal_budgets_are_a_warning(write_evaluation, setting):
    folders = [write_evaluation(name) for name in ("joint", "separate")]
    assert "Not on equal terms" not in text(*folders)
    for value, folder in enumerate(folders):
        file = folder / "evaluation.json"
        header = json.loads(file.read_text())
        header["run"]["config"][setting] = value
        file.write_text(json.dumps(header))
    page = text(*folders)
    assert "Not on equal terms" in page
    assert f"{setting} (joint: 0, separate: 1)" in page


def test_a_denoiser_that_makes_images_worse_is_said_in_red(write_run):
    run = write_run()
    assert "Do not denoise" not in text(run)
    file = run / "metrics.json"
    metrics = json.loads(file.read_text())
    metrics["denoised"]["poisson"]["ssim"] = 0.2
    file.write_text(json.dumps(metrics))
    page = report.render([run])
    assert re.search(r'<p class="bad">Worse[^<]*: Poisson\.', page)
    assert page.count('<tr class="bad">') == 1


def test_colours_have_a_legend(write_evaluation):
    page = text(write_evaluation())
    assert "Blue: reference. Orange: predicted." in page
    assert "From blue (least) to red" in page


def test_the_images_that_failed_are_named(write_evaluation):
    folder = write_evaluation()
    table = pd.read_csv(folder / "predictions.csv")
    worst = table.loc[table["lung_dice"].idxmin()]
    assert f"Dice: {worst['image']} ({worst['lung_dice']:.3f})" in text(folder)


@pytest.mark.parametrize(
    ("steps", "labels", "equal"),
    [
        ((140, 140), (372, 980), True),
        ((140, 24), (372, 372), True),
        ((140, 24), (372, 192), False),
    ],
)
def test_a_budget_is_equal_in_steps_or_in_labelled_images(
    write_evaluation, steps, labels, equal
):
    folders = []
    for name, step, label in zip(
        ("joint", "separate"), steps, labels, strict=True
    ):
        folder = write_evaluation(name)
        file = folder / "evaluation.json"
        header = json.loads(file.read_text())
        header["run"]["steps_by_task"] = {"lung": step}
        header["run"]["labels_by_task"] = {"lung": label}
        file.write_text(json.dumps(header))
        folders.append(folder)
    page = text(*folders)
    assert ("steps with labels of lung (joint: 140, separate: 24)" in page) == (
        not equal
    )
