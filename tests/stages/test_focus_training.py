"""Fine-tuning on what lies inside a mask (`--focus`)."""

from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest

from umsrep import data, inference, runs
from umsrep.data import storage
from umsrep.data.prepared import SourceDescription, TaskSpec
from umsrep.data.writer import PreparedWriter
from umsrep.errors import UmsrepError
from umsrep.evaluation import predict
from umsrep.export import export_run, formats
from umsrep.inference.predict_files import predict_files
from umsrep.representations import Focused
from umsrep.stages import FinetuneSettings, finetune, focusing
from umsrep.stages.evaluation import evaluate_run

SIZE = 32
COUNT = 120
CLASSES = ("low", "high")
FOCUS = FinetuneSettings(
    strategy="joint",
    architecture="unet",
    arguments={"width": 4, "depth": 3},
    classification_features="stage2",
    convolutions=(),
    hidden_units=0,
    dropout=0,
    epochs=12,
    batch_size=8,
    learning_rate=1e-2,
    augmentation=0,
    precision="float32",
    fractions=(0.4, 0.2, 0.4),
    focus="blob",
)


def marked(number, high):
    """An ellipse, its mask, and a mark whose side alone tells the class."""
    rng = np.random.default_rng([7, number])
    image = rng.normal(70, 8, (SIZE, SIZE))
    mask = np.zeros((SIZE, SIZE), np.uint8)
    centre = tuple(int(c) for c in rng.integers(15, 18, 2))
    cv2.ellipse(mask, centre, (7, 6), 0, 0, 360, 1, -1)
    image[mask > 0] += 70
    left = 2 if high else SIZE - 6
    image[2:5, left : left + 4] = 250
    return image.clip(0, 255).astype(np.uint8), mask


def empty():
    """Marks without an ellipse."""
    rng = np.random.default_rng(0)
    image = rng.normal(70, 8, (SIZE, SIZE))
    image[2:5, 2:6] = image[2:5, -6:-2] = 250
    return image.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def marks(tmp_path_factory):
    """The prepared folder; every fourth image has no mask."""
    folder = tmp_path_factory.mktemp("marks")
    (folder / "raw").mkdir()
    with PreparedWriter(
        folder / "marks",
        name="marks",
        tasks=[TaskSpec("blob", "mask"), TaskSpec("level", "label", CLASSES)],
        size=SIZE,
        description=SourceDescription("ellipses", "", "", "", "toy"),
    ) as writer:
        for number in range(COUNT):
            image, mask = marked(number, number % 2)
            file = folder / "raw" / f"{number:03d}.png"
            cv2.imwrite(str(file), image)
            targets = {"level": CLASSES[number % 2]}
            if number % 4:
                targets["blob"] = mask
            writer.add(f"{number:03d}", file, f"p{number}", targets=targets)
    return folder / "marks"


@pytest.fixture(scope="module")
def trained(marks, tmp_path_factory):
    """{what is left of the outside: run folder}, and "all" of it."""
    folder = tmp_path_factory.mktemp("runs")
    several = {
        "all": replace(FOCUS, focus=None),
        "blank": FOCUS,
        "crop": replace(FOCUS, focus_fill="crop"),
        "separate": replace(FOCUS, strategy="separate", focus_fill="mean"),
    }
    for name, settings in several.items():
        finetune(
            marks, ["level"], folder / name, settings=settings, progress=False
        )
    return {name: folder / name for name in several}


@pytest.mark.parametrize("name", ["blank", "crop", "separate"])
def test_a_mark_outside_tells_nothing(trained, marks, tmp_path, name):
    metrics = {
        run: evaluate_run(trained[run], marks, tmp_path / run, bootstrap=0)
        for run in ("all", name)
    }
    assert metrics["all"]["level"]["auc"] == 1
    # 48 images: a standard deviation of chance is 0.08.
    assert 0.2 < metrics[name]["level"]["auc"] < 0.8
    assert metrics[name]["blob"]["dice"] > 0.85
    entry = storage.read_json(tmp_path / name / "evaluation.json")
    assert entry["seen_whole"] == 0
    assert entry["run"]["focus"]["task"] == "blob"
    assert (
        storage.read_json(tmp_path / "all" / "evaluation.json")["seen_whole"]
        is None
    )


@pytest.mark.parametrize("name", ["blank", "crop", "separate"])
def test_the_mark_on_the_other_side(trained, name):
    """The same ellipse with either mark, as image files are predicted."""
    images = [marked(3, high)[0] for high in (False, True)]
    low, high = inference.open(trained["all"], ["level"])(images)["level"]
    assert high[1] - low[1] > 0.5
    low, high = inference.open(trained[name], ["level"])(images)["level"]
    assert abs(high[1] - low[1]) < 0.05


def test_what_the_run_records(trained):
    info = runs.read_run(trained["blank"])
    # 48 training images, of which a quarter has no mask.
    assert info["focus"] == {
        "task": "blob",
        "fill": "blank",
        "margin": 0.04,
        "minimum": 0.01,
        "images": {
            "training": info["focus"]["images"]["training"],
            "validation": {"reference": 0, "predicted": 24, "whole": 0},
        },
    }
    training = info["focus"]["images"]["training"]
    assert training["reference"] + training["predicted"] == 48
    assert training["predicted"] > 5
    assert runs.read_run(trained["all"])["focus"] is None
    # The mask is a task of the run, although only the label was asked for.
    assert info["tasks"] == ["level", "blob"]
    assert set(info["best_epochs"]) == {"level", "blob"}
    history = pd.read_csv(trained["blank"] / "history.csv")
    assert {"val_loss_level", "val_loss_blob", "val_blob_loss"} <= set(history)
    np.testing.assert_allclose(
        history["seconds"], history["seconds_level"] + history["seconds_blob"]
    )
    counts = info["trainable_parameters"]
    assert counts["total"] == (
        counts["encoder"] + counts["level"] + counts["blob"]
    )


def test_it_was_trained_on_what_it_sees(trained, marks):
    """The network's own picture is that of the training, but for its edge."""
    model = runs.Run(trained["blank"]).model()
    assert isinstance(model.representation, Focused)
    dataset = data.load(marks).subset(np.arange(8))
    images = dataset.images.astype(np.float32)
    masks = model.predict_on_batch(images)["blob"]
    layer = model.representation.focus
    seen = np.asarray(layer(images, masks))
    sharp = np.stack(
        [
            layer.focusing(image[..., 0], (mask[..., 0] > 0.5).astype("uint8"))
            for image, mask in zip(images, masks, strict=True)
        ]
    )
    assert np.mean(np.abs(seen[..., 0] - sharp) > 1) < 0.05
    # The mark is gone.
    assert not seen[:, :6, :7].any()
    assert not seen[:, :6, -7:].any()


def test_a_balance_and_what_is_kept_of_a_frozen_encoder(marks, tmp_path):
    """Each training has its own part; the mask has no classes to balance."""
    settings = replace(
        FOCUS,
        epochs=2,
        freeze=("encoder",),
        segmentation_features="stage2",
        class_balance="weights",
        class_balance_beta=0.9,
    )
    out = tmp_path / "out"
    finetune(marks, ["level"], out, settings=settings, progress=False)
    info = runs.read_run(out)
    assert set(info["class_balance"]) == {"level"}
    assert info["config"]["class_balance"] == "weights"
    assert set(info["cached_features"]) == {"blob", "level"}
    for kept in info["cached_features"].values():
        assert kept["in_memory"]
        assert set(kept) == {"draws", "gib", "in_memory"}
    header, *_ = (out / "history.csv").read_text().splitlines()
    columns = header.split(",")
    assert len(set(columns)) == len(columns)
    assert "seconds_features" in columns


def test_seconds_of_both_trainings_are_added_up():
    one = pd.DataFrame({"epoch": [0, 1, 2], "seconds": [1.0, 2.0, 3.0]})
    two = pd.DataFrame(
        {
            "epoch": [0, 1],
            "seconds": [4.0, 5.0],
            "seconds_features": [0.5, 0.25],
        }
    )
    for tables in ((one, two), (two, one)):
        found = focusing._side_by_side([t.set_index("epoch") for t in tables])
        assert found["epoch"].tolist() == [0, 1, 2]
        assert found["seconds"].tolist() == [5, 7, 3]
        assert found["seconds_features"].tolist() == [0.5, 0.25, 0]
    both = focusing._side_by_side([two.set_index("epoch")] * 2)
    assert both["seconds_features"].tolist() == [1, 0.5]


def test_an_interrupted_training_goes_on(marks, tmp_path, monkeypatch):
    settings = replace(FOCUS, epochs=2)
    finetune(marks, None, tmp_path / "one", settings=settings, progress=False)
    real = predict.probabilities

    def stop(*arguments, **options):
        raise KeyboardInterrupt("stop here")

    monkeypatch.setattr(predict, "probabilities", stop)
    with pytest.raises(KeyboardInterrupt, match="stop here"):
        finetune(
            marks, None, tmp_path / "two", settings=settings, progress=False
        )
    monkeypatch.setattr(predict, "probabilities", real)
    finetune(
        marks,
        None,
        tmp_path / "two",
        settings=settings,
        resume=True,
        progress=False,
    )
    one, two = (
        runs.Run(tmp_path / name).model().get_weights()
        for name in ("one", "two")
    )
    for first, second in zip(one, two, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)
    assert not (tmp_path / "two" / "checkpoint").exists()


def test_images_without_a_mask_are_told(trained, marks, tmp_path, capsys):
    for name, image in (("none", empty()), ("one", marked(5, True)[0])):
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    files = [tmp_path / "none.png", tmp_path / "one.png"]
    summary = predict_files(
        trained["blank"],
        files,
        tmp_path / "out",
        tasks=["level"],
        progress=False,
    )
    table = pd.read_csv(tmp_path / "out" / "predictions.csv").fillna("")
    told = table["warnings"].str.contains("blob.*the whole image")
    assert dict(zip(table["image"].map(str), told, strict=True)) == {
        str(files[0]): True,
        str(files[1]): False,
    }
    assert not [c for c in table.columns if c.startswith("blob_")]
    assert summary.warnings >= 1


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("blank", "onnx"),
        ("crop", "onnx"),
        ("crop", "litert"),
        ("separate", "keras"),
    ],
)
def test_one_exported_file_does_it_all(trained, marks, tmp_path, name, kind):
    out = tmp_path / f"model{formats.SUFFIXES[kind]}"
    export_run(trained[name], out, kind, data_folder=marks, progress=False)
    exported = inference.open(out)
    images = [marked(number, number % 2)[0] for number in range(4)]
    run = inference.open(trained[name])
    want, got = run(images), exported(images)
    np.testing.assert_allclose(got["level"], want["level"], atol=1e-4)
    np.testing.assert_allclose(
        np.stack(got["blob"]), np.stack(want["blob"]), atol=1e-4
    )
    results = exported([empty(), images[0]])
    (told,), untold = exported.remarks(results)
    assert "the whole image" in told
    assert untold == []


def test_settings_that_do_not_go_together():
    with pytest.raises(UmsrepError, match="Leave attention or focus out"):
        replace(FOCUS, classifier="cam", attention="blob")
    with pytest.raises(UmsrepError, match="Name a mask task as focus"):
        FinetuneSettings(focus_fill="crop")
    with pytest.raises(UmsrepError, match="blank, mean, crop"):
        replace(FOCUS, focus_fill="black")


def test_tasks_that_cannot_be_focused(marks, tmp_path):
    def begin(tasks, focus):
        settings = replace(FOCUS, focus=focus)
        finetune(marks, tasks, tmp_path / "out", settings=settings)

    with pytest.raises(UmsrepError, match="Its mask tasks: blob. Name one"):
        begin(["level"], "level")
    with pytest.raises(UmsrepError, match="has no task 'lung'.*Its tasks"):
        begin(["level"], "lung")
    with pytest.raises(UmsrepError, match="Add one with --task"):
        begin(["blob"], "blob")
    assert not (tmp_path / "out").exists()
