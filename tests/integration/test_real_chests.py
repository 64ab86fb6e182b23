"""Real radiographs from their files to an exported one, and back."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

import data_prep
from umsrep.export import export_run
from umsrep.inference.predict_files import predict_files
from umsrep.stages.evaluation import evaluate_run
from umsrep.stages.finetuning import FinetuneSettings, finetune

pytestmark = pytest.mark.real_data

IMAGES = 48
# Thresholded at 1/2; where both sides round to it, a pixel may differ.
MOST_PIXELS = 1e-4
PROBABILITY = "abnormality_p_abnormal"


@pytest.fixture(scope="module")
def work(real_data, tmp_path_factory):
    """A folder with `raw`, `prepared`, `run`: a short training."""
    work = tmp_path_factory.mktemp("real")
    images = sorted((real_data / "shenzhen/images").glob("*.png"))
    chosen = images[: IMAGES // 2] + images[-IMAGES // 2 :]
    for image in chosen:
        mask = real_data / f"shenzhen/mask/{image.stem}_mask.png"
        for source, folder in ((image, "images"), (mask, "mask")):
            if source.exists():
                link = work / "raw" / folder / source.name
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(source)
    data_prep.get("shenzhen")(work / "raw", work / "prepared", size=64)
    settings = FinetuneSettings(
        strategy="joint",
        arguments={"filters": (8, 16, 32)},
        convolutions=(16,),
        weighting={"lung": 1, "abnormality": 5},
        dropout=0.0,
        epochs=12,
        learning_rate=3e-3,
        augmentation=0.0,
        precision="float32",
        fractions=(0.5, 0.25, 0.25),
    )
    finetune(work / "prepared", None, work / "run", settings=settings)
    return work


@pytest.fixture(scope="module")
def exported(work):
    """What `umsrep export` says of an ONNX file."""
    return export_run(
        work / "run",
        work / "model.onnx",
        "onnx",
        data_folder=work / "prepared",
    )


@pytest.fixture(scope="module")
def predicted(work, exported):
    """Folders of `umsrep predict` on the original files."""
    for name in ("run", "model.onnx"):
        summary = predict_files(
            work / name, [work / "raw/images"], work / f"{name}-predicted"
        )
        assert summary.failures == 0
    return work / "run-predicted", work / "model.onnx-predicted"


def read(folder):
    table = pd.read_csv(folder / "predictions.csv")
    return table.set_index("name").sort_index()


def test_the_file_says_what_the_run_says_of_real_images(exported):
    for task in ("lung", "abnormality"):
        entry = exported["parity"]["tasks"][task]
        assert entry["max_difference"] < 1e-4
    assert exported["parity"]["images"] > 0


def test_masks_have_the_size_of_the_files(work, predicted):
    for folder in predicted:
        names = list(read(folder).index)
        assert len(names) == IMAGES
        for name in names[::8]:
            original = cv2.imread(str(work / f"raw/images/{name}.png"), 0)
            mask = cv2.imread(str(folder / f"masks/lung/{name}.png"), 0)
            assert mask.shape == original.shape
            assert set(np.unique(mask)) <= {0, 255}


def test_the_file_predicts_as_the_run_does(predicted):
    run, file = map(read, predicted)
    # Images differ by far more than the two may.
    assert np.ptp(run[PROBABILITY]) > 0.01
    np.testing.assert_allclose(file[PROBABILITY], run[PROBABILITY], atol=1e-4)
    differing = [
        np.mean(
            cv2.imread(str(predicted[0] / f"masks/lung/{name}.png"), 0)
            != cv2.imread(str(predicted[1] / f"masks/lung/{name}.png"), 0)
        )
        for name in run.index
    ]
    assert max(differing) < MOST_PIXELS


def test_new_files_get_what_the_evaluation_gave(work, predicted):
    """Prepared pixels and the files they were made of are the same images."""
    evaluate_run(work / "run", work / "prepared", work / "evaluation")
    cases = pd.read_csv(work / "evaluation/predictions.csv")
    cases.index = [Path(image).stem for image in cases["image"]]
    assert len(cases) >= IMAGES // 5
    new = read(predicted[0]).loc[cases.index, PROBABILITY]
    np.testing.assert_allclose(new, cases[PROBABILITY], atol=1e-4)
