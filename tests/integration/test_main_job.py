"""The main job through the command line, on tiny phantoms."""

import json
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from umsrep import runs
from umsrep.cli.main import COMMANDS, app
from umsrep.errors import UmsrepError
from umsrep.report import render
from umsrep.stages import evaluate_run

SIZE = 64


def call(*arguments):
    """Runs a command; its exception, if any, comes back."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None:
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Phantoms, prepared data, and a representation."""
    folder = tmp_path_factory.mktemp("job")
    for layout, images, seed in (("shenzhen", 48, 0), ("montgomery", 14, 1)):
        call(
            *("phantom", "chest", folder / "raw" / layout),
            *("--layout", layout, "--images", images, "--seed", seed),
            *("--size", 128, "--difficulty", "easy"),
        )
        call(
            *("prepare", layout, folder / "raw" / layout),
            *(folder / layout, "--size", SIZE),
        )
        call("verify", folder / layout)
    call(
        *("pretrain", "--data", folder / "shenzhen"),
        *("--out", folder / "representation", "--epochs", 2),
        *("--precision", "float32"),
    )
    return folder


def finetune(work, strategy, *extra, name=None, representation=None):
    out = work / (name or strategy)
    call(
        *("finetune", "--data", work / "shenzhen", "--out", out),
        *("--representation", representation or work / "representation"),
        *("--strategy", strategy, "--epochs", 1, "--precision", "float32"),
        *extra,
    )
    return out


@pytest.fixture(scope="module")
def joint(work):
    return finetune(work, "joint", "--weighting", "uncertainty")


@pytest.fixture(scope="module")
def separate(work):
    return finetune(
        work,
        "separate",
        *("--denoise-with", work / "representation"),
        representation="none",
    )


@pytest.fixture(scope="module")
def evaluations(work, joint, separate):
    folders = []
    for run in (joint, separate):
        folders.append(work / f"evaluation-{run.name}")
        call(
            *("evaluate", run, "--data", work / "montgomery", "--masks"),
            *("--out", folders[-1], "--bootstrap", 50),
        )
    return folders


class TestPretrain:
    def test_table_2(self, work):
        metrics = json.loads(
            (work / "representation" / "metrics.json").read_text()
        )["denoised"]
        assert list(metrics) == [
            "gaussian_10",
            "gaussian_15",
            "gaussian_25",
            "gaussian_35",
            "gaussian_50",
            "poisson",
        ]
        noisy = [row["noisy_psnr"] for row in metrics.values()][:5]
        assert all(a > b for a, b in zip(noisy, noisy[1:], strict=False))
        assert all(0 < row["ms_ssim"] <= 1 for row in metrics.values())

    def test_run_folder_is_complete(self, work):
        folder = work / "representation"
        info = json.loads((folder / "run.json").read_text())
        assert info["status"] == "complete"
        assert info["seconds"] > 0
        assert info["data"][0]["name"] == "shenzhen"
        assert not (folder / "checkpoint").exists()
        split = pd.read_csv(folder / "split.csv")
        assert set(split["split"]) == {"train", "validation", "test"}
        assert (split.groupby("patient")["split"].nunique() == 1).all()

    def test_resume_of_a_complete_run_changes_nothing(self, work):
        before = (work / "representation" / "model.keras").read_bytes()
        call(
            *("pretrain", "--data", work / "shenzhen", "--resume"),
            *("--out", work / "representation", "--epochs", 2),
            *("--precision", "float32"),
        )
        after = (work / "representation" / "model.keras").read_bytes()
        assert before == after

    def test_resume_with_other_settings(self, work):
        with pytest.raises(UmsrepError, match="epochs.*Repeat the command"):
            call(
                *("pretrain", "--data", work / "shenzhen", "--resume"),
                *("--out", work / "representation", "--epochs", 3),
                *("--precision", "float32"),
            )

    def test_existing_folder_without_resume(self, work):
        with pytest.raises(UmsrepError, match="Pass --resume"):
            call(
                *("pretrain", "--data", work / "shenzhen"),
                *("--out", work / "representation"),
            )


class TestFinetune:
    def test_same_split_as_the_pre_training(self, work, joint):
        one, two = (
            pd.read_csv(folder / "split.csv")
            for folder in (work / "representation", joint)
        )
        pd.testing.assert_frame_equal(one, two)

    def test_calibration_and_validation_metrics(self, joint):
        calibration = json.loads((joint / "calibration.json").read_text())
        assert set(calibration) == {"abnormality"}
        assert 0 < calibration["abnormality"]["threshold"] < 1
        metrics = json.loads((joint / "metrics.json").read_text())
        assert 0 <= metrics["lung"]["dice"] <= 1

    def test_separate_models_share_no_file(self, separate):
        names = {path.name for path in separate.glob("*.keras")}
        assert names == {
            "model-lung.keras",
            "model-abnormality.keras",
            "denoiser.keras",
        }

    def test_unknown_task(self, work):
        with pytest.raises(UmsrepError, match="lung, abnormality"):
            finetune(work, "joint", "--task", "heart", name="x")
        assert not (work / "x").exists()

    def test_bad_weight(self, work):
        with pytest.raises(UmsrepError, match="such as lung=2"):
            finetune(work, "joint", "--weight", "lung", name="x")

    def test_bad_filters(self, work):
        with pytest.raises(UmsrepError, match="such as 16,32,64,128"):
            finetune(work, "joint", "--filters", "16-32", name="x")

    def test_new_representation_as_asked_for(self, work):
        run = finetune(
            work,
            "joint",
            *("--filters", "4,8,8,8", "--skips", "--task", "lung"),
            *("--classify-from", "bottleneck"),
            name="narrow",
            representation="none",
        )
        model = runs.Run(run).model()
        assert model.representation.get_config()["filters"] == (4, 8, 8, 8)
        assert model.head("lung").features == model.representation.stages

    def test_unfinished_representation(self, work, tmp_path):
        broken = tmp_path / "broken"
        shutil.copytree(work / "representation", broken)
        info = json.loads((broken / "run.json").read_text())
        info["status"] = "running"
        (broken / "run.json").write_text(json.dumps(info))
        with pytest.raises(UmsrepError, match="with --resume"):
            finetune(work, "joint", name="y", representation=broken)

    def test_run_of_another_version(self, work, tmp_path):
        broken = tmp_path / "broken"
        shutil.copytree(work / "representation", broken)
        info = json.loads((broken / "run.json").read_text())
        info["format_version"] = 99
        (broken / "run.json").write_text(json.dumps(info))
        with pytest.raises(UmsrepError, match="version 99.*Train again"):
            finetune(work, "joint", name="y", representation=broken)

    def test_task_without_labels(self, work, tmp_path):
        bare = tmp_path / "bare"
        shutil.copytree(work / "shenzhen", bare)
        table = pd.read_csv(bare / "manifest.csv", dtype=str)
        table["lung"] = ""
        table.to_csv(bare / "manifest.csv", index=False)
        with pytest.raises(UmsrepError, match="leave the task out"):
            call(
                *("finetune", "--data", bare, "--out", tmp_path / "z"),
                *("--representation", "none", "--task", "lung"),
            )


class TestMistakesBeforeTraining:
    def test_a_mistake_leaves_no_folder_behind(self, work):
        with pytest.raises(UmsrepError, match="sum to 1"):
            finetune(
                work, "joint", "--fractions", 0.6, 0.2, 0.5, name="mistake"
            )
        assert not (work / "mistake").exists()

    def test_resume_on_changed_data(self, work, tmp_path):
        changed = tmp_path / "shenzhen"
        shutil.copytree(work / "shenzhen", changed)
        table = pd.read_csv(changed / "manifest.csv", dtype=str)
        table.iloc[5:].to_csv(changed / "manifest.csv", index=False)
        with pytest.raises(UmsrepError, match="fingerprints.*new --out"):
            call(
                *("pretrain", "--data", changed, "--resume"),
                *("--out", work / "representation", "--epochs", 2),
                *("--precision", "float32"),
            )

    def test_resume_on_changed_pictures(self, work, tmp_path):
        changed = tmp_path / "shenzhen"
        shutil.copytree(work / "shenzhen", changed)
        header = json.loads((changed / "dataset.json").read_text())
        name = next(iter(header["checksums"]))
        header["checksums"][name] = "0" * 64
        (changed / "dataset.json").write_text(json.dumps(header))
        with pytest.raises(UmsrepError, match="fingerprints.*new --out"):
            call(
                *("pretrain", "--data", changed, "--resume"),
                *("--out", work / "representation", "--epochs", 2),
                *("--precision", "float32"),
            )

    def test_the_same_data_elsewhere_may_go_on(self, work, tmp_path):
        moved = tmp_path / "moved" / "shenzhen"
        shutil.copytree(work / "shenzhen", moved)
        call(
            *("pretrain", "--data", moved, "--resume"),
            *("--out", work / "representation", "--epochs", 2),
            *("--precision", "float32"),
        )

    def test_denoise_with_a_fine_tuned_run(self, work, joint):
        with pytest.raises(UmsrepError, match="umsrep pretrain"):
            finetune(work, "separate", "--denoise-with", joint, name="n")

    def test_a_task_named_twice(self, work):
        twice = ("--task", "lung", "--task", "lung")
        with pytest.raises(UmsrepError, match="each task once"):
            finetune(work, "joint", *twice, name="n")

    def test_damaged_run_header(self, work, tmp_path):
        broken = tmp_path / "broken"
        shutil.copytree(work / "representation", broken)
        info = json.loads((broken / "run.json").read_text())
        del info["status"]
        (broken / "run.json").write_text(json.dumps(info))
        with pytest.raises(UmsrepError, match="'status'.*Train again"):
            finetune(work, "joint", name="n", representation=broken)

    def test_a_denoiser_of_test_images_is_said(self, work, capsys):
        from umsrep.stages import FinetuneSettings
        from umsrep.stages import finetune as workflow

        workflow(
            work / "shenzhen",
            ["abnormality"],
            work / "other-denoiser",
            None,
            FinetuneSettings(
                strategy="separate",
                arguments={"filters": (4, 4)},
                seed=5,
                epochs=1,
                precision="float32",
            ),
            denoise_with=work / "representation",
            progress=False,
        )
        assert "was pre-trained (without labels) on" in capsys.readouterr().err
        info = json.loads((work / "other-denoiser/run.json").read_text())
        (seen,) = info["seen_in_stage_one"]
        assert seen["role"] == "denoiser"
        assert not seen["labels"]
        assert 0 < seen["images"] <= seen["of_patients"] <= seen["of"]

    def test_pre_training_on_test_images_is_said(self, work, capsys):
        from umsrep.stages import FinetuneSettings
        from umsrep.stages import finetune as workflow

        workflow(
            work / "shenzhen",
            ["abnormality"],
            work / "other-seed",
            work / "representation",
            FinetuneSettings(seed=5, epochs=1, precision="float32"),
            progress=False,
        )
        assert "was pre-trained (without labels) on" in capsys.readouterr().err
        evaluation = work / "other-seed-evaluation"
        evaluate_run(work / "other-seed", work / "shenzhen", evaluation)
        told = json.loads((evaluation / "evaluation.json").read_text())
        assert told["seen_in_stage_one"] == told["run"]["seen_in_stage_one"]
        assert "<b>Learnt from test images.</b> " in render([evaluation])


class TestEvaluate:
    def test_trained_images_under_another_name(self, work, joint, tmp_path):
        copy = tmp_path / "copy"
        shutil.copytree(work / "shenzhen", copy)
        header = json.loads((copy / "dataset.json").read_text())
        header["name"] = "clinic"
        (copy / "dataset.json").write_text(json.dumps(header))
        with pytest.raises(UmsrepError, match="not trained on"):
            call(
                *("evaluate", joint, "--data", copy),
                *("--out", tmp_path / "e"),
            )

    def test_other_images_under_the_trained_name(self, work, joint, tmp_path):
        copy = tmp_path / "copy"
        shutil.copytree(work / "montgomery", copy)
        header = json.loads((copy / "dataset.json").read_text())
        header["name"] = "shenzhen"
        (copy / "dataset.json").write_text(json.dumps(header))
        with pytest.raises(UmsrepError, match="another name"):
            call(
                *("evaluate", joint, "--data", copy),
                *("--out", tmp_path / "e"),
            )

    def test_images_of_another_size(self, work, joint, tmp_path):
        call(
            *("prepare", "montgomery", work / "raw" / "montgomery"),
            *(tmp_path / "small", "--size", 32),
        )
        with pytest.raises(UmsrepError, match="--size 64"):
            call(
                *("evaluate", joint, "--data", tmp_path / "small"),
                *("--out", tmp_path / "e"),
            )

    @pytest.mark.parametrize("content", [None, "image,patient\na,b\n"])
    def test_damaged_split(self, work, joint, tmp_path, content):
        broken = tmp_path / "broken"
        shutil.copytree(joint, broken)
        (broken / "split.csv").unlink()
        if content:
            (broken / "split.csv").write_text(content)
        with pytest.raises(UmsrepError, match="split.csv.*train again"):
            call(
                *("evaluate", broken, "--data", work / "montgomery"),
                *("--out", tmp_path / "e"),
            )

    def test_unknown_split(self, work, joint):
        with pytest.raises(UmsrepError, match="train, validation, test"):
            call(
                *("evaluate", joint, "--data", work / "montgomery"),
                *("--out", work / "e", "--split", "tst"),
            )

    def test_metrics_follow_from_the_predictions(self, evaluations):
        folder = evaluations[0]
        metrics = json.loads((folder / "metrics.json").read_text())
        table = pd.read_csv(folder / "predictions.csv")
        assert len(table) == 14
        right = table["abnormality_true"] == table["abnormality_pred"]
        assert metrics["abnormality"]["accuracy"] == pytest.approx(right.mean())
        assert metrics["lung"]["dice"] == pytest.approx(
            table["lung_dice"].mean()
        )
        low, high = metrics["lung"]["dice_ci95"]
        assert low <= metrics["lung"]["dice"] <= high

    def test_masks_on_request_equal_the_scores(self, work, evaluations):
        from umsrep import data

        folder = evaluations[0]
        table = pd.read_csv(folder / "predictions.csv")
        prepared = data.load(work / "montgomery")
        name = prepared.table["image"][3]
        mask = cv2.imread(
            str(folder / "masks" / "lung" / name.split("/")[1]), 0
        )
        assert set(np.unique(mask)) <= {0, 255}
        true = prepared.mask("lung", 3)
        dice = 2 * (true & (mask > 0)).sum() / (true.sum() + (mask > 0).sum())
        row = table[table["image"] == name]
        assert row["lung_dice"].item() == pytest.approx(dice)

    def test_trained_data_is_tested_on_its_test_split_only(
        self, work, joint, tmp_path
    ):
        call(
            *("evaluate", joint, "--data", work / "shenzhen"),
            *("--out", tmp_path / "own", "--bootstrap", 0),
        )
        table = pd.read_csv(tmp_path / "own" / "predictions.csv")
        split = runs.Run(joint).split()
        test = split[split["split"] == "test"]["image"]
        assert set(table["image"]) == set(test)

    def test_blank_outside_changes_what_the_classifier_sees(
        self, work, joint, tmp_path, evaluations
    ):
        call(
            *("evaluate", joint, "--data", work / "montgomery"),
            *("--out", tmp_path / "blank", "--blank-outside", "lung"),
            *("--bootstrap", 0),
        )
        whole = pd.read_csv(evaluations[0] / "predictions.csv")
        blank = pd.read_csv(tmp_path / "blank" / "predictions.csv")
        column = "abnormality_p_abnormal"
        assert (whole[column] != blank[column]).any()

    def test_pretraining_run_is_refused(self, work):
        with pytest.raises(UmsrepError, match="no target tasks"):
            call(
                *("evaluate", work / "representation"),
                *("--data", work / "montgomery", "--out", work / "e"),
            )

    def test_empty_split(self, work, joint):
        with pytest.raises(UmsrepError, match="Choose another --split"):
            call(
                *("evaluate", joint, "--data", work / "montgomery"),
                *("--out", work / "e", "--split", "validation"),
            )


class TestShifts:
    def test_table_of_shifts(self, work, joint, tmp_path):
        out = tmp_path / "shifts.csv"
        call("shifts", joint, "--data", work / "shenzhen", "--out", out)
        table = pd.read_csv(out, index_col="shift")
        assert table.index[0] == "none"
        assert table.index[-1] == "mean"
        # The unshifted row is what the run measured on its validation images.
        metrics = json.loads((joint / "metrics.json").read_text())
        for task, name in (("lung", "dice"), ("abnormality", "auc")):
            assert table.loc["none", f"{task} {name}"] == pytest.approx(
                metrics[task][name], abs=1e-4
            )
        shifts = table.drop(index=["none", "mean"])["lung dice"]
        assert table.loc["mean", "lung dice"] == pytest.approx(shifts.mean())
        assert shifts.nunique() > 5

    def test_the_same_as_evaluate(self, work, joint, tmp_path):
        out = tmp_path / "shifts.csv"
        options = ("--data", work / "shenzhen", "--components", "lung=1")
        call("shifts", joint, *options, "--out", out)
        call(
            *("evaluate", joint, *options, "--split", "validation"),
            *("--shift", "dark", "--bootstrap", 0, "--out", tmp_path / "e"),
        )
        metrics = json.loads((tmp_path / "e" / "metrics.json").read_text())
        table = pd.read_csv(out, index_col="shift")
        assert table.loc["dark", "lung dice"] == pytest.approx(
            metrics["lung"]["dice"]
        )
        info = json.loads((tmp_path / "e" / "evaluation.json").read_text())
        assert info["components"] == {"lung": 1}

    @pytest.mark.parametrize(
        ("given", "advice"),
        [
            ("lung", "such as lung=2"),
            ("lung=0.5", "whole number"),
            ("abnormality=1", "mask tasks: lung"),
        ],
    )
    def test_bad_components(self, work, joint, given, advice):
        with pytest.raises(UmsrepError, match=advice):
            call(
                *("evaluate", joint, "--data", work / "montgomery"),
                *("--out", work / "e", "--components", given),
            )
        assert not (work / "e").exists()


class TestCompareExplainReport:
    def test_compare(self, evaluations, tmp_path):
        out = tmp_path / "comparison.json"
        call("compare", *evaluations, "--out", out)
        assert "abnormality" in out.read_text()

    def test_explain(self, work, joint, tmp_path):
        files = sorted((work / "raw" / "montgomery").rglob("MCUCXR*.png"))
        files = [file for file in files if "CXR_png" in str(file)][:3]
        call(
            *("explain", joint, "--task", "abnormality", *files),
            *("--out", tmp_path / "why"),
        )
        table = pd.read_csv(tmp_path / "why" / "explanations.csv")
        assert len(table) == 3
        for name in table["overlay"]:
            assert cv2.imread(str(tmp_path / "why" / name)).shape[2] == 3

    def test_explain_a_mask_task(self, work, joint, tmp_path):
        with pytest.raises(UmsrepError, match="classification tasks"):
            call(
                *("explain", joint, "--task", "lung", "x.png"),
                *("--out", tmp_path / "why"),
            )

    def test_report(self, work, evaluations, tmp_path):
        out = tmp_path / "report.html"
        call(*("report", work / "representation", *evaluations, "--out", out))
        page = out.read_text()
        for words in ("joint", "separate", "abnormality", "data:image"):
            assert words in page
        assert "http://" not in page.replace("http://www.w3.org", "")


class TestConsoleScript:
    """In a process of its own, where nothing has been imported yet."""

    def run(self, *arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "umsrep.cli", *map(str, arguments)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        return done

    def test_evaluate_knows_the_classes_of_a_model(self, work, joint, tmp_path):
        self.run(
            *("evaluate", joint, "--data", work / "montgomery"),
            *("--out", tmp_path / "e", "--bootstrap", 0),
        )
        assert (tmp_path / "e" / "evaluation.json").exists()

    def test_a_mistake_is_one_line_and_exit_code_1(self, tmp_path):
        done = self.run("verify", tmp_path, code=1)
        assert len(done.stderr.strip().splitlines()) == 1
        assert "umsrep prepare" in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name):
    assert "Usage" in call(name, "--help")
