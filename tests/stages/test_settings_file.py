"""Settings files: what is written is read again, and mistakes are named."""

import pytest

from umsrep.cli.settings_options import over
from umsrep.data import yaml_file
from umsrep.errors import UmsrepError
from umsrep.stages import FinetuneSettings
from umsrep.stages.construction import ConstructionSettings
from umsrep.stages.pretraining import PretrainSettings
from umsrep.stages.settings_file import read_settings, write_settings


@pytest.mark.parametrize(
    ("stage", "settings", "tasks"),
    [
        (
            "finetune",
            FinetuneSettings(
                strategy="joint",
                weighting={"lung": 2.0, "abnormality": 1.0},
                freeze=("encoder",),
                fractions=(0.6, 0.2, 0.2),
                learning_rate=3e-4,
                stop_patience=4,
                arguments={"filters": [4, 8]},
            ),
            ("lung", "abnormality"),
        ),
        (
            "supervised",
            ConstructionSettings(
                task="flow", arguments={"kernel_size": 5}, optimizer="sgd"
            ),
            ("flow",),
        ),
    ],
)
def test_what_is_written_is_read_again(tmp_path, stage, settings, tasks):
    path = tmp_path / "best.yaml"
    sources = {"representation": "runs/one", "denoise_with": None}
    write_settings(path, stage, settings, tasks, sources, {}, "A comment")
    stored = read_settings(path, (stage,))
    assert stored.settings == settings
    assert stored.tasks == tasks
    if stage == "finetune":
        assert stored.sources == {**sources, "leave_out": None}


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("stage: finetune\nsettings: {epoch: 3}", "'epoch' is no setting"),
        ("stage: finetune\nsettings: {epochs: true}", "at least 1. Fix"),
        ("stage: finetune\nsettings: {strategy: jiont}", "Choose one of"),
        ("stage: finetune\nepochs: 3", "'epochs' is unknown.* Fix or remove"),
        ("stage: finetune\nstage: finetune", "there twice.* Correct that line"),
        ("stage: construct", "supervised.* Pass it to `umsrep pretrain`"),
        ("- finetune", "a settings file with lines such as"),
        ("stage: [finetune]", "expected one of denoising"),
        ("stage: finetune\nday: 2020-99-99", "not a valid settings file"),
        ("stage: finetune\nx: !!int abc", "not a valid settings file"),
        ("[" * 3000, "not a valid settings file"),
    ],
)
def test_mistakes(tmp_path, text, advice):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UmsrepError, match=advice) as error:
        read_settings(path, ("finetune",))
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("setting", "advice"),
    [
        ({"epochs": 0}, "epochs=0: expected a whole number of at least 1"),
        ({"batch_size": 0}, "batch_size=0: .*at least 1"),
        ({"seed": -1}, "seed=-1: .*at least 0"),
        ({"dropout": 1.0}, "dropout=1.0: .*from 0 on and below 1"),
        ({"learning_rate": 0.0}, "learning_rate=0.0: .*above 0"),
        ({"augmentation": 2.0}, "augmentation=2.0: .*from 0 to 1.5"),
        ({"fractions": (0.6, 0.4)}, "three shares"),
        ({"fractions": ("a", "b", "c")}, "three shares"),
        ({"convolutions": ("x",)}, "whole numbers of at least 1"),
        ({"weighting": {"lung": "heavy"}}, "a number of at least 0"),
        ({"optimizer": "adm"}, "optimizer='adm' is unknown. Choose .* adam,"),
        (
            {"strategy": "alternating", "weighting": "uncertainty"},
            "only joint training adds losses up. Pass strategy='joint'",
        ),
        (
            {"strategy": "joint", "ratio": {"lung": 2}},
            "only alternating training takes turns",
        ),
    ],
)
def test_values_that_no_training_can_have(tmp_path, setting, advice):
    with pytest.raises(UmsrepError, match=advice):
        FinetuneSettings(**setting)
    path = tmp_path / "mine.yaml"
    yaml_file.write_yaml(path, {"stage": "finetune", "settings": setting})
    with pytest.raises(UmsrepError, match=advice) as error:
        read_settings(path, ("finetune",))
    assert str(path) in str(error.value)


def test_what_is_no_number():
    with pytest.raises(UmsrepError, match="learning_rate=nan: .*above 0"):
        FinetuneSettings(learning_rate=float("nan"))


@pytest.mark.parametrize("settings", [PretrainSettings, ConstructionSettings])
def test_of_all_stages(settings):
    with pytest.raises(UmsrepError, match="epochs=0: .*at least 1"):
        settings(epochs=0)


def test_numbers_are_as_written(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("stage: finetune\nsettings: {learning_rate: 3e-4}")
    assert read_settings(path, ("finetune",)).settings.learning_rate == 3e-4


def test_options_take_precedence_over_the_file():
    stored = FinetuneSettings(
        strategy="joint",
        epochs=7,
        weighting="uncertainty",
        arguments={"a": 1, "b": 2},
    )
    both = over(stored, {"seed": 3, "weighting": {"lung": 2.0}})
    assert (both.epochs, both.seed) == (7, 3)
    assert both.weighting == {"lung": 2.0}
    assert both.arguments == {"a": 1, "b": 2}
    assert over(stored, {"arguments": {"b": 5}}).arguments == {"a": 1, "b": 5}
    # Arguments of one architecture mean nothing to another.
    other = over(stored, {"architecture": "unet", "arguments": {"b": 5}})
    assert other.arguments == {"b": 5}


def test_former_names_of_denoising_are_understood(tmp_path):
    path = tmp_path / "former.yaml"
    path.write_text(
        "stage: pretrain\nsettings: {preset: paper, filters: null, "
        "skip_connections: true, normalization: percentile, epochs: 3}"
    )
    settings = read_settings(path, ("denoising",)).settings
    assert settings == PretrainSettings(
        epochs=3,
        architecture="conv_autoencoder",
        arguments={"preset": "paper", "skip_connections": True},
    )
