"""Stage 1 on a label task, and that its patients stay out of stage 2."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from umsrep import data, runs
from umsrep.cli.main import app
from umsrep.data import prepared, storage
from umsrep.errors import UmsrepError
from umsrep.evaluation.summary import summary_table
from umsrep.report.page import render
from umsrep.stages import (
    ConstructionSettings,
    FinetuneSettings,
    PretrainSettings,
    construct,
    finetune,
    pretrain,
)
from umsrep.stages.evaluation import evaluate_run
from umsrep.stages.objectives import Supervised
from umsrep.stages.unseen import Unseen

CONSTRUCTION = ConstructionSettings(
    task="level",
    arguments={"filters": (4, 4, 8, 8, 8, 8), "strides": (1, 2, 2)},
    hidden_units=8,
    learning_rate=5e-3,
    epochs=2,
    fractions=(0.5, 0.15, 0.35),
    precision="float32",
)
FINETUNING = FinetuneSettings(
    convolutions=(),
    hidden_units=4,
    epochs=1,
    augmentation=0.0,
    fractions=(0.45, 0.2, 0.35),
    precision="float32",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, prepared_writer):
    return prepared_writer(tmp_path_factory.mktemp("data") / "strips", count=90)


@pytest.fixture(scope="module")
def constructed(folder):
    out = folder.parent / "constructed"
    construct([data.load(folder)], out, CONSTRUCTION, progress=False)
    return out


@pytest.fixture(scope="module")
def finetuned(folder, constructed):
    out = folder.parent / "finetuned"
    finetune(folder, None, out, constructed, FINETUNING, progress=False)
    return out


def split_of(run):
    return runs.Run(run).split()


def learnt_from(run):
    table = split_of(run)
    return set(table["patient"][table["split"].isin(["train", "validation"])])


class TestConstruct:
    def test_run_folder(self, folder, constructed):
        info = json.loads((constructed / "run.json").read_text())
        assert (info["kind"], info["status"]) == ("pretrain", "complete")
        assert info["tasks"] == ["level"]
        assert info["task_specs"]["level"]["classes"] == ["low", "high"]
        assert runs.Run(constructed).has_labels
        metrics = storage.read_json(constructed / "metrics.json")["level"]
        assert {"accuracy", "f_score", "mcc"} <= set(metrics)
        table = split_of(constructed)
        test = table[table["split"] == "test"]
        labelled = data.load(folder).table.set_index("image")["level"] != ""
        assert metrics["images"] == labelled[test["image"]].sum()
        assert info["images"]["test"] == len(test)
        history = pd.read_csv(constructed / "history.csv")
        assert {"level_loss", "val_level_loss"} <= set(history)

    def test_shares_of_patients(self, constructed):
        table = split_of(constructed)
        assert (table.groupby("patient")["split"].nunique() == 1).all()
        patients = table.groupby("split")["patient"].nunique()
        shares = patients / patients.sum()
        for name, share in zip(
            ("train", "validation", "test"), CONSTRUCTION.fractions, strict=True
        ):
            assert shares[name] == pytest.approx(share, abs=0.05)

    def test_model_is_as_asked_for(self, constructed):
        model = runs.Run(constructed).model()
        config = model.representation.get_config()
        assert config["filters"] == (4, 4, 8, 8, 8, 8)
        assert model.head("level").features == "bottleneck"
        assert model.head("level").dropout == 0.5

    def test_resume_of_a_complete_run_changes_nothing(
        self, folder, constructed
    ):
        before = (constructed / "model.keras").read_bytes()
        again = construct([folder], constructed, CONSTRUCTION, resume=True)
        metrics = storage.read_json(constructed / "metrics.json")["level"]
        assert again == metrics
        assert (constructed / "model.keras").read_bytes() == before

    def test_resume_as_denoising(self, folder, constructed):
        with pytest.raises(UmsrepError, match="task.*Repeat the command"):
            pretrain([folder], constructed, PretrainSettings(), resume=True)

    def test_goes_on_after_an_interruption(
        self, folder, constructed, tmp_path, monkeypatch
    ):
        def interrupt(self, *arguments):
            raise KeyboardInterrupt("stop here")

        with monkeypatch.context() as patch:
            patch.setattr(Supervised, "measure", interrupt)
            with pytest.raises(KeyboardInterrupt, match="stop here"):
                construct([folder], tmp_path / "run", CONSTRUCTION)
        assert runs.read_run(tmp_path / "run")["status"] == "running"
        construct([folder], tmp_path / "run", CONSTRUCTION, resume=True)
        one, two = (
            runs.Run(run).model().get_weights()
            for run in (constructed, tmp_path / "run")
        )
        for a, b in zip(one, two, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(
        ("task", "advice"),
        [
            ("", "an objective that needs none, such as --objective denoising"),
            ("flow", "Its tasks: blob, level"),
        ],
    )
    def test_task_that_will_not_do(self, folder, tmp_path, task, advice):
        with pytest.raises(UmsrepError, match=advice):
            construct([folder], tmp_path / "x", ConstructionSettings(task=task))
        assert not (tmp_path / "x").exists()

    def test_no_patients_left_for_target_tasks(self, folder, tmp_path):
        settings = ConstructionSettings(task="level", fractions=(0.8, 0.2, 0.0))
        with pytest.raises(UmsrepError, match=r"such as 0\.6 0\.1 0\.3"):
            construct([folder], tmp_path / "x", settings)

    def test_bad_dropout(self):
        with pytest.raises(UmsrepError, match="from 0 on and below 1"):
            ConstructionSettings(task="level", dropout=1.0)


class TestUnseenPatients:
    def test_none_is_on_both_sides(self, folder, constructed, finetuned):
        table = split_of(finetuned)
        used = table[table["split"] != "seen"]
        assert not learnt_from(constructed) & set(used["patient"])
        assert set(used["split"]) == {"train", "validation", "test"}
        assert (table.groupby("patient")["split"].nunique() == 1).all()
        # Everything else is used, and what was left out is on record.
        assert set(table["image"]) == set(data.load(folder).table["image"])
        seen = table["patient"][table["split"] == "seen"]
        assert set(seen) == learnt_from(constructed)
        images = runs.read_run(finetuned)["images"]
        assert images["left_out"] == len(seen)

    def test_it_is_said(self, folder, constructed, tmp_path, capsys):
        finetune(folder, ["level"], tmp_path / "run", constructed, FINETUNING)
        said = capsys.readouterr().err
        count = len(learnt_from(constructed))
        assert f"of {count} patients are left out" in said
        assert "Warning" not in said

    def test_a_baseline_of_the_same_patients(
        self, folder, constructed, finetuned, tmp_path
    ):
        settings = FinetuneSettings(
            **{
                **vars(FINETUNING),
                "strategy": "separate",
                "architecture": "dilated_cnn",
                "arguments": CONSTRUCTION.arguments,
            }
        )
        finetune(
            folder,
            ["level"],
            tmp_path / "run",
            settings=settings,
            leave_out=constructed,
        )
        pd.testing.assert_frame_equal(
            split_of(tmp_path / "run"), split_of(finetuned)
        )

    def test_segmentation_reads_the_bottleneck(self, finetuned):
        model = runs.Run(finetuned).model()
        assert model.head("blob").features == "bottleneck"
        assert model.head("level").features == "bottleneck"
        assert runs.read_run(finetuned)["trainable_parameters"]["encoder"] == 0

    def test_other_data_is_used_whole(self, other_folder, constructed):
        other = data.load(other_folder)
        unseen = Unseen(other, [runs.Run(constructed)])
        assert len(unseen.data) == len(other)

    def test_known_again_under_another_name(
        self, folder, constructed, tmp_path
    ):
        shutil.copytree(folder, tmp_path / "renamed")
        header = storage.read_json(tmp_path / "renamed" / "dataset.json")
        storage.write_json(
            tmp_path / "renamed" / "dataset.json", {**header, "name": "other"}
        )
        # And by any one image: the run has seen only the first of each.
        shutil.copytree(constructed, tmp_path / "run")
        table = split_of(constructed).drop_duplicates("patient")
        storage.write_csv(tmp_path / "run" / "split.csv", table)
        whole = data.load(tmp_path / "renamed")
        assert whole.name == "other"
        unseen = Unseen(whole, [runs.Run(tmp_path / "run")])
        used = set(unseen.data.table["patient"])
        assert used == set(whole.table["patient"]) - learnt_from(constructed)

    def test_known_again_in_other_pictures(self, folder, constructed, tmp_path):
        # Prepared at another size, every checksum is another.
        shutil.copytree(constructed, tmp_path / "run")
        table = split_of(constructed).assign(checksum="0")
        storage.write_csv(tmp_path / "run" / "split.csv", table)
        whole = data.load(folder)
        unseen = Unseen(whole, [runs.Run(tmp_path / "run")])
        used = set(unseen.data.table["patient"])
        assert used == set(whole.table["patient"]) - learnt_from(constructed)

    def test_constructed_on_several_data_sets(
        self, folder, other_folder, tmp_path
    ):
        settings = ConstructionSettings(
            **{**vars(CONSTRUCTION), "epochs": 1, "fractions": (0.4, 0.3, 0.3)}
        )
        out = tmp_path / "run"
        construct([folder, other_folder], out, settings)
        whole = data.load(folder)
        unseen = Unseen(whole, [runs.Run(out)])
        table = split_of(out)
        ours = table[table["patient"].str.startswith("strips/")]
        ours = set(ours["patient"][ours["split"] != "test"])
        used = {f"strips/{p}" for p in unseen.data.table["patient"]}
        assert ours
        assert not ours & used
        # What it saw of the other set is on record too.
        others = pd.concat(unseen.seen)["patient"].str.startswith("other/")
        assert others.any()

    def test_all_were_seen(self, folder, constructed, tmp_path):
        shutil.copytree(constructed, tmp_path / "run")
        table = split_of(constructed).assign(split="train")
        storage.write_csv(tmp_path / "run" / "split.csv", table)
        with pytest.raises(UmsrepError, match="--fractions 0.6 0.1 0.3"):
            finetune(folder, None, tmp_path / "x", tmp_path / "run")

    def test_too_few_are_left(self, folder, constructed, tmp_path):
        settings = FinetuneSettings(
            **{**vars(FINETUNING), "fractions": (0.5, 0.0, 0.5)}
        )
        advice = "Choose other split fractions.* are left out"
        with pytest.raises(UmsrepError, match=advice):
            finetune(folder, None, tmp_path / "x", constructed, settings)

    def test_denoising_leaves_nobody_out(self, folder, tmp_path):
        settings = PretrainSettings(
            epochs=1, arguments={"filters": (4, 4)}, seed=1
        )
        pretrain([folder], tmp_path / "denoiser", settings, progress=False)
        assert not runs.Run(tmp_path / "denoiser").has_labels
        finetune(
            folder,
            ["level"],
            tmp_path / "run",
            tmp_path / "denoiser",
            FINETUNING,
            progress=False,
        )
        assert "seen" not in set(split_of(tmp_path / "run")["split"])

    def test_it_is_no_denoiser(self, folder, constructed, tmp_path):
        with pytest.raises(UmsrepError, match="pretrain` without --task"):
            finetune(folder, None, tmp_path / "x", denoise_with=constructed)

    def test_leave_out_a_run_of_fine_tuning(self, folder, finetuned, tmp_path):
        with pytest.raises(UmsrepError, match="folder of `umsrep pretrain`"):
            finetune(folder, None, tmp_path / "x", leave_out=finetuned)


class TestAfterwards:
    def test_evaluated_on_its_test_patients(self, folder, finetuned, tmp_path):
        evaluate_run(finetuned, folder, tmp_path / "e", bootstrap=0)
        table = pd.read_csv(tmp_path / "e" / "predictions.csv", dtype=str)
        split = split_of(finetuned)
        test = split["image"][split["split"] == "test"]
        assert set(table["image"]) == set(test)

    def test_a_folder_is_opened_once(
        self, folder, constructed, finetuned, tmp_path, monkeypatch
    ):
        opened = []
        read = prepared.read_header

        def counted(path):
            opened.append(path)
            return read(path)

        monkeypatch.setattr(prepared, "read_header", counted)
        resumed = {"settings": FINETUNING, "resume": True}
        finetune(folder, None, finetuned, constructed, **resumed)
        assert opened == [folder]
        evaluate_run(finetuned, folder, tmp_path / "e", bootstrap=0)
        assert opened == [folder, folder]
        finetune(data.load(folder), None, finetuned, constructed, **resumed)
        assert opened == [folder, folder, folder]

    def test_evaluation_on_what_the_representation_saw(
        self, folder, constructed, finetuned, tmp_path
    ):
        shutil.copytree(folder, tmp_path / "other")
        header = storage.read_json(folder / "dataset.json")
        storage.write_json(
            tmp_path / "other" / "dataset.json", {**header, "name": "other"}
        )
        path = tmp_path / "other" / "manifest.csv"
        manifest = pd.read_csv(path, dtype=str, keep_default_na=False)
        seen = manifest["patient"].isin(learnt_from(constructed))
        storage.write_csv(path, manifest[seen])
        with pytest.raises(UmsrepError, match="not trained on"):
            evaluate_run(finetuned, tmp_path / "other", tmp_path / "e")

    def test_the_construction_is_not_evaluated(
        self, folder, constructed, tmp_path
    ):
        with pytest.raises(UmsrepError, match="in its metrics.json"):
            evaluate_run(constructed, folder, tmp_path / "e")

    def test_report(self, folder, constructed, finetuned, tmp_path):
        evaluate_run(finetuned, folder, tmp_path / "e", bootstrap=0)
        folders = [constructed, tmp_path / "e"]
        page = render(folders)
        accuracy = storage.read_json(constructed / "metrics.json")["level"]
        assert '<section id="construction">' in page
        assert f"<td>{accuracy['accuracy']:.3f}</td>" in page
        assert "Restoration" not in page
        assert "triplets" not in page
        rows = summary_table(folders)
        row = rows[rows["strategy"] == "pre-training"].iloc[0]
        assert row["task"] == "level"
        assert row["trainable_parameters"] > 0


class TestCommandLine:
    def call(self, *arguments):
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        if result.exception is not None:
            raise result.exception
        return result.output

    def test_options_reach_the_run(self, folder, tmp_path):
        out = self.call(
            *("pretrain", "--data", folder, "--out", tmp_path / "run"),
            *("--task", "level", "--filters", "4,4,4,4,4,6", "--epochs", 1),
            *("--argument", "dilation_rate=3", "--dropout", 0.3),
            *("--hidden-units", 5, "--optimizer", "sgd"),
            *("--precision", "float32"),
        )
        assert "accuracy" in out
        info = runs.read_run(tmp_path / "run")
        assert info["config"]["fractions"] == [0.6, 0.1, 0.3]
        assert info["config"]["optimizer"] == "sgd"
        model = runs.Run(tmp_path / "run").model()
        config = model.representation.get_config()
        assert config["dilation_rate"] == 3
        assert config["filters"] == (4, 4, 4, 4, 4, 6)
        head = model.head("level")
        assert (head.dropout, head.hidden_units) == (0.3, 5)

    @pytest.mark.parametrize(
        "option",
        [
            ("--dropout", 0.3),
            ("--hidden-units", 5),
        ],
    )
    def test_options_of_the_other_kind(self, folder, tmp_path, option):
        with pytest.raises(UmsrepError, match=f"{option[0]}.*Add --objective"):
            self.call(
                *("pretrain", "--data", folder, "--out", tmp_path / "run"),
                *option,
            )

    def test_leave_out(self, folder, constructed, tmp_path):
        self.call(
            *("finetune", "--data", folder, "--out", tmp_path / "run"),
            *("--representation", "none", "--task", "level", "--epochs", 1),
            *("--filters", "4,4", "--leave-out", constructed),
            *("--fractions", 0.5, 0.2, 0.3, "--precision", "float32"),
        )
        table = split_of(tmp_path / "run")
        used = table["patient"][table["split"] != "seen"]
        assert not learnt_from(constructed) & set(used)
