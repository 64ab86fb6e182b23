"""Folds: every patient held out once, and all folds together one run."""

import json
from dataclasses import replace

import cv2
import keras
import numpy as np
import pandas as pd
import pytest
from interruptions import interrupted
from small_runs import IMAGES, SETTINGS, scenes  # noqa: F401

from umsrep import data, runs
from umsrep.errors import UmsrepError
from umsrep.evaluation import table_metrics
from umsrep.evaluation.shift_table import shift_table
from umsrep.evaluation.subject import Subject
from umsrep.export.serving import Source, serving_model
from umsrep.inference.run_predictor import RunPredictor
from umsrep.stages import evaluate_run, finetune

FOLDS = 3
TASKS = ["blob", "level"]
FOLDED = replace(SETTINGS, folds=FOLDS, epochs=6)


@pytest.fixture(scope="module")
def folded(scenes, tmp_path_factory):  # noqa: F811
    """The run of three folds."""
    out = tmp_path_factory.mktemp("folds") / "run"
    finetune(scenes[1], TASKS, out, settings=FOLDED, progress=False)
    return out


@pytest.fixture(scope="module")
def evaluated(folded, scenes, tmp_path_factory):  # noqa: F811
    """Its evaluation on the data set that the folds divide."""
    out = tmp_path_factory.mktemp("folds") / "evaluation"
    evaluate_run(folded, scenes[1], out, bootstrap=50)
    return out


def member(folded, fold):
    return runs.Run(folded / f"fold-{fold}")


def test_every_patient_is_predicted_by_the_fold_that_held_it_out(
    folded,
    evaluated,
    scenes,  # noqa: F811
):
    table = table_metrics.read_predictions(evaluated / "predictions.csv")
    assert len(table) == IMAGES
    whole = data.load(scenes[1])
    seen = []
    for fold in range(1, FOLDS + 1):
        split = member(folded, fold).split().set_index("image")["split"]
        held = split[split == "test"].index
        alone = Subject(folded / f"fold-{fold}", whole)
        assert set(alone.dataset.table["image"]) == set(held)
        own = alone.outputs()["level"]
        calibrated, _ = alone.calibrations["level"].apply(own)
        rows = table.set_index("image").loc[alone.dataset.table["image"]]
        found = rows["level_p_high"].astype(float).to_numpy()
        np.testing.assert_allclose(found, calibrated[:, 1], atol=1e-6)
        seen += list(held)
    assert sorted(seen) == sorted(table["image"])


def test_metrics_are_of_all_held_out_patients_and_their_spread_beside(
    evaluated,
):
    metrics = json.loads((evaluated / "metrics.json").read_text())
    table = table_metrics.read_predictions(evaluated / "predictions.csv")
    right = (table["level_true"] == table["level_pred"]).mean()
    assert metrics["level"]["accuracy"] == pytest.approx(right)
    assert "accuracy_ci95" in metrics["level"]
    spread = json.loads((evaluated / "folds.json").read_text())
    values = spread["level"]["accuracy"]["values"]
    assert len(values) == FOLDS
    assert spread["level"]["accuracy"]["sd"] == pytest.approx(
        np.std(values, ddof=1)
    )
    dice = spread["blob"]["dice"]["values"]
    assert min(dice) <= metrics["blob"]["dice"] <= max(dice)


def test_the_run_of_all_folds_predicts_their_mean(folded, scenes):  # noqa: F811
    images = data.load(scenes[1]).images[:5].astype(np.float32)
    model = runs.Run(folded).model()
    found = model.predict_on_batch(images)
    levels, masks = [], []
    for fold in range(1, FOLDS + 1):
        run = member(folded, fold)
        outputs = run.model().predict_on_batch(images)
        levels.append(run.calibrations["level"].apply(outputs["level"])[0])
        masks.append(outputs["blob"])
    np.testing.assert_allclose(found["level"], np.mean(levels, 0), atol=1e-5)
    np.testing.assert_allclose(found["blob"], np.mean(masks, 0), atol=1e-5)
    # It differs from each of them.
    assert np.abs(found["level"] - levels[0]).max() > 1e-4


def test_the_run_of_all_folds_is_taken_as_any_other(folded, scenes):  # noqa: F811
    predictor = RunPredictor(folded)
    images = list(data.load(scenes[1]).images[:3, ..., 0])
    assert set(predictor(images)) == set(TASKS)
    heats = predictor.explain(images, "level")
    assert all(0 <= heat.min() and heat.max() <= 1 for heat in heats)
    split = runs.Run(folded).split()
    assert set(split["split"]) == {"train"}
    with pytest.raises(UmsrepError, match="Leave --split out"):
        Subject(folded, scenes[1], "validation")


def test_settings_are_chosen_in_one_fold(folded, scenes):  # noqa: F811
    """What one fold held out to test, another has learnt from."""
    with pytest.raises(
        UmsrepError, match=r"Pass the run of one, such as .*1\."
    ):
        shift_table(folded, scenes[1], progress=False)
    found = shift_table(folded / "fold-1", scenes[1], progress=False)
    assert {"none", "mean"} < set(found.index)


def test_another_data_set_is_predicted_by_the_ensemble(
    folded,
    scenes,  # noqa: F811
    tmp_path,
):
    whole = data.load(scenes[1])
    other = data.load(scenes[1])
    other.name = "elsewhere"
    # Not one image that the folds have learnt from.
    other.table["checksum"] = "none"
    subject = Subject(folded, other)
    assert len(subject.dataset) == len(whole)
    found = subject.outputs()["level"]
    expected = runs.Run(folded).model().predict(whole.images, verbose=0)
    np.testing.assert_allclose(found, expected["level"], atol=1e-5)


def test_an_interrupted_fold_goes_on(scenes, tmp_path, monkeypatch, folded):  # noqa: F811
    out = tmp_path / "run"
    with interrupted(monkeypatch, 8):
        finetune(scenes[1], TASKS, out, settings=FOLDED, progress=False)
    with pytest.raises(UmsrepError, match="folds, fold 2, 3 is missing"):
        runs.Run(out)
    with pytest.raises(UmsrepError, match="Pass --resume"):
        finetune(scenes[1], TASKS, out, settings=FOLDED, progress=False)
    finetune(
        scenes[1], TASKS, out, settings=FOLDED, resume=True, progress=False
    )
    images = data.load(scenes[1]).images[:4]
    found, expected = (
        runs.Run(path).model().predict_on_batch(images)["level"]
        for path in (out, folded)
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_folds_one_by_one_are_the_folds_in_turn(scenes, tmp_path, folded):  # noqa: F811
    out = tmp_path / "run"
    for fold in (2, 3, 1):
        settings = replace(FOLDED, fold=fold)
        finetune(scenes[1], TASKS, out, settings=settings, progress=False)
    assert runs.Run(out).folds == FOLDS
    for name in ("calibration.json", "metrics.json"):
        assert json.loads((out / name).read_text()) == json.loads(
            (folded / name).read_text()
        )


def test_separate_models_have_an_ensemble_each(scenes, tmp_path):  # noqa: F811
    out = tmp_path / "run"
    settings = replace(FOLDED, strategy="separate", folds=2, epochs=1)
    finetune(scenes[1], TASKS, out, settings=settings, progress=False)
    images = data.load(scenes[1]).images[:4]
    network = runs.network_of(runs.Run(out))
    for task in TASKS:
        found = network.view(task).predict_on_batch(images)[task]
        alone = member(out, 1).model(task).predict_on_batch(images)[task]
        assert np.shape(found) == np.shape(alone)
    evaluate_run(out, scenes[1], tmp_path / "evaluation", bootstrap=0)
    assert len(pd.read_csv(tmp_path / "evaluation" / "predictions.csv")) == (
        IMAGES
    )


def test_the_exported_graph_predicts_as_the_run(folded, scenes):  # noqa: F811
    source = Source(folded)
    images = [cv2.imread(str(f), 0) for f in sorted(scenes[0].glob("*"))[:3]]
    expected = RunPredictor(folded)(images)
    found = serving_model(source)(np.stack(images))
    for place, result in enumerate(expected["level"]):
        np.testing.assert_allclose(found["level"][place], result, atol=1e-4)
    for place, result in enumerate(expected["blob"]):
        np.testing.assert_allclose(found["blob"][place], result, atol=1e-2)


def test_an_ensemble_is_read_in_safe_mode_without_umsrep_named(folded):
    model = keras.saving.load_model(folded / "model.keras", safe_mode=True)
    assert model.tasks == tuple(TASKS)
    assert len(model.members) == FOLDS
    assert model.view("level").tasks == ("level",)
