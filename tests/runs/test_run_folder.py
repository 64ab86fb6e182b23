"""Reading run folders, evaluation folders and reports."""

import json
import subprocess
import sys

import pytest

from umsrep import runs
from umsrep.errors import UmsrepError

INFO = {
    "format": "umsrep-run",
    "format_version": 1,
    "kind": "finetune",
    "status": "complete",
    "config": {"seed": 0},
    "versions": {},
    "machine": {},
    "strategy": "joint",
    "tasks": ["lung", "finding"],
    "task_specs": {
        "lung": {"kind": "mask", "classes": []},
        "finding": {"kind": "label", "classes": ["healthy", "ill"]},
    },
    "data": [{"name": "toy", "path": "toy", "images": 3}],
}


@pytest.fixture
def folder(tmp_path):
    """Writes a run folder without models; entries of run.json may differ."""

    def write(**entries):
        files = {
            "run.json": json.dumps({**INFO, **entries}),
            "calibration.json": '{"finding": {"temperature": 2.0}}',
            "metrics.json": '{"lung": {"dice": 0.9}}',
            "history.csv": "epoch,seconds\n1,2.0\n",
            "split.csv": (
                "dataset,image,patient,split,checksum\ntoy,a.png,p,train,0\n"
            ),
        }
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        return tmp_path

    return write


def test_what_a_run_says(folder):
    run = runs.Run(folder())
    assert run.tasks == ("lung", "finding")
    assert run.classes == {"finding": ("healthy", "ill")}
    assert [spec.kind for spec in run.specs] == ["mask", "label"]
    assert run.calibrations["finding"].temperature == 2
    assert run.metrics == {"lung": {"dice": 0.9}}
    assert run.history["seconds"].tolist() == [2.0]
    assert run.split()["image"].tolist() == ["a.png"]
    assert run.denoiser() is None


def test_an_unfinished_run_is_read_only_where_it_may_be(folder):
    path = folder(status="running")
    with pytest.raises(UmsrepError, match="--resume"):
        runs.Run(path)
    assert "not complete" in runs.Run(path, unfinished=True).notes[0]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"format": "other"}, "not an umsrep run header"),
        (
            {"format_version": 99},
            "has format version 99; this umsrep reads version 1",
        ),
    ],
)
def test_another_file_is_refused(folder, entries, message):
    with pytest.raises(UmsrepError, match=message):
        runs.Run(folder(**entries))


def test_damage_is_named(folder):
    path = folder()
    (path / "split.csv").write_text("image\n")
    with pytest.raises(UmsrepError, match="split.csv cannot be read"):
        runs.Run(path).split()
    with pytest.raises(UmsrepError, match="has no task 'heart'"):
        runs.Run(path).model("heart")
    with pytest.raises(UmsrepError, match=r"model.keras does not exist"):
        runs.Run(path).model("lung")


def test_reading_imports_neither_keras_nor_tensorflow(folder, tmp_path):
    evaluation = tmp_path / "evaluation"
    evaluation.mkdir()
    (evaluation / "evaluation.json").write_text(
        json.dumps(
            {
                "format": "umsrep-evaluation",
                "format_version": 1,
                "run": INFO,
                "tasks": INFO["task_specs"],
                "data": {"name": "toy"},
            }
        )
    )
    (evaluation / "metrics.json").write_text('{"lung": {"dice": 0.9}}')
    code = """
import sys
from umsrep import runs
from umsrep.evaluation import read_folder, summary_table
from umsrep.report import write_report
run = runs.Run(sys.argv[1])
run.specs, run.metrics, run.history, run.calibrations, run.split()
read_folder(sys.argv[2])
summary_table(sys.argv[1:3])
write_report(sys.argv[1:3], sys.argv[3])
print(sorted({"keras", "tensorflow"} & set(sys.modules)))
"""
    page = tmp_path / "report.html"
    done = subprocess.run(
        [sys.executable, "-c", code, folder(), evaluation, page],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "[]", done.stderr
    assert "finding" in page.read_text()
