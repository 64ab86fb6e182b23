"""Test-time augmentation in `evaluate` and `predict`."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from umsrep import data, inference
from umsrep.cli.main import app
from umsrep.data import TestTimeAugmentation
from umsrep.errors import UmsrepError
from umsrep.evaluation import predict
from umsrep.runs import Run


def test_evaluate_records_it_and_its_means(scenes, joint_run, tmp_path):
    result = CliRunner().invoke(
        app,
        [
            *("evaluate", str(joint_run), "--data", str(scenes[1])),
            *("--out", str(tmp_path / "e"), "--tta", "3", "--bootstrap", "0"),
        ],
    )
    assert result.exit_code == 0, result.output
    info = json.loads((tmp_path / "e" / "evaluation.json").read_text())
    tta = TestTimeAugmentation(3)
    recorded = info["test_time_augmentation"]
    assert recorded["copies"] == 3
    assert recorded["drawn"][2]["gamma"] == tta.drawn[2]["gamma"]

    run = Run(joint_run)
    whole = data.load(scenes[1])
    found = predict.probabilities(run.model(), whole, tta=tta)
    one = predict.probabilities(run.model(), whole)
    images = np.stack([whole.image(i) for i in range(len(whole))])
    by_hand = np.mean(
        [
            run.model().predict_on_batch(
                tta.apply(images[..., None].astype(np.float32), number)
            )["level"]
            for number in range(3)
        ],
        axis=0,
    )
    np.testing.assert_allclose(found["level"], by_hand, atol=1e-5)
    assert np.abs(found["level"] - one["level"]).max() > 1e-5
    assert found["blob"].dtype == one["blob"].dtype == np.float16
    np.testing.assert_allclose(found["gaze"].sum(axis=(1, 2)), 1, rtol=1e-4)


def test_predict_and_python_agree(scenes, joint_run, tmp_path):
    file = scenes[0] / "04.png"
    result = CliRunner().invoke(
        app,
        [
            *("predict", str(joint_run), str(file), "--tta", "4"),
            *("--out", str(tmp_path / "p")),
        ],
    )
    assert result.exit_code == 0, result.output
    image = cv2.imread(str(file), 0)
    predictor = inference.open(joint_run, tta=4)
    found = predictor([image])["level"][0]
    table = pd.read_csv(tmp_path / "p" / "predictions.csv")
    np.testing.assert_allclose(table["level_p_high"][0], found[1], atol=1e-4)
    # A mask of the file's own shape, nearly that of the image as it is.
    mask = predictor([image])["blob"][0]
    alone = inference.open(joint_run)([image])["blob"][0]
    assert mask.shape == image.shape
    assert np.abs(mask - alone).max() > 1e-3
    assert ((mask > 0.5) != (alone > 0.5)).mean() < 0.1


def test_an_exported_file_has_none(tmp_path):
    file = tmp_path / "model.onnx"
    file.write_bytes(b"")
    with pytest.raises(UmsrepError, match="Pass the run folder"):
        inference.open(file, tta=2)
