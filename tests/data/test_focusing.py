"""Images without what lies outside a mask."""

import numpy as np
import pytest

from umsrep.data import Augmentation, FocusedImages, Focusing
from umsrep.data.focusing import FILLS, pack, restore
from umsrep.errors import UmsrepError


def scene(size=(50, 100)):
    """Noise with a mark in a corner, and a rectangle's mask."""
    rng = np.random.default_rng(0)
    image = rng.integers(1, 200, size).astype(np.uint8)
    image[:6, :9] = 255
    mask = np.zeros(size, np.uint8)
    mask[20:35, 30:70] = 1
    return image, mask


@pytest.mark.parametrize("fill", ["blank", "mean"])
def test_the_inside_stays_and_the_outside_goes(fill):
    image, mask = scene()
    # 4 % of 50 rows and of 100 columns.
    kept = np.s_[18:37, 26:74]
    focused = Focusing(fill)(image, mask)
    np.testing.assert_array_equal(focused[kept], image[kept])
    outside = np.ones_like(mask, bool)
    outside[kept] = False
    wanted = 0 if fill == "blank" else image[kept].mean()
    np.testing.assert_allclose(focused[outside], wanted, rtol=1e-5)


def test_a_crop_is_the_box_enlarged():
    image, mask = scene()
    mask[:] = 0
    # A box of half the height and half the width.
    mask[10:35, 20:70] = 1
    cropped = Focusing("crop", margin=0)(image, mask)
    assert cropped.shape == image.shape
    # Between two pixels of the result lies each pixel of the image.
    pairs = cropped.reshape(25, 2, 50, 2).mean((1, 3))
    inner = np.s_[1:-1, 1:-1]
    assert pairs[inner].mean() == pytest.approx(
        image[10:35, 20:70][inner].mean(), rel=0.01
    )
    # A quarter of a pixel beside the centre of pixel (10, 20).
    expected = np.array([[0.75, 0.25]]) @ image[10:12, 20:22] @ [[0.75], [0.25]]
    assert cropped[1, 1] == pytest.approx(expected.item())


def test_maps_of_a_crop_go_back_to_their_place():
    height, width = 60, 90
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    smooth = np.cos(rows / 9) + np.sin(columns / 14)
    mask = np.zeros((height, width), np.uint8)
    mask[12:40, 18:75] = 1
    rule = Focusing("crop", margin=0.05)
    crop = rule(smooth, mask)
    box = [12 - 3, 40 + 3, 18 - 4, 75 + 4]
    (back,) = restore(crop[None], [box])
    inside = np.s_[box[0] : box[1], box[2] : box[3]]
    assert np.abs(back - smooth)[inside].max() < 0.02
    back[inside] = 0
    assert not back.any()


@pytest.mark.parametrize("fill", FILLS)
def test_an_empty_mask_leaves_the_whole_image(fill):
    image, mask = scene()
    tiny = np.zeros_like(mask)
    tiny[20:24, 30:34] = 1
    for failed in (np.zeros_like(mask), tiny):
        assert Focusing(fill).failed(failed)
        np.testing.assert_allclose(Focusing(fill)(image, failed), image)
    assert not Focusing(fill).failed(mask)


def test_a_speck_on_the_mark_does_not_show_it():
    image, mask = scene((100, 200))
    speckled = mask.copy()
    # 8 % of the height, but not of the width.
    speckled[2:10, 3:30] = 1
    for fill in FILLS:
        rule = Focusing(fill)
        np.testing.assert_array_equal(rule(image, speckled), rule(image, mask))


def test_an_organ_keeps_its_corners():
    mask = np.zeros((100, 100), np.uint8)
    # A triangle, whose corners an opening alone would cut off.
    for row in range(20, 70):
        mask[row, 20 : row + 1] = 1
    inside = Focusing(margin=0).inside(mask)
    assert (inside <= mask).all()
    assert inside.sum() > 0.97 * mask.sum()


def test_of_an_entry_of_a_run():
    rule = Focusing("mean", 0.1, 0.02)
    entry = {"task": "lung", "fill": "mean", "margin": 0.1, "minimum": 0.02}
    assert Focusing.of(entry) == rule


def test_what_is_wrong():
    with pytest.raises(UmsrepError, match="Choose one of blank, mean, crop"):
        Focusing("black")
    with pytest.raises(UmsrepError, match="from 0 to 0.5.*Change margin"):
        Focusing(margin=0.6)
    with pytest.raises(UmsrepError, match="from 0 to 1.*Change minimum"):
        Focusing(minimum=-1)


def test_batches_take_the_outside_away_after_the_augmentation(dataset):
    labelled = dataset.subset(dataset.labelled("blob"))
    # Of one image another mask was predicted.
    row = int(labelled.rows[1])
    predicted = np.zeros(labelled.image_size, np.uint8)
    predicted[4:14, 4:14] = 1
    store = FocusedImages(
        labelled.store, "blob", Focusing(margin=0), {row: pack(predicted)}
    )
    focused = labelled.with_store(store)
    options = {"tasks": ["blob"], "augmentation": Augmentation(), "seed": 3}
    plain, _, _ = labelled.batches(8, **options)[0]
    images, targets, _ = focused.batches(8, **options)[0]
    # The target is the reference, moved; what is kept follows it.
    masks = np.delete(targets["blob"] > 0, 1, axis=0)
    seen, whole = (np.delete(x, 1, axis=0) for x in (images, plain))
    opened = [
        Focusing(margin=0).inside(m[..., 0].astype("uint8")) for m in masks
    ]
    kept = np.stack(opened)[..., None].astype(bool)
    assert 0.02 < kept.mean() < 0.3
    np.testing.assert_array_equal(seen[kept], whole[kept])
    # Noise and brightness have not come back outside.
    assert not seen[~kept].any()
    assert whole[~kept].any()
    np.testing.assert_array_equal(store.mask(row), predicted)
    assert not (store.image(row) * (1 - predicted)).any()


def test_an_image_without_any_mask(dataset):
    row = int(np.flatnonzero(~dataset.labelled("blob"))[0])
    store = FocusedImages(dataset.store, "blob", Focusing(), {})
    with pytest.raises(UmsrepError, match="Pass a predicted one"):
        store.image(row)
