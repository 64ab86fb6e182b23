"""Scans that train: what is ranked, kept, continued and handed on."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from umsrep import runs, search
from umsrep.cli.main import app
from umsrep.data import storage
from umsrep.errors import UmsrepError
from umsrep.search import worker


def call(*arguments):
    result = CliRunner().invoke(app, [str(part) for part in arguments])
    if result.exception is not None:
        raise result.exception
    return result.output


@pytest.fixture(scope="module")
def scanned(toy, tmp_path_factory):
    """(folder of a finished scan, its recipe's file, what was printed)."""
    folder = tmp_path_factory.mktemp("scanned")
    recipe = {
        "data": str(toy),
        "stage": "finetune",
        "tasks": ["level", "blob"],
        "settings": {
            "strategy": "joint",
            "architecture": "unet",
            "arguments": {"width": 2, "depth": 2},
            "epochs": 3,
            "batch_size": 8,
            "decay": "constant",
            "augmentation": 0,
            "convolutions": [],
            "hidden_units": 0,
            "precision": "float32",
            "fractions": [0.5, 0.25, 0.25],
        },
        "space": {
            "learning_rate": [0.02, 0.8],
            "classification_features": ["bottleneck", "stage9"],
        },
        "search": "grid",
    }
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe))
    shown = call("scan", file, "--out", folder / "scan")
    return folder / "scan", file, shown


def records(folder):
    return [
        storage.read_json(path) for path in folder.glob("rounds/*/round.json")
    ]


def test_the_best_epoch_counts_and_every_epoch_is_kept(scanned):
    folder, _, shown = scanned
    table = pd.read_csv(folder / "results.csv")
    done = table[table["status"] == "complete"]
    assert list(done["rank"]) == [1, 2]
    assert done["validation loss"].is_monotonic_increasing
    for record in records(folder):
        if record["status"] != "complete":
            continue
        history = pd.read_csv(folder / "rounds" / record["key"] / "history.csv")
        assert len(history) == 3
        (best,) = record["best_epochs"].values()
        assert best - 1 == history["val_loss_joint"].argmin()
        losses = [
            history[f"val_{task}_loss"][best - 1] for task in ("level", "blob")
        ]
        row = done[done["key"] == record["key"]].iloc[0]
        assert row["validation loss"] == pytest.approx(sum(losses))
    # With this rate the last epoch is not the best one.
    wild = done[done["learning_rate"] == 0.8].iloc[0]
    assert wild["best_epoch"] < 3
    assert "best.yaml" in shown


def test_failed_rounds_have_their_reason_and_the_scan_went_on(scanned):
    folder, *_ = scanned
    table = pd.read_csv(folder / "results.csv")
    failed = table[table["status"] == "failed"]
    assert list(failed["classification_features"]) == ["stage9"] * 2
    assert failed["reason"].str.contains("stage9").all()
    assert failed["rank"].isna().all()
    log = folder / "rounds" / failed["key"].iloc[0] / "log.txt"
    assert "Traceback" in log.read_text()


def test_talos_has_the_same_rounds(scanned):
    folder, *_ = scanned
    (listed,) = (folder / "talos").rglob("*.csv")
    table = pd.read_csv(listed)
    assert len(table) == 4
    values = np.sort(table["objective"].dropna())
    own = pd.read_csv(folder / "results.csv")["validation loss"].dropna()
    np.testing.assert_allclose(values, np.sort(own))


def test_workers_import_this_package_and_not_a_copy(scanned):
    folder, *_ = scanned
    # Talos would copy it, and put the copy first on the search path.
    assert not list((folder / "talos").rglob("modules/**/*.py"))


def test_table_and_picture(scanned):
    folder, *_ = scanned
    page = (folder / "results.md").read_text()
    assert "4 rounds" in page
    assert "2 of them failed" in page
    assert (folder / "parallel.png").read_bytes()[:4] == b"\x89PNG"


def test_the_best_settings_train_the_same_run(scanned, toy, tmp_path):
    folder, *_ = scanned
    best = folder / "best.yaml"
    stored = yaml.safe_load(best.read_text())
    call(
        *("finetune", "--settings", best, "--data", toy),
        *("--out", tmp_path / "run"),
    )
    metrics = storage.read_json(tmp_path / "run" / "metrics.json")
    (record,) = [
        r for r in records(folder) if r["key"] == stored["chosen_by"]["round"]
    ]
    for task, row in record["metrics"].items():
        for name, value in row.items():
            assert metrics[task][name] == pytest.approx(value, abs=1e-4)
    # What is said on the command line goes before the file.
    call(
        *("finetune", "--settings", best, "--data", toy, "--epochs", 1),
        *("--out", tmp_path / "short"),
    )
    info = runs.read_run(tmp_path / "short")
    assert info["epochs_run"] == 1
    assert info["config"]["arguments"] == {"width": 2, "depth": 2}


def test_a_finished_scan_takes_more_rounds_without_the_old_ones(
    scanned, monkeypatch
):
    folder, file, _ = scanned
    recipe = yaml.safe_load(file.read_text())
    recipe["space"]["learning_rate"].append(0.01)
    recipe["space"]["classification_features"] = ["bottleneck"]
    with pytest.raises(UmsrepError, match="Pass --resume"):
        search.scan(recipe, folder, search.InProcess(), progress=False)
    trained = []
    run_round = worker.run_round

    def counted(job, capture):
        trained.append(job["settings"]["learning_rate"])
        return run_round(job, capture)

    monkeypatch.setattr(worker, "run_round", counted)
    result = search.scan(
        recipe, folder, search.InProcess(), resume=True, progress=False
    )
    assert trained == [0.01]
    assert set(result.table["learning_rate"]) == {"0.02", "0.8", "0.01"}
    recipe["settings"]["epochs"] = 4
    with pytest.raises(UmsrepError, match="settings differ"):
        search.scan(recipe, folder, resume=True)


def test_an_interrupted_scan_continues(recipe, tmp_path, monkeypatch):
    recipe["space"] = {"dropout": [0.1, 0.2, 0.3]}
    recipe["settings"]["epochs"] = 1
    trained = []

    def interrupted(job, capture):
        trained.append(job["settings"]["dropout"])
        if len(trained) == 2:
            raise KeyboardInterrupt
        return {
            "status": "complete",
            "history": {"epoch": [1]},
            "losses": {"level": 1.0, "blob": job["settings"]["dropout"]},
            "best_epochs": {"joint": 1},
            "at_best": {"epoch": 1.0},
            "metrics": {},
            "epochs_run": 1,
            "seconds": 1.0,
            "parameters": 7,
        }

    monkeypatch.setattr(worker, "run_round", interrupted)
    out, engine = tmp_path / "scan", search.InProcess()
    with pytest.raises(KeyboardInterrupt):
        search.scan(recipe, out, engine, progress=False)
    assert json.loads((out / "scan.json").read_text())["status"] == (
        "interrupted"
    )
    result = search.scan(recipe, out, engine, resume=True, progress=False)
    # The first is not trained again, the interrupted one is.
    assert sorted(trained) == sorted([*{0.1, 0.2, 0.3}, trained[1]])
    assert result.best["chosen"] == {"dropout": 0.1}


def test_two_workers_of_a_dask_cluster(recipe, tmp_path):
    recipe["space"] = {"dropout": [0.0, 0.5]}
    recipe["settings"]["epochs"] = 1
    result = search.scan(
        recipe, tmp_path / "scan", search.Dask(workers=2), progress=False
    )
    assert list(result.table["status"]) == ["complete"] * 2


def test_talos_called_by_oneself(recipe, tmp_path, monkeypatch):
    import talos

    monkeypatch.chdir(tmp_path)
    recipe["space"] = {"dropout": [0.0, 0.5]}
    recipe["settings"]["epochs"] = 2
    inputs = search.talos_inputs(recipe)
    outcome = talos.Scan(
        **inputs,
        experiment_name="mine",
        save_weights=False,
        clear_session=False,
        disable_progress_bar=True,
    )
    table = outcome.data
    assert len(table) == 2
    objective = table["objective"].astype(float)
    parts = table["val_level_loss"] + table["val_blob_loss"]
    np.testing.assert_allclose(objective, parts.astype(float))
    with pytest.raises(UmsrepError, match="both sides"):
        inputs["model"](
            inputs["x"][1:], inputs["y"], inputs["x_val"], inputs["y_val"], {}
        )
