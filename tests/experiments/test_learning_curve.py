import shutil

import pandas as pd
import pytest
from typer.testing import CliRunner

from umsrep import runs
from umsrep.cli.main import app
from umsrep.data import storage
from umsrep.errors import UmsrepError
from umsrep.evaluation.folder import read_evaluation, read_folder
from umsrep.experiments.curve_plan import load_plan
from umsrep.experiments.learning_curve import learning_curve
from umsrep.report import render
from umsrep.search import InProcess
from umsrep.search.evaluated import train_and_evaluate

SETTINGS = {
    "epochs": 2,
    "steps": 6,
    "batch_size": 8,
    "augmentation": 0,
    "arguments": {"filters": [4, 4]},
    "convolutions": [],
    "hidden_units": 4,
    "classification_features": "bottleneck",
    "precision": "float32",
    "fractions": [0.5, 0.2, 0.3],
}


class Watched(InProcess):
    """In this process; says which runs it was asked for.

    Args:
        instead: Called with the job, in place of the work.
    """

    def __init__(self, instead=None):
        self.asked = []
        self.instead = instead

    def run_round(self, job):
        self.asked.append(job["run"])
        if self.instead is not None:
            return self.instead(job)
        return {"status": "complete", **train_and_evaluate(job)}


@pytest.fixture(scope="module")
def plan(prepared_folder, other_folder):
    def make(**changes):
        return load_plan(
            {
                "data": str(prepared_folder),
                "test_data": [str(other_folder)],
                "tasks": ["level"],
                "sizes": [4, 8],
                "repeats": 1,
                "settings": SETTINGS,
                "candidates": {
                    "plain": {"learning_rate": 1e-3},
                    "faster": {"learning_rate": 1e-2, "strategy": "joint"},
                },
            }
            | changes
        )

    return make


@pytest.fixture(scope="module")
def finished(plan, tmp_path_factory):
    """(folder of two repeats, tables, which runs were trained)."""
    out = tmp_path_factory.mktemp("curves") / "curve"
    engine = Watched()
    tables = learning_curve(plan(repeats=2), out, engine, progress=False)
    return out, tables, engine.asked


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the folder, to change."""
    return shutil.copytree(finished[0], tmp_path / "curve")


def test_every_point_is_trained_once_at_the_same_budget(finished):
    out, tables, asked = finished
    assert len(asked) == len(set(asked)) == 8
    for run in asked:
        info = runs.read_run(run)
        assert info["steps_by_task"]["level"] == SETTINGS["steps"]
    patients = {
        folder.name: runs.read_run(folder)["labelled_patients_by_task"]["level"]
        for folder in (out / "runs" / "plain").iterdir()
    }
    assert patients == {"4-0": 4, "4-1": 4, "8-0": 8, "8-1": 8}
    cost = tables["cost"].set_index(["candidate", "patients"])
    assert (cost["seconds"] > 0).all()


def test_sides(finished):
    """One test side; sets within larger ones; other draws in repeats."""

    def images(name, side):
        table = pd.read_csv(
            finished[0] / "runs" / name / "split.csv", dtype=str
        )
        return set(table["image"][table["split"] == side])

    for side in ("validation", "test"):
        assert images("plain/4-0", side) == images("faster/8-1", side)
    assert images("plain/4-0", "train") < images("plain/8-0", "train")
    assert images("plain/8-0", "train") == images("faster/8-0", "train")
    assert images("plain/8-0", "train") != images("plain/8-1", "train")


def test_tables_are_of_every_run(finished):
    out, tables, _ = finished
    curve = pd.read_csv(out / "curve.csv")
    auc = curve[curve["metric"] == "auc"]
    keys = ["candidate", "patients", "repeat", "data"]
    assert len(auc) == len(auc[keys].drop_duplicates()) == 16
    summary = tables["summary"]
    for row in summary[summary["metric"] == "auc"].to_dict("records"):
        same = (
            auc[["candidate", "patients", "data"]]
            == [row["candidate"], row["patients"], row["data"]]
        ).all(axis=1)
        assert row["mean"] == pytest.approx(auc["value"][same].mean())
        assert 0 <= row["low"] <= row["mean"] <= row["high"] <= 1
    differences = tables["differences"]
    assert set(differences["candidate"]) == {"faster"}
    assert (differences["p_holm"] >= differences["p"]).all()
    one = differences.iloc[0]
    of_both = summary[
        (
            summary[["patients", "data", "metric"]]
            == [one["patients"], one["data"], one["metric"]]
        ).all(axis=1)
    ].set_index("candidate")["mean"]
    assert one["difference"] == pytest.approx(
        of_both["faster"] - of_both["plain"]
    )
    assert set(tables["reached"]["data"]) == {"toy", "other"}
    assert "## Differences from 'plain'" in (out / "curve.md").read_text()


def test_models_are_not_kept(finished):
    assert not list(finished[0].rglob("*.keras"))


def test_what_is_done_is_not_done_again(finished, plan, copied):
    engine = Watched(lambda job: pytest.fail("trained again"))
    again = learning_curve(plan(repeats=2), copied, engine, progress=False)
    pd.testing.assert_frame_equal(again["curve"], finished[1]["curve"])
    # Fewer repeats and candidates are a part of it.
    fewer = plan(repeats=1, candidates={"plain": {"learning_rate": 1e-3}})
    assert len(learning_curve(fewer, copied, engine, progress=False)["cost"])


def test_more_repeats_train_only_these(plan, copied):
    engine = Watched()
    learning_curve(plan(repeats=3, sizes=[8]), copied, engine, progress=False)
    assert [run.rpartition("/")[2] for run in engine.asked] == ["8-2", "8-2"]


def test_another_test_set_trains_again_where_no_model_was_kept(
    plan, copied, prepared_writer, tmp_path
):
    third = prepared_writer(tmp_path / "third", count=12, seed=3)
    found = plan(sizes=[4], candidates={"plain": {"learning_rate": 1e-3}})
    seen = runs.read_run(copied / "runs/plain/4-0")["seconds"]
    added = load_plan(
        {
            "data": found.data,
            "test_data": [*found.test_data, str(third)],
            "tasks": ["level"],
            "sizes": [4],
            "repeats": 1,
            "settings": SETTINGS,
            "candidates": {"plain": {"learning_rate": 1e-3}},
        }
    )
    tables = learning_curve(added, copied, Watched(), progress=False)
    assert set(tables["summary"]["data"]) == {"toy", "other", "third"}
    assert runs.read_run(copied / "runs/plain/4-0")["seconds"] != seen


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"settings": {**SETTINGS, "steps": 7}}, "steps differ"),
        ({"seed": 1}, "seed differ"),
        (
            {"candidates": {"plain": {"learning_rate": 0.5}}},
            "candidate 'plain' differ",
        ),
    ],
)
def test_a_folder_of_other_settings_is_refused(plan, copied, changes, named):
    with pytest.raises(UmsrepError, match=f"{named}.*new --out folder"):
        learning_curve(plan(**changes), copied, Watched(), progress=False)


def test_a_folder_of_other_files_is_refused(plan, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UmsrepError, match="Choose a new --out folder"):
        learning_curve(plan(), tmp_path, Watched(), progress=False)


def test_a_run_that_fails_is_told_and_the_others_are_kept(plan, tmp_path):
    def work(job):
        if job["run"].endswith("faster/8-0"):
            return {
                "status": "failed",
                "reason": "no memory",
                "traceback": "in line 3",
            }
        return {"status": "complete", **train_and_evaluate(job)}

    out = tmp_path / "curve"
    with pytest.raises(UmsrepError, match="no memory.*repeat the command"):
        learning_curve(plan(), out, Watched(work), progress=False)
    assert (out / "failed/faster-8-0.txt").read_text() == "in line 3"
    assert len(pd.read_csv(out / "cost.csv")) == 3
    assert read_folder(out).notes == ["The learning curve is not finished."]
    engine = Watched()
    learning_curve(plan(), out, engine, progress=False)
    assert len(engine.asked) == 1
    assert not read_folder(out).notes


def test_an_interruption_leaves_tables_of_what_is_done(plan, tmp_path):
    def work(job):
        if "8-0" in job["run"]:
            raise KeyboardInterrupt("stop here")
        return {"status": "complete", **train_and_evaluate(job)}

    out = tmp_path / "curve"
    with pytest.raises(KeyboardInterrupt, match="stop here"):
        learning_curve(plan(), out, Watched(work), progress=False)
    assert set(pd.read_csv(out / "cost.csv")["patients"]) == {4}
    header = storage.read_json(out / "learning_curve.json")
    assert header["status"] == "interrupted"


def test_the_report_has_a_section(finished):
    page = render([finished[0]])
    assert page.count('id="learning-curves"') == 1
    assert "faster − plain" in page
    assert str(finished[0]) not in page
    assert "data:image/svg+xml" in page
    with pytest.raises(UmsrepError, match="Expected an evaluation folder"):
        read_evaluation(finished[0])


def test_a_damaged_folder_says_so(copied):
    header = storage.read_json(copied / "learning_curve.json")
    storage.write_json(
        copied / "learning_curve.json", header | {"format_version": 9}
    )
    with pytest.raises(UmsrepError, match="Run 'umsrep learning-curve' again"):
        read_folder(copied)
    storage.write_json(copied / "learning_curve.json", header)
    (copied / "summary.csv").unlink()
    with pytest.raises(UmsrepError, match="goes on where it was"):
        read_folder(copied)


def test_the_command(prepared_folder, tmp_path):
    """In worker processes, without a plan."""
    out = tmp_path / "curve"
    small = [
        *("--epochs", "2", "--steps", "4", "--batch-size", "8"),
        *("--augmentation", "0", "--filters", "4,4", "--convolutions", "none"),
        *("--classify-from", "bottleneck", "--precision", "float32"),
        *("--fractions", "0.5", "0.2", "0.3"),
    ]
    arguments = [
        *("learning-curve", "--data", str(prepared_folder)),
        *("--task", "level", "--labelled-patients", "4,8", "--repeats", "1"),
        *("--workers", "2", "--out", str(out), *small),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "Learning curve" in result.output
    assert (out / "report.html").exists()
    assert (out / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert set(pd.read_csv(out / "cost.csv")["candidate"]) == {
        "separate",
        "joint",
    }


def test_the_command_needs_data(tmp_path):
    result = CliRunner().invoke(
        app, ["learning-curve", "--out", str(tmp_path / "curve")]
    )
    with pytest.raises(UmsrepError, match="Pass a plan"):
        raise result.exception
