import json

import pytest

from umsrep.errors import UmsrepError
from umsrep.evaluation.folder import (
    Evaluation,
    read_evaluation,
    read_folder,
)
from umsrep.runs import Run


def change(file, **entries):
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


def test_a_whole_run(write_run):
    run = read_folder(write_run())
    assert isinstance(run, Run)
    assert run.notes == []
    assert list(run.history["epoch"]) == [1, 2, 3]
    assert run.triplets[0]["clean"].file.name == "t_clean.png"


def test_a_whole_evaluation(write_evaluation):
    evaluation = read_folder(write_evaluation())
    assert isinstance(evaluation, Evaluation)
    assert evaluation.notes == []
    assert [task.name for task in evaluation.tasks] == ["lung", "finding"]
    assert evaluation.tasks[1].classes == ("normal", "abnormal")
    assert [p.kind for p in evaluation.pictures] == ["mask"] * 3 + ["gradcam"]
    assert evaluation.data == "montgomery, test split"


def test_changed_images_are_other_data(write_evaluation):
    blanked = read_folder(write_evaluation(blank_outside="lung", split=None))
    assert blanked.data == "montgomery, black outside lung"


@pytest.mark.parametrize(
    ("file", "note"),
    [
        ("history.csv", "no training curves"),
        ("metrics.json", "No metrics.json"),
        ("predictions.csv", "No predictions.csv"),
        ("pictures/pictures.json", "No pictures"),
        ("pictures/m1.png", "'m1.png' is missing"),
    ],
)
def test_what_an_evaluation_lacks_is_noted(write_evaluation, file, note):
    folder = write_evaluation()
    (folder / file).unlink()
    notes = read_folder(folder).notes
    assert len(notes) == 1
    assert note in notes[0]


@pytest.mark.parametrize(
    ("file", "note"),
    [
        ("history.csv", "no training curves"),
        ("metrics.json", "was not measured"),
        ("samples/samples.json", "no triplets"),
        ("samples/t_noisy.png", "'t_noisy.png' is missing"),
    ],
)
def test_what_a_run_lacks_is_noted(write_run, file, note):
    folder = write_run()
    (folder / file).unlink()
    notes = read_folder(folder).notes
    assert len(notes) == 1
    assert note in notes[0]


def test_an_unfinished_run_is_noted(write_run):
    notes = read_folder(write_run(status="running")).notes
    assert "--resume" in notes[0]


def test_a_picture_outside_its_folder_is_not_read(write_evaluation, tmp_path):
    folder = write_evaluation()
    (tmp_path / "private.png").write_bytes(
        (folder / "pictures" / "m0.png").read_bytes()
    )
    file = folder / "pictures" / "pictures.json"
    for name in ("../private.png", str(tmp_path / "private.png")):
        file.write_text(json.dumps([{"kind": "mask", "file": name}]))
        evaluation = read_folder(folder)
        assert evaluation.pictures == []
        assert "private.png" in evaluation.notes[0]


def test_neither_kind_of_folder(tmp_path):
    with pytest.raises(UmsrepError, match="Pass a folder written by"):
        read_folder(tmp_path)
    with pytest.raises(UmsrepError, match="check the path"):
        read_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_format_version(write_run, write_evaluation, version):
    for folder, file in (
        (write_run(), "run.json"),
        (write_evaluation(), "evaluation.json"),
    ):
        change(folder / file, format_version=version)
        with pytest.raises(UmsrepError, match="or use the umsrep") as e:
            read_folder(folder)
        assert str(folder / file) in str(e.value)


@pytest.mark.parametrize(
    ("file", "content", "advice"),
    [
        ("evaluation.json", "{", "Make it again"),
        ("evaluation.json", "[]", "run the command"),
        ("evaluation.json", '{"format": "umsrep-run"}', "run the command"),
        ("metrics.json", "[1]", "does not hold an object"),
        ("metrics.json", "", "Make it again"),
        ("pictures/pictures.json", "[1]", "a list of objects"),
        ("predictions.csv", "image\na\na\n", "'umsrep evaluate'"),
        ("history.csv", "", "--resume"),
    ],
)
def test_broken_pieces_are_errors(write_evaluation, file, content, advice):
    folder = write_evaluation()
    (folder / file).write_text(content)
    with pytest.raises(UmsrepError, match=advice) as caught:
        read_folder(folder)
    assert str(folder / file) in str(caught.value)


@pytest.mark.parametrize(
    "tasks",
    [
        None,
        ["lung"],
        {"lung": "mask"},
        {"lung": {"kind": "outline"}},
        {"<b>": {"kind": "mask"}},
    ],
)
def test_bad_tasks_name_the_file(write_evaluation, tasks):
    folder = write_evaluation()
    change(folder / "evaluation.json", tasks=tasks)
    with pytest.raises(
        UmsrepError, match="evaluate the run again|Expected|Use letters"
    ) as caught:
        read_folder(folder)
    assert "evaluation.json" in str(caught.value)


def test_only_an_evaluation_will_do(write_run, write_evaluation):
    with pytest.raises(UmsrepError, match="run 'umsrep evaluate RUN"):
        read_evaluation(write_run())
    folder = write_evaluation()
    (folder / "predictions.csv").unlink()
    with pytest.raises(UmsrepError, match="'umsrep evaluate' again"):
        read_evaluation(folder)
