import keras
import numpy as np
import pytest
from tensors import array, gradients

from umsrep.data import Focusing
from umsrep.data.focusing import FILLS
from umsrep.layers import Focus

pytestmark = pytest.mark.usefixtures("float32")


def scenes(channels=1, size=(40, 56)):
    """Noise, and masks: blobs, a border, a speck beside one, and none."""
    rng = np.random.default_rng(1)
    images = rng.uniform(0, 255, (5, *size, channels)).astype("float32")
    masks = np.zeros((5, *size, 1), "float32")
    masks[0, 10:30, 12:40] = 1
    masks[0, 14:19, 20:26] = 0
    masks[1, :12, 30:] = 1
    masks[2, 20:34, 8:20] = 1
    masks[2, 3:5, 50:52] = 1
    masks[3, 5:8, 5:8] = 1
    return images, masks


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("margin", [0.0, 0.06])
@pytest.mark.parametrize("fill", FILLS)
def test_it_does_to_masks_of_zeros_and_ones_what_training_does(
    fill, margin, channels
):
    images, masks = scenes(channels)
    found = array(Focus(fill, margin)(images, masks))
    rule = Focusing(fill, margin)
    for image, mask, got in zip(images, masks, found, strict=True):
        want = [
            rule(image[..., c], mask[..., 0].astype(np.uint8))
            for c in range(channels)
        ]
        if fill == "mean" and channels > 1:
            # The mean is over all channels here.
            inside = rule.inside(mask[..., 0].astype(np.uint8)) > 0
            fills = image[inside].mean()
            want = [np.where(inside, w, fills) for w in want]
        np.testing.assert_allclose(got, np.stack(want, -1), atol=2e-3)


def test_boxes_and_failures():
    _, masks = scenes()
    layer = Focus("crop", margin=0.05)
    np.testing.assert_allclose(
        array(layer.boxes(masks)),
        [
            [8, 32, 9, 43],
            [0, 14, 27, 56],
            [18, 36, 5, 23],
            [0, 40, 0, 56],
            [0, 40, 0, 56],
        ],
        atol=1e-3,
    )
    assert array(layer.failed(masks)).tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("fill", FILLS)
def test_rounding_errors_of_the_mask_stay_rounding_errors(fill):
    images, _ = scenes()
    rng = np.random.default_rng(2)
    smooth = rng.normal(size=(5, 10, 14, 1)).astype("float32")
    smooth = array(keras.ops.image.resize(smooth, (40, 56)))
    masks = 1 / (1 + np.exp(-smooth))
    # Nothing at the border, so that a crop's box moves with the mask.
    masks[:, :9] = masks[:, -9:] = masks[:, :, :9] = masks[:, :, -9:] = 0
    layer = Focus(fill)
    one, two = (array(layer(images, m)) for m in (masks, masks + 1e-6))
    # 8 times as steep, 255 grey levels, and boxes that move.
    assert 0 < np.abs(one - two).max() < 0.05


def test_gradients_reach_the_image():
    images, masks = scenes()
    for fill in FILLS:
        layer = Focus(fill)
        variable = keras.Variable(images)
        (found,) = gradients(
            lambda v=variable, f=layer: keras.ops.sum(f(v, masks)), [variable]
        )
        assert np.isfinite(found).all()
        assert np.abs(found[0]).sum() > 0


def test_config():
    layer = Focus("crop", 0.1, 0.03)
    copy = Focus.from_config(layer.get_config())
    assert copy.focusing == layer.focusing == Focusing("crop", 0.1, 0.03)
