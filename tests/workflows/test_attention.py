"""Fine-tuning with supervised class activation maps (GG-CAM)."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from umsrep import data, runs
from umsrep.errors import UmsrepError
from umsrep.workflows.finetuning import FinetuneSettings, finetune

CAM = FinetuneSettings(
    strategy="joint",
    architecture="unet",
    arguments={"width": 2, "depth": 3},
    classifier="cam",
    classification_features="bottleneck",
    epochs=2,
    batch_size=8,
    precision="float32",
)


@pytest.fixture(scope="module")
def trained(prepared_folder, tmp_path_factory):
    """Two runs of one seed: without attention, and supervised by masks."""
    folder = tmp_path_factory.mktemp("cam")
    for name, settings in (
        ("plain", CAM),
        ("attended", replace(CAM, attention="blob")),
    ):
        finetune(
            prepared_folder,
            ["level"],
            folder / name,
            settings=settings,
            progress=False,
        )
    return folder


def test_only_three_scalars_more_are_trained(trained):
    counts = [
        runs.read_run(trained / name)["trainable_parameters"]["total"]
        for name in ("plain", "attended")
    ]
    # alpha and two sigmas.
    assert counts[1] - counts[0] == 3
    history = pd.read_csv(trained / "attended" / "history.csv")
    assert {
        "sigma_level",
        "sigma_level_attention",
        "alpha_level_attention",
    } <= set(history)
    assert history["sigma_level_attention"].iloc[0] != 0.1
    assert history["alpha_level_attention"].nunique() == 2


def test_the_saved_model_needs_no_attention(trained, prepared_folder):
    dataset = data.load(prepared_folder)
    plain, attended = (
        runs.Run(trained / name).model() for name in ("plain", "attended")
    )
    assert attended.tasks == plain.tasks == ("level",)
    assert attended.count_params() == plain.count_params()
    images = dataset.images[:2].astype("float32")
    outputs = [m.predict_on_batch(images)["level"] for m in (plain, attended)]
    # Supervision has changed what was learnt.
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-6


def test_needs_explicit_maps():
    with pytest.raises(UmsrepError, match="classifier='cam'"):
        FinetuneSettings(strategy="joint", attention="blob")
    with pytest.raises(UmsrepError, match="strategy='joint'"):
        FinetuneSettings(classifier="cam", attention="blob")
    with pytest.raises(UmsrepError, match="dense, cam"):
        FinetuneSettings(classifier="gap")
