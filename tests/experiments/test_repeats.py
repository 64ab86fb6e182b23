from dataclasses import replace

import numpy as np

from umsrep.data import storage
from umsrep.experiments import repeats
from umsrep.experiments.budget import equal_steps
from umsrep.stages.inputs import splits
from umsrep.stages.settings import FinetuneSettings


def test_folders_have_names_that_every_system_takes(tmp_path):
    run, evaluation = repeats.folders(tmp_path, "resnet-small GG-CAM", 3)
    assert run.name == evaluation.name == "resnet-small-gg-cam-3"


def test_an_evaluation_is_of_the_training_that_it_was_made_of(
    tmp_path, monkeypatch
):
    class Run:
        def __init__(self, path):
            self.info = {"config": {"epochs": 3}, "seconds": 1.25}

    monkeypatch.setattr(repeats.runs, "Run", Run)
    told = {"config": {"epochs": 3}, "seconds": 1.25, "folder": "elsewhere"}
    for change, same in (
        ({}, True),
        ({"seconds": 1.5}, False),
        ({"config": {"epochs": 1}}, False),
    ):
        storage.write_json(
            tmp_path / "evaluation.json", {"run": {**told, **change}}
        )
        assert repeats.is_of(tmp_path, tmp_path / "run") is same


def test_networks_that_share_a_task_get_equal_steps(dataset, tmp_path):
    """Each makes what a joint training of all their tasks makes."""
    settings = FinetuneSettings(
        epochs=3, batch_size=8, fractions=(0.5, 0.3, 0.2)
    )
    chosen = [
        repeats.Candidate("both", ("blob", "level"), settings),
        repeats.Candidate("one", ("blob",), settings),
        repeats.Candidate("other", ("number",), settings),
    ]
    assert repeats.compared(chosen[1], chosen) == ("blob", "level")
    assert repeats.compared(chosen[2], chosen) == ("number",)
    train = splits(dataset, settings)["train"]
    images = np.sum(train.labelled("blob") | train.labelled("level"))
    steps = equal_steps(dataset, ("blob", "level"), settings)
    assert steps == 3 * -(-images // 8)
    assert steps > equal_steps(dataset, ("blob",), settings)
    own = replace(settings, steps=7)
    assert equal_steps(dataset, ("blob", "level"), own) == 7
