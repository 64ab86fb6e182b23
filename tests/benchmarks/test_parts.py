"""Every part of the benchmarks runs and is told, at a tiny size."""

import importlib
import json
import time

import keras
import pytest

import benchmarks.__main__ as program
from benchmarks import map_placement, parts, scan_memory, table
from umsrep import backend, representations

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="compared with plain Keras on TensorFlow",
)


class Here:
    """A contestant in this process: starting one takes longer than it works.

    `TestContest` holds that the real one answers in the same way.
    """

    def __init__(self, factory, options=None):
        module, name = factory.split(":")
        kind = getattr(importlib.import_module(module), name)
        self.contestant = kind(**(options or {}))

    def call(self, method, **arguments):
        begin = time.perf_counter()
        value = getattr(self.contestant, method)(**arguments)
        return value, time.perf_counter() - begin

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass


@pytest.fixture(autouse=True)
def _contestants_here(monkeypatch):
    monkeypatch.setattr(parts, "Contestant", Here)
    # What a contestant changes for good in its own process.
    monkeypatch.setattr(backend, "fused_batch_norm", backend.fused_batch_norm)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("benchmarks")


@pytest.mark.parametrize("name", parts.PARTS)
def test_part(name, work):
    told = []
    figures = parts.PARTS[name](told.append, work, quick=True)
    assert told
    # As it is kept, and as the page shows it.
    kept = json.loads(json.dumps(figures))
    lines = table.PARTS[name](kept)
    assert lines[0].startswith("### (")
    assert "nan" not in "\n".join(lines)


def test_the_program_keeps_its_figures_and_updates_the_page(work, tmp_path):
    out, page = tmp_path / "results.json", tmp_path / "page.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    arguments = ["--quick", "--work", str(work), "--out", str(out)]
    for part in ("pipeline", "memory"):
        program.main([part, *arguments, "--page", str(page)])
    results = json.loads(out.read_text())
    assert list(results["parts"]) == ["pipeline", "memory"]
    assert results["about"]["versions"]["keras"] == keras.__version__
    text = page.read_text()
    assert "### (c) Input alone" in text
    assert "### (e) Memory" in text
    assert "old" not in text


def test_an_unknown_part_is_named(capsys):
    with pytest.raises(SystemExit, match="2"):
        program.main(["speed"])
    assert "no part is named 'speed'" in capsys.readouterr().err


def test_placement_of_maps(capsys, monkeypatch):
    # Three stages of stride 2 at 64 pixels, instead of whole networks.
    small = representations.ConvAutoencoder(
        (64, 64, 1), filters=(2, 2, 2), normalization="none"
    )
    monkeypatch.setattr(
        map_placement, "subjects", lambda side: {"tiny": (small, "bottleneck")}
    )
    map_placement.main(["--side", "64"])
    row = capsys.readouterr().out.splitlines()[-1]
    assert row == ("| tiny | 8 | 7 | -3.5 pixels (5.5%) | 0.0 pixels (0.0%) |")


def test_memory_of_a_scan(capsys):
    scan_memory.main(["--rounds", "2", "--in-process"])
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith("| 1 to ")]
    (row,) = rows
    _, rounds, own, workers, _ = row.split("|")
    assert rounds.strip() == "1 to 1"
    # TensorFlow alone is larger; no worker was started.
    assert int(own) > 100
