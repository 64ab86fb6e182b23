from umsrep.data import storage
from umsrep.experiments import repeats


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
        assert repeats._is_of(tmp_path, tmp_path / "run") is same
