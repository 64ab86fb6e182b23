"""Scans from a recipe to ranked rounds, in this process."""

import contextlib

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from umsrep import search
from umsrep.cli.main import app
from umsrep.data import storage
from umsrep.errors import UmsrepError
from umsrep.search import jobs, worker


def changed(path):
    """{round: when its record was written}."""
    return {
        file.parent.name: file.stat().st_mtime_ns
        for file in path.glob("rounds/*/round.json")
    }


@pytest.fixture(scope="module")
def scanned(toy_recipe, tmp_path_factory):
    """Three rounds, of which one fails; tests must not change it."""
    out = tmp_path_factory.mktemp("scans") / "toy"
    return search.scan(toy_recipe(), out, search.InProcess(), progress=False)


def history(result, row):
    return pd.read_csv(result.path / "rounds" / row.key / "history.csv")


def test_a_failed_round_has_its_reason_and_the_others_go_on(scanned):
    failed = scanned.table[scanned.table["status"] == "failed"]
    assert list(failed["learning_rate"]) == ["1e+39"]
    assert "nan" in failed["reason"].item()
    assert "Lower the learning rate" in failed["reason"].item()
    assert failed["rank"].item() == ""
    assert len(scanned.table) == 3
    log = scanned.path / "rounds" / failed["key"].item() / "log.txt"
    assert "Traceback" in log.read_text()


def test_rounds_are_ranked_by_their_best_epoch(scanned):
    done = scanned.table[scanned.table["status"] == "complete"]
    assert list(done["rank"]) == [1, 2]
    best_is_last = []
    for row in done.itertuples():
        losses = history(scanned, row)["val_level_loss"]
        assert len(losses) == row.epochs == 3
        value = done.loc[row.Index, "validation loss"]
        assert value == pytest.approx(losses.min(), rel=1e-9)
        assert int(row.best_epoch) == losses.idxmin() + 1
        best_is_last.append(losses.idxmin() == len(losses) - 1)
    # Otherwise ranking by the last epoch would pass as well.
    assert not all(best_is_last)
    values = list(done["validation loss"])
    assert values == sorted(values)
    assert scanned.best["key"] == done["key"].iloc[0]


def test_what_a_scan_writes(scanned):
    on_disk = pd.read_csv(scanned.path / "results.csv")
    assert list(on_disk["key"]) == list(scanned.table["key"])
    assert (on_disk["seconds"].dropna() > 0).all()
    assert (on_disk["parameters"].dropna() > 0).all()
    page = (scanned.path / "results.md").read_text()
    assert "3 rounds of the stage finetune" in page
    assert "1 of them failed" in page
    assert "test images, once" in page
    header = storage.read_json(scanned.path / "scan.json", "scan")
    assert header["status"] == "complete"
    # Runs with their weights are made again by `umsrep finetune`.
    assert not list(scanned.path.glob("rounds/*/run"))


def test_workers_import_this_package_and_not_a_copy(scanned):
    # Talos would copy it, and put the copy first on the search path.
    assert not list((scanned.path / "talos").rglob("modules/**/*.py"))


def test_talos_has_all_rounds_in_its_own_files(scanned):
    import talos

    own = talos.RunResult.load(scanned.path / "talos").data
    assert len(own) == 3
    finished = own[own["objective"].notna()]
    ours = scanned.table.set_index("key")["validation loss"].dropna()
    assert sorted(finished["objective"]) == pytest.approx(sorted(ours))


def test_the_picture_has_a_line_per_round(scanned, toy_recipe):
    from matplotlib.patches import PathPatch

    from umsrep.search import results
    from umsrep.search.folder import ScanFolder

    recipe = search.load_recipe(toy_recipe())
    folder = ScanFolder(scanned.path, recipe)
    records = results.ranked(folder.records(), recipe.objective)
    figure = results.picture(records, recipe)
    lines = [p for p in figure.axes[0].patches if isinstance(p, PathPatch)]
    assert len(lines) == 3
    written = {t.get_text() for t in figure.axes[0].texts}
    assert {"0.01", "0.1", "1e+39", "↓ better"} <= written
    assert (scanned.path / "parallel.png").stat().st_size > 5000


def test_finetune_trains_the_best_round_again(
    scanned, prepared_folder, tmp_path
):
    out = tmp_path / "run"
    arguments = (
        *("finetune", "--data", prepared_folder, "--out", out),
        *("--settings", scanned.path / "best.yaml"),
    )
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None:
        raise result.exception
    again = pd.read_csv(out / "history.csv")["val_level_loss"]
    best = history(scanned, scanned.table.iloc[0])["val_level_loss"]
    np.testing.assert_allclose(again, best, rtol=1e-5)
    metrics = storage.read_json(out / "metrics.json", "metrics")
    assert metrics["level"]["auc"] == pytest.approx(
        scanned.best["metrics"]["level"]["auc"]
    )


def test_best_settings_are_of_another_command(scanned, tmp_path):
    arguments = (
        *("pretrain", "--data", "x", "--out", tmp_path / "run"),
        *("--settings", scanned.path / "best.yaml"),
    )
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert isinstance(result.exception, UmsrepError)
    assert "Pass it to `umsrep finetune`" in str(result.exception)


class Interrupted(search.InProcess):
    """The second round is interrupted, as by Ctrl-C."""

    @contextlib.contextmanager
    def executor(self):
        with super().executor() as executor:
            submit, calls = executor.submit, []

            def interrupt(*args):
                calls.append(args)
                if len(calls) == 2:
                    raise KeyboardInterrupt
                return submit(*args)

            executor.submit = interrupt
            yield executor


def test_an_interrupted_scan_goes_on(toy_recipe, tmp_path):
    out = tmp_path / "scan"
    mapping = toy_recipe(space={"learning_rate": [1e-2, 1e-3]})
    with pytest.raises(KeyboardInterrupt, match="^$"):
        search.scan(mapping, out, Interrupted(), progress=False)
    (first,) = changed(out).items()
    header = storage.read_json(out / "scan.json", "scan")
    assert header["status"] == "interrupted"
    assert "not finished" in (out / "results.md").read_text()
    # What is there can be used already.
    assert (out / "best.yaml").exists()

    with pytest.raises(UmsrepError, match="Pass --resume to go on"):
        search.scan(mapping, out, search.InProcess(), progress=False)
    other = mapping | {"settings": {**mapping["settings"], "epochs": 2}}
    with pytest.raises(UmsrepError, match="settings differ.* Restore the"):
        search.scan(other, out, search.InProcess(), resume=True)

    result = search.scan(
        mapping, out, search.InProcess(), resume=True, progress=False
    )
    assert len(result.table) == 2
    assert (result.table["status"] == "complete").all()
    # The first was not trained again.
    assert changed(out)[first[0]] == first[1]

    # Another objective ranks what is there.
    before = changed(out)
    ranked = search.scan(
        mapping | {"objective": {"metric": "auc"}},
        out,
        search.InProcess(),
        resume=True,
        progress=False,
    )
    assert changed(out) == before
    column = list(ranked.table["validation auc"])
    assert column == sorted(column, reverse=True)

    # Rounds of a space that is no longer asked for are kept, and not ranked.
    narrower = mapping | {"space": {"learning_rate": [1e-3]}}
    ranked = search.scan(
        narrower, out, search.InProcess(), resume=True, progress=False
    )
    assert changed(out) == before
    assert ranked.best["chosen"] == {"learning_rate": 1e-3}
    assert len(ranked.table) == 1
    page = (out / "results.md").read_text()
    assert "1 rounds of an earlier space are not ranked" in page


def test_failed_rounds_can_be_tried_again(toy_recipe, tmp_path):
    # A stage that the network lacks, which shows before anything trains.
    mapping = toy_recipe(
        settings=toy_recipe()["settings"] | {"classification_features": "x"},
        space={"dropout": [0.1]},
    )
    for options in ({}, {"retry_failed": True}):
        before = changed(tmp_path / "scan")
        with pytest.raises(UmsrepError, match="All 1 rounds failed.* Mend"):
            search.scan(
                mapping,
                tmp_path / "scan",
                search.InProcess(),
                progress=False,
                **options,
            )
        assert changed(tmp_path / "scan") != before


def test_tasks_that_train_apart_have_a_best_epoch_each(toy_recipe):
    recipe = search.load_recipe(
        toy_recipe(
            tasks=["blob", "level"],
            settings=toy_recipe()["settings"] | {"strategy": "independent"},
            space={"learning_rate": [0.1]},
        )
    )
    job = jobs.job(recipe, {"learning_rate": 0.1})
    record = worker.run_round(job, capture=False)
    assert record["status"] == "complete", record
    for task in ("blob", "level"):
        losses = record["history"][f"val_{task}_loss"]
        assert record["losses"][task] == pytest.approx(np.nanmin(losses))
        assert record["best_epochs"][task] == np.nanargmin(losses) + 1
    total = record["losses"]["blob"] + record["losses"]["level"]
    assert recipe.objective.value(record) == pytest.approx(total)
    dice = search.Objective("blob", "dice").value(record)
    assert dice == record["metrics"]["blob"]["dice"]


def test_a_construction_is_measured_on_validation_images(toy_recipe):
    recipe = search.load_recipe(
        toy_recipe(
            stage="construct",
            settings={
                "arguments": {"filters": [2] * 6},
                "hidden_units": 2,
                "epochs": 1,
                "precision": "float32",
                "fractions": [0.5, 0.2, 0.3],
            },
            space={"optimizer": ["sgd"]},
        )
    )
    _, training, validation = jobs.splits(recipe)
    record = worker.run_round(jobs.job(recipe, {"optimizer": "sgd"}), False)
    assert record["status"] == "complete", record
    labelled = int((validation.labels("level") >= 0).sum())
    assert record["metrics"]["level"]["images"] == labelled
    assert len(training) != labelled
    assert record["losses"]["level"] == record["history"]["val_level_loss"][0]


def test_denoising_can_be_scanned(toy_recipe):
    recipe = search.load_recipe(
        toy_recipe(
            stage="pretrain",
            tasks=None,
            settings={"epochs": 1, "precision": "float32"},
            space={"filters": [[2, 4]]},
            objective="psnr",
        )
    )
    record = worker.run_round(jobs.job(recipe, {"filters": [2, 4]}), False)
    assert record["status"] == "complete", record
    assert 0 < recipe.objective.value(record) < 60
