"""Writers of small run folders and evaluation folders."""

import cv2
import numpy as np
import pandas as pd
import pytest

from umsrep.data.prepared import TaskSpec
from umsrep.data.storage import write_csv, write_json
from umsrep.evaluation.table_metrics import all_metrics

CLASSES = ("normal", "abnormal")


def run_info(**changes):
    return {
        "format": "umsrep-run",
        "format_version": 1,
        "kind": "finetune",
        "strategy": "joint",
        "tasks": ["lung", "finding"],
        "task_specs": {
            "lung": {"kind": "mask"},
            "finding": {"kind": "label", "classes": list(CLASSES)},
        },
        "config": {"batch_size": 16, "representation": "/secret/place/pre"},
        "seed": 3,
        "versions": {"keras": "3.15.0"},
        "machine": {"processor": "Test CPU", "cores": 2},
        "data": [{"path": "/secret/place/shenzhen", "name": "shenzhen"}],
        "status": "complete",
        "seconds": 12.5,
        "trainable_parameters": {"total": 30000, "encoder": 10000},
        "epochs_run": 3,
    } | changes


def predictions(images=24, skill=1.0, seed=0):
    """Both tasks for the same images; `skill` moves the predictions."""
    rng = np.random.default_rng([seed])
    true = np.arange(images) % 2
    score = 1 / (
        1 + np.exp(-(skill * (2 * true - 1) + rng.normal(0, 1, images)))
    )
    dice = np.clip(0.85 + 0.05 * skill + rng.normal(0, 0.05, images), 0, 1)
    return pd.DataFrame(
        {
            "image": [f"images/p{n:02}.png" for n in range(images)],
            "patient": [f"p{n // 2}" for n in range(images)],
            "split": "test",
            "finding_true": np.array(CLASSES)[true],
            "finding_pred": np.array(CLASSES)[(score >= 0.5).astype(int)],
            "finding_p_normal": 1 - score,
            "finding_p_abnormal": score,
            "lung_dice": dice,
            "lung_iou": dice / (2 - dice),
            "lung_accuracy": dice,
        }
    )


def history(tasks=("lung", "finding"), epochs=3):
    columns = {"epoch": range(1, epochs + 1)}
    for task in tasks:
        columns[f"{task}_loss"] = np.linspace(1, 0.5, epochs)
        columns[f"val_{task}_loss"] = np.linspace(1.1, 0.6, epochs)
    return pd.DataFrame(columns)


def write_picture(path, side=64, colour=False, seed=0):
    shape = (side, side, 3) if colour else (side, side)
    pixels = np.random.default_rng([seed]).integers(0, 256, shape, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return pixels


def make_run(folder, **changes):
    """A pre-training run folder; `changes` are entries of run.json."""
    info = {"kind": "pretrain", "strategy": None, "tasks": ["denoised"]}
    info["task_specs"] = {"denoised": {"kind": "image"}}
    write_json(folder / "run.json", run_info(**info | changes))
    write_csv(folder / "history.csv", history(["denoised"]))
    level = {"psnr": 35.6, "ssim": 0.91, "ms_ssim": 0.99}
    level |= {f"noisy_{key}": value - 0.3 for key, value in level.items()}
    write_json(
        folder / "metrics.json",
        {"denoised": {"gaussian_10": level, "poisson": level}},
    )
    parts = ("noisy", "denoised", "clean")
    for seed, part in enumerate(parts):
        write_picture(folder / "samples" / f"t_{part}.png", seed=seed)
    write_json(
        folder / "samples" / "samples.json",
        [{"noise": "gaussian_10"} | {p: f"t_{p}.png" for p in parts}],
    )
    return folder


def make_evaluation(folder, skill=1.0, run=None, **changes):
    """An evaluation folder; `changes` are entries of evaluation.json."""
    table = predictions(skill=skill)
    tasks = [
        TaskSpec("lung", "mask"),
        TaskSpec("finding", "label", CLASSES),
    ]
    write_csv(folder / "predictions.csv", table)
    write_json(folder / "metrics.json", all_metrics(table, tasks, 50))
    write_csv(folder / "history.csv", history())
    entries = []
    for number in range(3):
        file = f"pictures/m{number}.png"
        write_picture(folder / file, colour=True, seed=number)
        entries.append(
            {
                "kind": "mask",
                "task": "lung",
                "image": table["image"][number],
                "file": file,
                "caption": f"misses the base {number}",
                "score": table["lung_dice"][number],
            }
        )
    entries.append(
        entries[0] | {"kind": "gradcam", "task": "finding", "score": 0.75}
    )
    write_json(folder / "pictures" / "pictures.json", entries)
    write_json(
        folder / "evaluation.json",
        {
            "format": "umsrep-evaluation",
            "format_version": 1,
            "run": run_info(strategy=folder.name) if run is None else run,
            "data": {"name": "montgomery", "path": "/secret/place/mc"},
            "split": "test",
            "tasks": {
                "lung": {"kind": "mask"},
                "finding": {"kind": "label", "classes": list(CLASSES)},
            },
            "history": "history.csv",
        }
        | changes,
    )
    return folder


def make_four(root):
    """A pre-training run and the evaluations of three strategies."""
    skills = {"independent": 2.0, "joint": 1.0, "separate": -1.0}
    return [
        make_run(root / "pre"),
        *(make_evaluation(root / name, skills[name]) for name in skills),
    ]


@pytest.fixture
def write_run(tmp_path):
    """`write_run(name, **changes of run.json)` -> folder."""
    return lambda name="pre", **changes: make_run(tmp_path / name, **changes)


@pytest.fixture
def write_evaluation(tmp_path):
    """`write_evaluation(name, skill, run, **changes)` -> folder."""
    return lambda name="joint", *arguments, **changes: make_evaluation(
        tmp_path / name, *arguments, **changes
    )


@pytest.fixture
def four(tmp_path):
    """Folders of a whole comparison, to change at will."""
    return make_four(tmp_path)


@pytest.fixture(scope="session")
def shared_four(tmp_path_factory):
    """The same, written once; not to be changed."""
    return make_four(tmp_path_factory.mktemp("four"))
