"""`umsrep phantom`, as a user calls it."""

import json

import pytest
import typer
from typer.testing import CliRunner

from umsrep.cli import phantom
from umsrep.errors import UmsrepError


@pytest.fixture
def run():
    app = typer.Typer()
    phantom.add_to(app)

    def run(*arguments, kind="chest"):
        return CliRunner().invoke(
            app, ["phantom", kind, *(str(item) for item in arguments)]
        )

    return run


def test_writes_a_set_and_says_what_comes_next(run, tmp_path):
    out = tmp_path / "set"
    result = run(
        *(out, "--layout", "montgomery", "--images", 4),
        *("--seed", 3, "--size", 64),
    )
    assert result.exit_code == 0, result.output
    truth = json.loads((out / "phantom.json").read_text())
    assert (truth["seed"], truth["size"]) == (3, 64)
    images = sorted((out / "MontgomerySet" / "CXR_png").iterdir())
    assert len(images) == len(truth["images"]) == 4
    words = " ".join(result.output.split())
    assert "umsrep prepare montgomery" in words


def test_the_difficulty_is_written_down(run, tmp_path):
    levels = {}
    for name, options in (
        ("plain", ()),
        ("hard", ("--difficulty", "hard")),
        ("parts", ("--difficulty", "easy", "--label-noise", 0.2)),
    ):
        result = run(
            *(tmp_path / name, "--layout", "shenzhen", "--images", 2),
            *("--size", 64, *options),
        )
        assert result.exit_code == 0, result.output
        truth = json.loads((tmp_path / name / "phantom.json").read_text())
        levels[name] = truth["difficulty"]
    assert levels["plain"]["level"] == "usual"
    assert levels["hard"]["level"] == "hard"
    assert levels["parts"]["level"] == "custom"
    assert levels["parts"]["label_noise"] == 0.2
    assert levels["parts"]["overlap"] == 0


@pytest.mark.parametrize(
    ("changed", "advice"),
    [
        ({"--layout": "chexpert"}, "Choose one of shenzhen"),
        ({"--images": 1}, "Ask for more"),
        ({"--size": 8}, "Choose a larger size"),
        ({"--seed": -2}, "Give a non-negative integer"),
        ({"--difficulty": "brutal"}, "Choose one of easy, usual, hard"),
        ({"--contrast": 0}, "expected a number from above 0 to 1"),
        ({"--label-noise": 0.7}, "expected a number from 0 to 0.5"),
    ],
)
def test_bad_values_are_explained(run, tmp_path, changed, advice):
    options = {"--layout": "shenzhen", "--images": 4, "--size": 64} | changed
    result = run(
        tmp_path / "set",
        *(item for option in options.items() for item in option),
    )
    assert result.exit_code == 1
    with pytest.raises(UmsrepError, match=advice):
        raise result.exception
    assert not list(tmp_path.iterdir())


def test_a_filled_folder_is_refused(run, tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    result = run(tmp_path, "--layout", "shenzhen", "--images", 2)
    with pytest.raises(UmsrepError, match="already exists and is not empty"):
        raise result.exception
    assert (tmp_path / "note.txt").read_text() == "mine"


def test_help_explains_each_option(run):
    result = run("--help")
    assert result.exit_code == 0
    for word in ("--layout", "--images", "--seed", "--size", "kermany"):
        assert word in result.output
    words = " ".join(result.output.split())
    for word in ("--difficulty", "usual", "--contrast", "--reader-noise"):
        assert word in words


def test_echo_writes_a_set_and_says_what_comes_next(run, tmp_path):
    out = tmp_path / "set"
    result = run(*(out, "--images", 12, "--seed", 3, "--size", 64), kind="echo")
    assert result.exit_code == 0, result.output
    truth = json.loads((out / "phantom.json").read_text())
    assert (truth["layout"], truth["seed"], truth["size"]) == ("echo", 3, 64)
    assert len(list((out / "images").iterdir())) == len(truth["images"]) == 12
    assert "umsrep prepare folder" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("option", "value", "advice"),
    [
        ("--images", 11, "Ask for more"),
        ("--size", 8, "Choose a larger size"),
        ("--seed", -2, "Give a non-negative integer"),
    ],
)
def test_bad_values_of_echo_are_explained(run, tmp_path, option, value, advice):
    options = {"--images": 12, "--size": 64} | {option: value}
    result = run(
        tmp_path / "set",
        *(item for pair in options.items() for item in pair),
        kind="echo",
    )
    assert result.exit_code == 1
    with pytest.raises(UmsrepError, match=advice):
        raise result.exception
    assert not list(tmp_path.iterdir())
