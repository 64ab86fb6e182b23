"""The recipe of UMS-Rep on chest X-rays, from phantom files to tables."""

import pandas as pd
import pytest
from typer.testing import CliRunner

from umsrep import runs
from umsrep.cli.main import app
from umsrep.data import storage
from umsrep.errors import UmsrepError
from umsrep.evaluation import table_metrics

FOLDS = 2
TABLES = (
    "Table 1: data",
    "Table 2: denoising",
    "Table 3: heterogeneous tasks",
    f"Table 3, ensembles of the {FOLDS} folds",
    "Table 4: cost of the heterogeneous tasks",
    "McNemar and Wilcoxon over folds, heterogeneous tasks",
    "shenzhen, each patient by the fold that held them out",
    "McNemar and Wilcoxon on held out patients of shenzhen",
    "Table 5: homogeneous tasks",
    "Table 6: cost of the homogeneous tasks",
)


def recipe(out, *more):
    arguments = (
        *("recipe", "ums-rep-cxr", "--out", out, "--images", 80),
        *("--size", 32, "--folds", FOLDS, "--epochs", 1),
        *("--construction-epochs", 1, "--strategy", "independent"),
        *("--argument", "filters=[4,4,8]", "--precision", "float32"),
        *("--fractions", 0.6, 0.3, 0.1, *more),
    )
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None:
        raise result.exception
    return result.output


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe") / "out"
    recipe(folder)
    return folder


def test_the_papers_tables_and_figures(out):
    text = (out / "tables.md").read_text()
    for heading in TABLES:
        assert f"## {heading}\n" in text
    for name in ("figure-2", "figure-6", "figure-7-abnormality"):
        assert (out / f"{name}.svg").stat().st_size > 5_000
    about = storage.read_json(out / "results.json")
    assert about["construction"]["fractions"] == [0.7, 0.2, 0.1]


def test_folds_hold_out_each_patient_and_test_in_the_other_hospital(out):
    places = out / "evaluations" / "heterogeneous-independent"
    abroad = [
        table_metrics.read_predictions(places / name / "predictions.csv")
        for name in ("fold-1", "fold-2", "ensemble")
    ]
    assert len({tuple(table["image"]) for table in abroad}) == 1
    home = pd.read_csv(places / "held-out" / "predictions.csv")
    assert len(home) == 80
    # In both sets of tasks the run of all folds is a run.
    for which in ("heterogeneous", "homogeneous"):
        for strategy in ("independent", "separate"):
            run = runs.Run(out / "runs" / f"{which}-{strategy}")
            assert run.folds == FOLDS


def test_the_test_images_of_the_paediatric_set_are_its_own(out):
    place = out / "evaluations" / "homogeneous-separate" / "fold-2"
    tested = table_metrics.read_predictions(place / "predictions.csv")
    (data,) = (out / "data").glob("kermany-*")
    manifest = pd.read_csv(data / "prepared" / "manifest.csv")
    assert set(tested["image"]) == set(
        manifest["image"][manifest["split"] == "test"]
    )


def test_only_the_baseline_is_denoised_first(out):
    for strategy in ("independent", "separate"):
        run = runs.Run(out / "runs" / f"heterogeneous-{strategy}")
        assert (run.denoiser() is not None) == (strategy == "separate")


def test_what_is_there_is_not_done_again(out):
    before = (out / "tables.md").read_text()
    header = out / "runs" / "homogeneous-separate" / "run.json"
    written = header.read_bytes()
    recipe(out)
    assert header.read_bytes() == written
    assert (out / "tables.md").read_text() == before


def test_sets_go_together(tmp_path):
    with pytest.raises(UmsrepError, match="Pass all four, or none"):
        recipe(tmp_path / "out", "--external", tmp_path)
    assert not (tmp_path / "out").exists()
