"""Fine-tuning with supervised class activation maps (GG-CAM)."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from umsrep import data, runs
from umsrep.errors import UmsrepError
from umsrep.stages.finetuning import FinetuneSettings, finetune

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
    with pytest.raises(UmsrepError, match="Leave weighting out"):
        replace(CAM, attention="blob", weighting="mtls3")
    with pytest.raises(UmsrepError, match="Choose one of paper, code"):
        replace(CAM, fidelity="exact")
    with pytest.raises(UmsrepError, match="one of cam, dense"):
        FinetuneSettings(classifier="gap")


def test_a_notebook_evaluates_a_model_that_still_has_its_attention(
    prepared_folder,
):
    from umsrep import MultiTaskModel, evaluation, heads, representations

    model = MultiTaskModel(
        representations.UNet((32, 32, 1), width=2, depth=3),
        [
            heads.CAMHead(2, "level"),
            heads.AttentionHead("level_attention", "level_cam"),
        ],
    )
    attended = data.load(prepared_folder).with_attention(
        "level_attention", "level", "blob", (8, 8)
    )
    table = evaluation.evaluate(model, attended, bootstrap=0)
    assert set(table["task"]) == {"level"}


def test_by_the_command_line(prepared_folder, tmp_path):
    from typer.testing import CliRunner

    from umsrep.cli.main import app

    result = CliRunner().invoke(
        app,
        [
            *("finetune", "--data", str(prepared_folder), "--task", "level"),
            *("--representation", "none", "--strategy", "joint"),
            *("--architecture", "unet", "--argument", "width=2"),
            *("--argument", "depth=3", "--classify-from", "bottleneck"),
            *("--classifier", "cam", "--attention", "blob"),
            *("--epochs", "1", "--out", str(tmp_path / "run")),
        ],
    )
    assert result.exit_code == 0, result.output
    assert "sigma_level_attention" in pd.read_csv(
        tmp_path / "run" / "history.csv"
    )


def test_supervision_is_on_the_networks_own_cells(prepared_folder):
    from umsrep.stages import finetuning, network

    settings = replace(
        CAM,
        attention="blob",
        architecture="conv_autoencoder",
        arguments={"filters": (2, 3, 4)},
    )
    dataset = data.load(prepared_folder)
    model = network.new_network(dataset, ["level"], settings)
    (attended,) = finetuning._attended(model, settings, dataset)
    cells = attended.task("level_attention").cells
    assert cells == model.representation.cells("bottleneck")
    assert cells.offset == (7, 7)


def test_code_of_the_authors_by_setting(prepared_folder):
    from umsrep.stages import network

    settings = replace(CAM, attention="blob", fidelity="code")
    dataset = data.load(prepared_folder)
    model = network.new_network(dataset, ["level"], settings)
    assert [head.fidelity for head in model.heads] == ["code", "code"]
    plain = network.new_network(
        dataset, ["level"], replace(settings, attention=None)
    )
    assert plain.heads[0].fidelity == "paper"
