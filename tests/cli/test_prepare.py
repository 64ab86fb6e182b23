"""`umsrep prepare` and `umsrep verify`, as a user calls them."""

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from umsrep.cli import prepare, verify
from umsrep.data.prepared import read_header
from umsrep.errors import UmsrepError


@pytest.fixture
def run():
    app = typer.Typer()
    prepare.add_to(app)
    verify.add_to(app)

    def run(*arguments):
        return CliRunner().invoke(
            app, [str(argument) for argument in arguments]
        )

    return run


@pytest.fixture
def source(tmp_path):
    """Three images of the Montgomery set, two of them with a mask."""
    rng = np.random.default_rng([10])
    folder = tmp_path / "montgomery"
    (folder / "images").mkdir(parents=True)
    (folder / "mask").mkdir()
    mask = np.zeros((48, 40), np.uint8)
    mask[10:30, 5:20] = 255
    for stem in ("MCUCXR_0001_0", "MCUCXR_0002_0", "MCUCXR_0104_1"):
        image = rng.integers(0, 256, (48, 40), dtype=np.uint8)
        cv2.imwrite(str(folder / f"images/{stem}.png"), image)
        if stem.endswith("0"):
            cv2.imwrite(str(folder / f"mask/{stem}.png"), mask)
    return folder


def test_prepare_then_verify(run, source, tmp_path):
    out = tmp_path / "out"
    result = run("prepare", "montgomery", source, out, "--size", 32)
    assert result.exit_code == 0, result.output
    assert "3 images of 32 x 32 pixels from 3 patients" in result.output
    assert "Task lung: 2 with a mask." in result.output
    assert "3 labelled (2 normal, 1 abnormal)" in result.output
    assert "Files skipped" not in result.output
    assert read_header(out)["preprocessing"]["size"] == [32, 32]
    result = run("verify", out)
    assert result.exit_code == 0, result.output
    assert "errors: 0, warnings: 0." in result.output


def test_skips_are_counted_in_the_summary(run, source, tmp_path):
    (source / "images/MCUCXR_0003_0.png").write_bytes(b"%PDF-1.4")
    result = run("prepare", "montgomery", source, tmp_path / "out")
    assert isinstance(result.exception, UmsrepError)
    assert "MCUCXR_0003_0.png" in str(result.exception)
    assert not (tmp_path / "out").exists()
    result = run(
        "prepare", "montgomery", source, tmp_path / "out", "--on-error", "skip"
    )
    assert result.exit_code == 0, result.output
    assert "Files skipped: 1," in result.output
    assert "a PDF document" in result.output


def test_sixteen_bit_images_on_request(run, source, tmp_path):
    rng = np.random.default_rng([11])
    deep = rng.integers(0, 4096, (48, 40)).astype(np.uint16)
    cv2.imwrite(str(source / "images/MCUCXR_0003_0.png"), deep)
    arguments = ("prepare", "montgomery", source, tmp_path / "out")
    result = run(*arguments)
    assert "--sixteen-bit rescale" in str(result.exception)
    result = run(*arguments, "--sixteen-bit", "rescale")
    assert result.exit_code == 0, result.output
    assert "4 images" in result.output


def test_warnings_reach_the_user(run, source, tmp_path):
    (source / "images/MCUCXR_0104_1.png").unlink()
    result = run("prepare", "montgomery", source, tmp_path / "out")
    assert "Warning: Task 'abnormality' has no image of class abnormal" in (
        result.output
    )


def test_damage_is_listed_and_the_exit_code_is_one(run, source, tmp_path):
    out = tmp_path / "out"
    run("prepare", "montgomery", source, out, "--size", 32)
    (out / "images/MCUCXR_0001_0.png").unlink()
    result = run("verify", out)
    assert result.exit_code == 1
    assert "errors: 1, warnings: 0." in result.output
    # The table wraps its cells.
    assert "images/MCUCXR" in "".join(result.output.split())


def test_unknown_set_lists_the_known_ones(run, source, tmp_path):
    result = run("prepare", "jsrt", source, tmp_path / "out")
    assert isinstance(result.exception, UmsrepError)
    assert "kermany, montgomery, osie, rsna, shenzhen" in str(result.exception)


@pytest.mark.parametrize("command", ["prepare", "verify"])
def test_help(run, command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "DATA" in result.output or "SOURCE" in result.output


def test_unfinished_folder_is_one_line(run, tmp_path):
    result = run("verify", tmp_path)
    assert isinstance(result.exception, UmsrepError)
    assert "Run 'umsrep prepare'" in str(result.exception)
