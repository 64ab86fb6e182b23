"""From settings to what a run says of them."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from umsrep.cli.main import app
from umsrep.errors import UmsrepError
from umsrep.stages import FinetuneSettings, finetune, network


def test_settings_reach_the_strategy():
    settings = FinetuneSettings(
        strategy="joint",
        weight_average=0.99,
        class_balance="weights",
        class_balance_beta=0.9,
    )
    made = network.strategy(settings)
    assert made.weight_average == 0.99
    assert (made.class_balance.method, made.class_balance.beta) == (
        "weights",
        0.9,
    )
    plain = network.strategy(FinetuneSettings())
    assert plain.weight_average is plain.class_balance is None


def test_beta_is_of_weights():
    with pytest.raises(UmsrepError, match="Pass class_balance='weights'"):
        FinetuneSettings(class_balance="sampling", class_balance_beta=0.9)


def test_a_run_says_what_was_done(prepared_folder, tmp_path):
    settings = FinetuneSettings(
        strategy="joint",
        arguments={"filters": (4, 8)},
        segmentation_features="decoded",
        epochs=2,
        batch_size=8,
        hidden_units=4,
        convolutions=(),
        precision="float32",
        fractions=(0.6, 0.4, 0.0),
        encoder_rate=0.5,
        freeze_batch_norms=True,
        release_after=0.5,
        weight_average=0.9,
        class_balance="sampling",
    )
    out = tmp_path / "run"
    finetune(prepared_folder, None, out, settings=settings, progress=False)
    info = json.loads((out / "run.json").read_text())
    shares = {c: v["share"] for c, v in info["class_balance"]["level"].items()}
    assert shares == {"low": 0.5, "high": 0.5}
    assert info["cached_features"]["in_memory"]
    assert info["config"]["release_after"] == 0.5
    # Without a label task there is nothing to balance.
    with pytest.raises(UmsrepError, match="Leave it out"):
        finetune(
            prepared_folder,
            ["blob"],
            tmp_path / "other",
            settings=replace(settings),
            progress=False,
        )


def test_options_of_the_command():
    help_text = CliRunner().invoke(
        app, ["finetune", "--help"], env={"COLUMNS": "200"}
    )
    for option in (
        "--encoder-rate",
        "--freeze-batch-norms",
        "--release-after",
        "--ema",
        "--class-balance",
        "--class-balance-beta",
    ):
        assert option in help_text.output
