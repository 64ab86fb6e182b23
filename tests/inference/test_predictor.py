"""A run folder on images as they are on disk."""

import cv2
import numpy as np
import pytest
from scipy import ndimage
from small_runs import IMAGES

from umsrep import data, inference, runs
from umsrep.data.frame import Frame
from umsrep.errors import UmsrepError
from umsrep.evaluation import predict
from umsrep.evaluation.subject import Subject


def raw_images(scenes, numbers):
    return [
        cv2.imread(str(scenes[0] / f"{n:02d}.png"), cv2.IMREAD_GRAYSCALE)
        for n in numbers
    ]


@pytest.fixture(scope="module")
def predictor(joint_run):
    return inference.open(joint_run)


def by_hand(values, frame):
    """Bilinear interpolation between pixel centres, by SciPy."""
    top, left = frame.offset
    height, width = frame.inner
    inner = values[top : top + height, left : left + width]
    grid = [
        (np.arange(n) + 0.5) * m / n - 0.5
        for n, m in zip(frame.shape, inner.shape, strict=True)
    ]
    points = np.meshgrid(*grid, indexing="ij")
    return ndimage.map_coordinates(inner, points, order=1, mode="nearest")


@pytest.mark.parametrize("shape", [(60, 40), (33, 90), (20, 9), (32, 32)])
@pytest.mark.parametrize("fit", ["stretch", "pad"])
def test_restoring_is_scipys_interpolation(shape, fit):
    values = np.random.default_rng(0).random((32, 32), np.float32)
    frame = Frame(shape, (32, 32), fit)
    restored = frame.restore(values)
    assert restored.shape == shape
    assert restored.dtype == np.float32
    np.testing.assert_allclose(restored, by_hand(values, frame), atol=1e-5)


def test_restoring_undoes_the_frame():
    """A smooth picture comes back where it was."""
    y, x = np.mgrid[0:90, 0:60] / 90
    smooth = (255 * np.exp(-((y - 0.6) ** 2 + (x - 0.2) ** 2) * 8)).astype(
        np.uint8
    )
    frame = Frame(smooth.shape, (64, 64), "pad")
    back = frame.restore(frame.image(smooth).astype(np.float32))
    # 90 pixels from 64, of a slope below 5 grey levels per pixel.
    assert np.abs(back - smooth)[3:-3, 3:-3].max() < 4
    with pytest.raises(UmsrepError, match="one result at a time"):
        frame.restore(np.zeros((64, 64, 1), np.float32))


def test_equals_the_evaluation(predictor, joint_run, scenes):
    """Labels to the last digit; pixels before they are enlarged."""
    dataset = data.load(scenes[1])
    run = runs.Run(joint_run)
    expected = predict.probabilities(run.model(), dataset)
    table = predict.table(
        expected,
        dataset,
        run.specs,
        run.calibrations,
    )
    images = raw_images(scenes, range(IMAGES))
    results = predictor(images)
    columns = [f"level_p_{c}" for c in predictor.specs["level"].classes]
    np.testing.assert_allclose(results["level"], table[columns], atol=1e-5)
    decided = predictor.decide("level", results["level"])
    names = np.array(predictor.specs["level"].classes)[decided]
    assert list(names) == list(table["level_pred"])
    assert len(set(names)) == 2
    for index in (0, 7):
        frame = Frame(images[index].shape, (32, 32), "pad")
        mask = np.asarray(expected["blob"][index], np.float32)
        # The evaluation keeps masks in half precision.
        np.testing.assert_allclose(
            results["blob"][index], by_hand(mask, frame), atol=1e-3
        )
        gaze = by_hand(expected["gaze"][index], frame)
        np.testing.assert_allclose(
            results["gaze"][index], gaze / gaze.sum(), rtol=1e-3
        )


def test_results_have_each_images_own_size(predictor, scenes):
    (first,) = raw_images(scenes, [3])
    images = [first, cv2.resize(first, (101, 77)), first[::2, ::2].copy()]
    results = predictor(images)
    for task in ("blob", "gaze"):
        shapes = [values.shape for values in results[task]]
        assert shapes == [image.shape for image in images]
    for values in results["gaze"]:
        assert values.sum(dtype=np.float64) == pytest.approx(1, abs=1e-5)
    alone = predictor(images[1:2])
    np.testing.assert_allclose(alone["level"][0], results["level"][1], 1e-4)


def test_only_the_tasks_asked_for(joint_run, scenes):
    predictor = inference.open(joint_run, ["level"])
    assert list(predictor(raw_images(scenes, [0]))) == ["level"]
    assert predictor.thresholds.keys() == {"level"}
    with pytest.raises(UmsrepError, match="Its tasks: blob, level, gaze"):
        inference.open(joint_run, ["lung"])


def test_explanations_have_each_images_own_size(predictor, scenes):
    images = raw_images(scenes, [0, 1])
    images[1] = cv2.resize(images[1], (90, 51))
    heats = predictor.explain(images, "level")
    assert [heat.shape for heat in heats] == [(60, 40), (51, 90)]
    assert all(0 <= heat.min() <= heat.max() <= 1 for heat in heats)
    assert max(heat.max() for heat in heats) > 0.5
    decided = predictor.decide("level", predictor(images)["level"])
    same = predictor.explain(images, "level", decided)
    other = predictor.explain(images, "level", 1 - decided)
    np.testing.assert_array_equal(heats[0], same[0])
    assert np.abs(heats[0] - other[0]).max() > 0.1
    with pytest.raises(UmsrepError, match="classification tasks: level"):
        predictor.explain(images, "blob")
    with pytest.raises(UmsrepError, match="Choose one of .*grad_cam"):
        predictor.explain(images, "level", method="recommendation")


def test_separate_models_behind_a_denoiser(separate_run, scenes):
    dataset = data.load(scenes[1])
    subject = Subject(separate_run, scenes[1], "test")
    expected = predict.probabilities(subject.network, subject.seen)
    numbers = [int(image[7:9]) for image in subject.dataset.table["image"]]
    predictor = inference.open(separate_run)
    results = predictor(raw_images(scenes, numbers))
    fitted = subject.calibrations["level"]
    scaled, _ = fitted.apply(expected["level"])
    np.testing.assert_allclose(results["level"], scaled, atol=1e-5)
    plain = predict.probabilities(subject.network, dataset)["level"][numbers]
    assert np.abs(plain - expected["level"]).max() > 1e-4


def test_the_run_knows_its_training_images(joint_run, scenes):
    info = runs.read_run(joint_run)["intensities"]
    split = runs.Run(joint_run).split()
    train = split[split["split"] == "train"]["image"]
    images = [cv2.imread(str(scenes[1] / name), 0) for name in train]
    assert info["images"] == len(images) < IMAGES
    assert info["mean"]["mean"] == pytest.approx(
        np.mean([image.mean() for image in images])
    )
    assert info["source_sizes"]["aspect_ratio"] == [0.6667, 0.6667]


def test_what_is_no_model(tmp_path, scenes):
    with pytest.raises(UmsrepError, match="check the path"):
        inference.open(tmp_path / "nowhere")
    with pytest.raises(UmsrepError, match="--out of `umsrep finetune`"):
        inference.open(tmp_path)
    with pytest.raises(UmsrepError, match="--out of `umsrep finetune`"):
        inference.open(scenes[0] / "00.png")


def test_bad_images(predictor):
    with pytest.raises(UmsrepError, match="Pass at least one"):
        predictor([])
    with pytest.raises(UmsrepError, match="read_grey"):
        predictor([np.zeros((9, 9, 1), np.uint8)])
    with pytest.raises(UmsrepError, match="read_grey"):
        predictor([np.zeros((9, 9), np.float32)])
