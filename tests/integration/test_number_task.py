"""A number per image, from a table of the user's own to a report."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from number_folder import CONFIG, SETTINGS, write_folder
from typer.testing import CliRunner

from umsrep import data, runs
from umsrep.cli.main import app
from umsrep.evaluation import comparison, summary, table_metrics
from umsrep.evaluation.folder import read_evaluation
from umsrep.export import export_run
from umsrep.inference import open as open_predictor
from umsrep.inference.predict_files import predict_files
from umsrep.report.page import write_report
from umsrep.stages import FinetuneSettings, finetune
from umsrep.stages.evaluation import evaluate_run


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("own") / "clinic")


def command(*words):
    return CliRunner().invoke(
        app, [str(word) for word in words], env={"COLUMNS": "200"}
    )


@pytest.fixture(scope="module")
def prepared(source):
    out = source.parent / "prepared"
    done = command(
        *("prepare", "folder", source, out, "--size", 32),
        *("--config", source / "tasks.yaml"),
    )
    assert done.exit_code == 0, done.output
    assert "Task age: 59 with a number (" in done.output
    assert "years, median" in done.output
    return out


@pytest.fixture(scope="module")
def evaluated(prepared):
    """Evaluation folders by strategy."""
    folders = {}
    for strategy in ("joint", "separate"):
        run = prepared.parent / f"run-{strategy}"
        settings = FinetuneSettings(strategy=strategy, **SETTINGS)
        finetune(prepared, None, run, settings=settings, progress=False)
        folders[strategy] = prepared.parent / f"evaluation-{strategy}"
        evaluate_run(run, prepared, folders[strategy], bootstrap=200)
    return folders


def test_the_prepared_set_says_the_unit_and_is_whole(prepared):
    spec = data.load(prepared).task("age")
    assert (spec.kind, spec.unit, spec.limits) == ("number", "years", (0, 120))
    done = command("verify", prepared)
    assert done.exit_code == 0, done.output


def test_every_side_of_a_split_has_the_whole_range(prepared):
    whole = data.load(prepared)
    median = np.nanmedian(whole.values("age"))
    for side in whole.split(fractions=(0.6, 0.2, 0.2), seed=0):
        known = side.values("age")[np.isfinite(side.values("age"))]
        assert known.min() < median < known.max()


def test_metrics_are_those_of_the_table_with_intervals(evaluated):
    folder = evaluated["joint"]
    table = table_metrics.read_predictions(folder / "predictions.csv")
    error = (
        table["age_pred"].astype(float) - table["age_true"].astype(float)
    ).dropna()
    entry = json.loads((folder / "metrics.json").read_text())["age"]
    assert entry["mae"] == pytest.approx(error.abs().mean(), rel=1e-6)
    assert entry["rmse"] == pytest.approx((error**2).mean() ** 0.5, rel=1e-6)
    assert entry["bias"] == pytest.approx(error.mean(), rel=1e-5)
    low, high = entry["mae_ci95"]
    assert low < entry["mae"] < high
    # It has learnt the ages, in years.
    assert entry["r2"] > 0.5
    assert entry["mae"] < 12


def test_the_head_predicts_in_years_after_loading(prepared, evaluated):
    run = runs.Run(prepared.parent / "run-joint")
    head = run.model().head("age")
    train = set(run.split().query("split == 'train'")["image"])
    whole = data.load(prepared)
    values = whole.values("age")[whole.table["image"].isin(train)]
    values = values[np.isfinite(values)]
    assert float(head.centre) == pytest.approx(values.mean(), rel=1e-5)
    assert head.loss.scale == pytest.approx(values.std(), rel=1e-5)


def test_two_strategies_are_compared(evaluated):
    a, b = (read_evaluation(evaluated[name]) for name in evaluated)
    tests = comparison.compare(
        a.predictions, b.predictions, comparison.common_tasks(a, b)
    )
    (test,) = [t for t in tests if t.task == "age"]
    assert test.test == "Wilcoxon signed-rank"
    assert test.metric == "mean absolute error"
    assert test.a == pytest.approx(a.metrics["age"]["mae"], rel=1e-6)
    smaller = "a" if test.a < test.b else "b"
    assert getattr(test, f"{smaller}_better") >= test.images / 3


def test_the_report_has_a_section_and_the_least_error_in_bold(
    evaluated, tmp_path
):
    page = write_report(list(evaluated.values()), tmp_path / "r.html")
    text = page.read_text()
    assert "number in years" in text
    assert 'alt="Predicted over true values of age"' in text
    assert "lowest MAE" in text
    frame = summary.summary_table(list(evaluated.values()))
    ages = frame[frame["task"] == "age"]["mae"]
    assert f'class="best">{ages.min():.3f}' in text
    assert f'class="best">{ages.max():.3f}' not in text


@pytest.mark.parametrize("strategy", ["independent", "alternating"])
def test_other_strategies_learn_a_number_too(prepared, strategy, tmp_path):
    few = SETTINGS | {"epochs": 1}
    settings = FinetuneSettings(strategy=strategy, **few)
    metrics = finetune(
        prepared, None, tmp_path / "run", settings=settings, progress=False
    )
    assert {"mae", "rmse", "r2", "bias"} <= set(metrics["age"])


def test_image_files_are_predicted(source, prepared, evaluated, tmp_path):
    run = prepared.parent / "run-joint"
    predict_files(run, [source / "images"], tmp_path / "out", progress=False)
    table = pd.read_csv(tmp_path / "out" / "predictions.csv").set_index("name")
    shown = read_evaluation(evaluated["joint"]).predictions
    for image, wanted in zip(shown["image"], shown["age_pred"], strict=True):
        name = image.removeprefix("images/").removesuffix(".png")
        found = table.loc[name, "age_pred"]
        assert found == pytest.approx(float(wanted), abs=0.01)


def test_an_exported_file_predicts_in_years(prepared, tmp_path):
    run, file = prepared.parent / "run-joint", tmp_path / "age.keras"
    export_run(run, file, "keras", tasks=["age"], progress=False)
    assert (
        "a number per image, in years"
        in (tmp_path / "age.keras.md").read_text()
    )
    exported = open_predictor(file)
    assert exported.specs["age"].unit == "years"
    images = list(data.load(prepared).images[:3, ..., 0])
    found = exported(images)["age"]
    assert found.shape == (3,)
    np.testing.assert_allclose(
        found, open_predictor(run)(images)["age"], rtol=1e-4
    )


@pytest.mark.parametrize(
    ("cell", "advice"),
    [
        ("61,5", "line 4 has the value '61,5'.*decimal point"),
        ("inf", "line 4 has the value 'inf'.*a number"),
        ("1e999", "line 4 has the value '1e999'.*from 0 to 120"),
        ("old", "line 4 has the value 'old'.*or nothing where unknown"),
        ("450", "line 4 has the value '450'.*from 0 to 120"),
    ],
)
def test_what_is_no_number_is_named_with_file_and_row(
    source, tmp_path, cell, advice
):
    table = pd.read_csv(source / "labels.csv", dtype=str)
    table.loc[2, "years"] = cell
    table.to_csv(source / "bad.csv", index=False)
    config = tmp_path / "tasks.yaml"
    config.write_text("table: bad.csv\n" + CONFIG)
    done = command(
        *("prepare", "folder", source, tmp_path / "out"), "--config", config
    )
    assert done.exit_code != 0
    said = " ".join(str(done.exception or done.output).split())
    assert "bad.csv" in said
    assert re.search(advice, said), said
    assert not (tmp_path / "out").exists()
