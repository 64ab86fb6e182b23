"""Pretrained weights from the command line to the model card."""

import numpy as np
import pytest
from tensors import array
from typer.testing import CliRunner

from umsrep import runs
from umsrep.cli.main import app
from umsrep.errors import UmsrepError
from umsrep.representations import KerasApplication, efficientnet_lite0

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
