"""A setting is one line: everything else follows from its declaration."""

import re
from pathlib import Path
from typing import Annotated

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner

from umsrep.cli.command import Command
from umsrep.cli.settings_options import with_settings
from umsrep.errors import UmsrepError
from umsrep.stages import FinetuneSettings, choices, reference
from umsrep.stages.declaration import Group, declared, settings
from umsrep.stages.settings import STAGES
from umsrep.stages.settings_file import read_settings, write_settings

ROOT = Path(__file__).parents[2]


@settings
class WithMomentum(FinetuneSettings):
    """As fine-tuning, and one line more."""

    momentum: Annotated[
        float,
        Field(ge=0, lt=1, description="Momentum of SGD."),
        Group("training"),
    ] = 0.9


def invoke(*arguments, cls=WithMomentum):
    """(what it prints, settings) of a command with an option per field."""
    made = []

    @with_settings(cls)
    def command(*, chosen):
        made.append(cls(**chosen))

    app = typer.Typer()
    app.command(cls=Command)(command)
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "160"})
    if isinstance(result.exception, UmsrepError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output, made


class TestANewFieldNeedsOneLine:
    def test_validation(self):
        assert WithMomentum(momentum="0.5").momentum == 0.5
        with pytest.raises(
            UmsrepError, match=r"momentum=1\.5: expected a number from 0 on and"
        ):
            WithMomentum(momentum=1.5)
        with pytest.raises(
            UmsrepError, match="momentun.* settings: .*, momentum"
        ):
            WithMomentum(momentun=0.5)

    def test_settings_file(self, tmp_path, monkeypatch):
        monkeypatch.setitem(STAGES, "finetune", WithMomentum)
        path = tmp_path / "mine.yaml"
        given = WithMomentum(momentum=0.25)
        write_settings(path, "finetune", given, (), {}, {}, "A comment")
        assert read_settings(path).settings == given

    def test_option(self):
        _, (settings,) = invoke("--momentum", "0.75", "--epochs", "3")
        assert (settings.momentum, settings.epochs) == (0.75, 3)

    def test_help(self):
        text, _ = invoke("--help")
        (line,) = (line for line in text.splitlines() if "--momentum" in line)
        assert "Momentum of SGD. Default: 0.9." in line
        assert text.index(" Training ") < text.index("--momentum")

    def test_reference(self):
        page = reference.page({"finetune": WithMomentum})
        assert "| `momentum` | `0.9` | a number from 0 on and below 1 |" in page


@pytest.mark.parametrize("cls", STAGES.values())
def test_every_field_says_what_it_is(cls):
    for field in declared(cls).values():
        assert re.fullmatch(r"[A-Z].*\.", field.help), field.name
        assert field.group in (
            *("training", "network", "heads", "data", "objective"),
        )


@pytest.mark.parametrize(
    ("written", "settings"),
    [
        ("--fractions 0.6 0.2 0.2", {"fractions": (0.6, 0.2, 0.2)}),
        ("--convolutions 16,32", {"convolutions": (16, 32)}),
        ("--convolutions none", {"convolutions": ()}),
        ("--freeze encoder", {"freeze": ("encoder",)}),
        ("--no-cache-features", {"cache_features": False}),
        ("--skips", {"segmentation_features": "stages"}),
        ("--segment-from bottleneck", {"segmentation_features": "bottleneck"}),
        (
            "--classify-from bottleneck --classify-from decoded",
            {"classification_features": ("bottleneck", "decoded")},
        ),
        (
            "--strategy alternating --batches lung=2",
            {"strategy": "alternating", "ratio": {"lung": 2}},
        ),
        (
            "--strategy joint --weight lung=2 --weight heart=0.5",
            {"strategy": "joint", "weighting": {"lung": 2.0, "heart": 0.5}},
        ),
        (
            "--strategy joint --weighting uncertainty",
            {"strategy": "joint", "weighting": "uncertainty"},
        ),
        (
            "--strategy joint --classifier cam --attention a=lung",
            {
                "strategy": "joint",
                "classifier": "cam",
                "attention": {"a": "lung"},
            },
        ),
        (
            "--preset paper --filters 4,8 --no-skip-connections",
            {
                "arguments": {
                    "preset": "paper",
                    "filters": (4, 8),
                    "skip_connections": False,
                }
            },
        ),
        (
            "--architecture unet --argument width=8 --argument "
            "normalization=mean --normalization none",
            {
                "architecture": "unet",
                "arguments": {"width": 8, "normalization": "mean"},
            },
        ),
        ("--optimizer Adam --hidden-units 0", {"hidden_units": 0}),
    ],
)
def test_how_options_are_written(written, settings):
    _, (made,) = invoke(*written.split(), cls=FinetuneSettings)
    assert made == FinetuneSettings(**settings)


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("--epochs 0", "epochs=0: expected a whole number of at least 1. Fix"),
        ("--weight lung", "--weight lung: expected TASK=NUMBER"),
        ("--weight lung=heavy", "expected TASK=NUMBER. Write one, such as"),
        ("--filters 16-32", "whole numbers with commas"),
        ("--skips --segment-from decoded", "Leave one of them out"),
        ("--strategy alternating --batches lung=1.5", "whole number of at"),
        ("--classifier gap", "classifier='gap' is unknown. Choose one of cam"),
    ],
)
def test_mistakes_in_options(written, advice):
    with pytest.raises(UmsrepError, match=advice):
        invoke(*written.split(), cls=FinetuneSettings)


def test_a_number_is_no_truth_value():
    with pytest.raises(UmsrepError, match="epochs=True: .*whole number"):
        FinetuneSettings(epochs=True)


def test_what_is_generated_is_up_to_date():
    advice = "run python -m umsrep.stages.reference docs/settings.md"
    written = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert written == reference.page(), advice
    assert choices.RECORD.read_text("utf-8") == reference.recorded(), advice
