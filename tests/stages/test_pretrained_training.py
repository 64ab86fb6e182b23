"""Pretrained weights from the command line to the model card."""

from dataclasses import fields

import numpy as np
import pytest
from tensors import array
from typer.testing import CliRunner

from umsrep import runs
from umsrep.cli.main import app
from umsrep.errors import UmsrepError
from umsrep.representations import KerasApplication, efficientnet_lite0
from umsrep.runs.former import LATER, comparable
from umsrep.stages.settings import FinetuneSettings

SIZE = (32, 32)
LITE0 = ("--architecture", "efficientnet_lite0", "--weights", "imagenet")
COMMON = (
    *("--epochs", 1, "--precision", "float32"),
    *("--fractions", 0.5, 0.25, 0.25),
)
lite = pytest.mark.skipif(
    efficientnet_lite0.installed_file() is None,
    reason="the extra 'lite' is not installed",
)


def call(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if isinstance(result.exception, UmsrepError):
        raise result.exception
    assert result.exit_code == 0, result.output


def kernels(representation):
    """{layer: kernel} of the encoder's convolutions."""
    return {
        layer.name: array(layer.weights[0])
        for layer in representation.part("encoder")
        if layer.name.endswith("conv")
    }


@pytest.fixture(scope="module")
def imagenet():
    return kernels(
        KerasApplication("efficientnet_lite0", (*SIZE, 1), weights="imagenet")
    )


@lite
@pytest.mark.usefixtures("float32")
def test_one_command_shares_a_frozen_encoder(
    prepared_folder, tmp_path, imagenet
):
    call(
        *("finetune", "--data", prepared_folder, *LITE0, *COMMON),
        *("--decoder-filters", 8, "--out", tmp_path / "run"),
    )
    run = runs.Run(tmp_path / "run")
    assert run.info["strategy"] == "independent"
    assert run.info["pretrained"]["licence"] == "Apache-2.0"
    model = run.model()
    for name, kernel in kernels(model.representation).items():
        np.testing.assert_array_equal(kernel, imagenet[name])
    read = {head.name: head.feature_names for head in model.heads}
    assert read["blob"] == ("stage4", "stage3", "stage2", "stage1")
    call(
        *("export", tmp_path / "run", "--format", "keras"),
        *("--out", tmp_path / "net.keras"),
    )
    card = (tmp_path / "net.keras.md").read_text()
    assert "Pretrained weights: efficientnet_lite0, imagenet" in card
    assert "Licence: Apache-2.0" in card


@lite
@pytest.mark.usefixtures("float32")
def test_a_construction_keeps_or_adapts_them(
    prepared_folder, tmp_path, imagenet
):
    given = ("pretrain", "--data", prepared_folder, *LITE0)
    call(*given, "--precision", "float32", "--out", tmp_path / "kept")
    kept = runs.Run(tmp_path / "kept")
    assert kept.objective == "none"
    for name, kernel in kernels(kept.model().representation).items():
        np.testing.assert_array_equal(kernel, imagenet[name])
    call(
        *(*given, "--objective", "restoration", *COMMON),
        *("--out", tmp_path / "adapted"),
    )
    adapted = runs.Run(tmp_path / "adapted")
    assert adapted.info["pretrained"] == kept.info["pretrained"]
    moved = kernels(adapted.model().representation)
    # One epoch moves every convolution, and leaves it what it was.
    for name, kernel in moved.items():
        assert 0 < np.abs(kernel - imagenet[name]).max()
        between = np.corrcoef(kernel.ravel(), imagenet[name].ravel())[0, 1]
        assert between > 0.9, name


def test_weights_of_a_network_that_has_none(prepared_folder, tmp_path):
    with pytest.raises(UmsrepError, match="Choose one of resnet50, .*lite0"):
        call(
            *("finetune", "--data", prepared_folder, "--weights", "imagenet"),
            *(*COMMON, "--out", tmp_path / "run"),
        )


def test_no_representation_and_no_weights(prepared_folder, tmp_path):
    with pytest.raises(
        UmsrepError, match="none for new weights, or --architecture efficien"
    ):
        call("finetune", "--data", prepared_folder, "--out", tmp_path / "run")


def test_a_resumed_training_knows_its_file_of_weights(tmp_path):
    file = tmp_path / "net.weights.h5"
    file.write_bytes(b"one")
    one = runs.fingerprints([], [], {"weights": str(file)})
    assert one == runs.fingerprints([], [], {"weights": str(file)})
    file.write_bytes(b"two")
    assert one != runs.fingerprints([], [], {"weights": str(file)})
    assert runs.fingerprints([], [], {"weights": "imagenet"}) == {}


@pytest.mark.parametrize(
    "option", [LITE0, ("--normalization", "rank"), ("--filters", "4,8")]
)
def test_a_representation_has_its_network(option, prepared_folder, tmp_path):
    with pytest.raises(UmsrepError, match="Leave one of them out"):
        call(
            *("finetune", "--data", prepared_folder, *option, *COMMON),
            *("--representation", tmp_path, "--out", tmp_path / "run"),
        )


def test_runs_from_before_these_settings_are_resumed():
    before = {"strategy": "joint", "epochs": 3}
    today = {
        **before,
        "encoder_rate": 1.0,
        "freeze_batch_norms": False,
        "class_balance": "none",
        "focus": None,
        "focus_fill": "blank",
        "focus_margin": 0.04,
    }
    assert comparable(before) == comparable(today)
    assert comparable(before) != comparable({**today, "encoder_rate": 0.1})
    known = {f.name: f.default for f in fields(FinetuneSettings)}
    assert all(known[name] == value for name, value in LATER.items())
