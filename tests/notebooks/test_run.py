"""`notebooks/run.py` tells the notebooks that work from those that fail."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

PROGRAM = Path(__file__).parents[2] / "notebooks" / "run.py"


def write(file, code):
    cell = nbformat.v4.new_code_cell(code)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), file)
    return file


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    good = write(folder / "good.ipynb", "print(6 * 7)")
    bad = write(folder / "bad.ipynb", "raise ValueError('too tired')")
    done = subprocess.run(
        [sys.executable, PROGRAM, "--write", good, bad],
        capture_output=True,
        text=True,
        check=False,
    )
    return done, good, bad


def test_a_failing_cell_fails_the_program(executed):
    done, _, _ = executed
    assert done.returncode == 1
    assert "good.ipynb: ok" in done.stdout
    assert "bad.ipynb: failed" in done.stdout
    assert "too tired" in done.stderr


def test_only_the_outputs_of_those_that_work_are_kept(executed):
    _, good, bad = executed
    ((output,),) = [
        cell.outputs for cell in nbformat.read(good, as_version=4).cells
    ]
    assert output.text == "42\n"
    ((),) = [cell.outputs for cell in nbformat.read(bad, as_version=4).cells]
