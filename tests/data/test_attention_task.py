"""Attention targets made of other tasks, from the data set to the batches."""

import cv2
import numpy as np
import pytest

from umsrep import Cells, data
from umsrep.data.prepared import SourceDescription, TaskSpec
from umsrep.data.writer import PreparedWriter
from umsrep.errors import UmsrepError

TASKS = [
    TaskSpec("finding", "label", ("normal", "heart", "lung")),
    TaskSpec("organ", "mask"),
    TaskSpec("gaze", "map"),
]
GRID = (4, 5)


@pytest.fixture
def dataset(tmp_path):
    """Classes in turn; image 4 has no gaze, image 5 no label."""
    raw = tmp_path / "raw"
    raw.mkdir()
    rng = np.random.default_rng(0)
    about = SourceDescription("toy", "", "", "", "toy")
    with PreparedWriter(
        tmp_path / "set", "toy", TASKS, about, size=(32, 40)
    ) as writer:
        for number in range(6):
            files = {}
            for kind in ("image", "organ", "gaze"):
                picture = rng.integers(0, 255, (32, 40)).astype(np.uint8)
                if kind != "image":
                    picture[:] = 0
                    x, y = rng.integers(4, 26, 2)
                    picture[y : y + 6, x : x + 6] = 255
                files[kind] = raw / f"{number}-{kind}.png"
                cv2.imwrite(str(files[kind]), picture)
            label = TASKS[0].classes[number % 3]
            writer.add(
                str(number),
                files["image"],
                f"p{number}",
                targets={
                    "finding": label if number != 5 else "",
                    "organ": [files["organ"]],
                    "gaze": files["gaze"] if number != 4 else None,
                },
            )
    return data.load(tmp_path / "set")


def batch(dataset, sources, **options):
    attended = dataset.with_attention("look", "finding", sources, GRID)
    return attended.batches(6, tasks=["finding", "look"], **options)[0]


def test_targets_are_on_the_cells_that_see_them(dataset):
    shifted = Cells(GRID, (32, 40), (8, 8), (7, 7))
    attended = dataset.with_attention("look", "finding", "organ", shifted)
    _, targets, _ = attended.batches(6, tasks=["finding", "look"])[0]
    mask = dataset.mask("organ", 1).astype("float32")
    np.testing.assert_allclose(
        targets["look"][1, ..., 1], data.to_grid(mask, shifted)
    )
    tiled = data.to_grid(mask, GRID)
    assert np.abs(targets["look"][1, ..., 1] - tiled).max() > 0.1
    other = Cells.tiling(GRID, (64, 80))
    with pytest.raises(UmsrepError, match="of a model for this data set"):
        dataset.with_attention("look", "finding", "organ", other)


def test_the_source_of_the_true_class_and_nothing_else(dataset):
    _, targets, weights = batch(dataset, {"heart": "organ", "lung": "gaze"})
    look = targets["look"]
    assert look.shape == (6, *GRID, 3)
    # Of images 0 and 3 (normal) nothing is known, nor of the unlabelled 5.
    assert list(weights["look"]) == [0, 1, 1, 0, 1, 0]
    assert list(weights["finding"]) == [1, 1, 1, 1, 1, 0]
    assert (look[[0, 3, 5]] == -1).all()
    want = data.to_grid(dataset.mask("organ", 1).astype("float32"), GRID)
    np.testing.assert_allclose(look[1, ..., 1], want)
    assert (look[1][..., [0, 2]] == -1).all()
    want = data.to_grid(dataset.map("gaze", 2), GRID, rescale=True)
    np.testing.assert_allclose(look[2, ..., 2], want)
    assert look[2, ..., 2].max() == 1
    assert set(targets) == {"finding", "look"}


def test_an_image_without_the_source_contributes_nothing(dataset):
    _, targets, weights = batch(dataset, "gaze")
    assert list(weights["look"]) == [1, 1, 1, 1, 0, 0]
    assert (targets["look"][4] == -1).all()


def test_attention_moves_with_the_image(dataset):
    shift = data.Augmentation(
        geometry=data.GeometricAugmentation(
            rotation=0,
            scale=(1, 1),
            aspect=(1, 1),
            shift=0.3,
            border_probability=0,
        ),
        intensity=None,
        probability=1,
    )
    _, plain, _ = batch(dataset, "organ")
    _, moved, weights = batch(dataset, "organ", augmentation=shift, seed=1)
    for index in range(5):
        rng = np.random.default_rng([1, 0, index])
        drawn = shift.draw(rng)
        mask = dataset.mask("organ", index)
        _, want = shift.apply(dataset.image(index), mask, drawn)
        label = index % 3
        if not want.any():
            assert weights["look"][index] == 0
            continue
        np.testing.assert_allclose(
            moved["look"][index, ..., label],
            data.to_grid(want.astype("float32"), GRID),
        )
    assert np.abs(moved["look"] - plain["look"]).max() > 0.1


def test_a_mask_moved_out_of_the_frame_has_weight_0(dataset):
    class Away(data.Augmentation):
        def apply(self, image, mask, parameters):
            image = np.asarray(image, "float32")
            return image, None if mask is None else mask * 0

    _, targets, weights = batch(dataset, "organ", augmentation=Away.chest())
    assert (weights["look"] == 0).all()
    assert (targets["look"] == -1).all()


@pytest.mark.parametrize(
    ("label", "sources", "advice"),
    [
        ("organ", "gaze", "maps of a label task"),
        ("finding", {"liver": "gaze"}, "Use their names"),
        ("finding", "finding", "Name a mask or map task"),
        ("finding", "liver", "Its tasks: finding, organ, gaze"),
    ],
)
def test_bad_names(dataset, label, sources, advice):
    with pytest.raises(UmsrepError, match=advice):
        dataset.with_attention("look", label, sources, GRID)
