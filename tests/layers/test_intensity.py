import keras
import numpy as np
import pytest
from tensors import array, gradients

from umsrep.errors import UmsrepError
from umsrep.layers import IntensityNormalization


def picture(seed=0, size=64):
    rng = np.random.default_rng(seed)
    return rng.uniform(40, 200, (2, size, size, 1)).astype("float32")


@pytest.mark.parametrize("method", ["percentile", "mean", "none"])
def test_offset_and_scale_undo_it(method):
    x = picture()
    y, statistics = map(array, IntensityNormalization(method)(x))
    offset, scale = statistics.T[:, :, None, None, None]
    np.testing.assert_allclose(y * scale + offset, x / 255, atol=1e-5)


@pytest.mark.parametrize("method", ["percentile", "mean"])
def test_exposure_and_contrast_vanish(method):
    layer, x = IntensityNormalization(method), picture()
    one, two = (array(layer(one)[0]) for one in (x, x * 0.5 + 30))
    np.testing.assert_allclose(one, two, atol=1e-4)


def test_percentiles_ignore_a_burnt_in_marker():
    x = picture()
    marked = x.copy()
    # Less than 1 % of the pixels, brighter than everything else.
    marked[:, 2:8, 2:8] = 255
    plain, robust = IntensityNormalization("mean"), IntensityNormalization()
    change, change_of_mean = (
        np.abs(array(layer(marked)[1]) - array(layer(x)[1])).max()
        for layer in (robust, plain)
    )
    assert change < 0.02
    assert change_of_mean > 5 * change


def test_bulk_lies_within_one_half():
    y = array(IntensityNormalization("percentile")(picture(size=128))[0])
    assert 0.97 < (np.abs(y) <= 0.5).mean() < 0.995


def test_constant_image_is_finite():
    x = np.full((1, 16, 16, 1), 100, "float32")
    for method in ("percentile", "mean", "rank"):
        y, _ = IntensityNormalization(method)(x)
        np.testing.assert_allclose(array(y), 0, atol=1e-5)


def test_unknown_method():
    with pytest.raises(UmsrepError, match="Choose one of percentile"):
        IntensityNormalization("histogramm")


def whole_levels(seed=0, size=(96, 80)):
    """Whole grey levels: a ramp with noise, a black border and a white mark."""
    rng = np.random.default_rng(seed)
    x = np.linspace(20, 95, size[1]) + rng.normal(0, 9, (2, *size))
    x = x.round().clip(1, 110)
    x[:, :, :20] = 0
    x[:, 2:9, 60:70] = 125
    return x[..., None].astype("float32")


def ranks(x):
    return array(IntensityNormalization("rank")(x)[0])


@pytest.mark.parametrize(
    "curve",
    [
        lambda x: np.minimum(2 * x, 60 + x),
        lambda x: np.maximum(x, 3 * x - 120),
        lambda x: 100 + x,
    ],
    ids=["brighter", "darker", "shifted"],
)
def test_no_curve_of_tone_changes_ranks(curve):
    x = whole_levels()
    y = curve(x)
    assert y.max() <= 255
    assert np.abs(y - x).max() > 50
    np.testing.assert_allclose(ranks(y), ranks(x), atol=1e-5)
    # A steady curve of small steps, but for the levels that it joins.
    soft = 255 * (x / 255) ** 0.8
    np.testing.assert_allclose(ranks(soft), ranks(x), atol=0.03)


def test_ranks_are_those_of_the_pixels_between_the_extremes():
    from scipy.stats import rankdata

    x = whole_levels()[:1]
    found = ranks(x)[0, ..., 0] + 0.5
    between = (x[0, ..., 0] > 0) & (x[0, ..., 0] < 125)
    values = x[0, ..., 0][between]
    # The mean of the ranks of equal pixels, from 1.
    wanted = (rankdata(values) - 0.5) / len(values)
    np.testing.assert_allclose(found[between], wanted, atol=1e-5)
    assert set(found[x[0, ..., 0] == 0]) == {0}
    np.testing.assert_allclose(found[x[0, ..., 0] == 125], 1, atol=1e-6)


def test_a_black_border_leaves_the_ranks_of_the_rest():
    x = whole_levels()
    framed = np.zeros((2, 96, 160, 1), "float32")
    framed[:, :, 40:120] = x
    inside = ranks(framed)[:, :, 40:120]
    # A grid of another step counts other pixels.
    assert np.abs(inside - ranks(x)).max() < 0.02


def test_two_levels_keep_their_contrast():
    x = np.zeros((1, 16, 16, 1), "float32")
    x[:, 4:8] = 255
    low, high = ranks(x)[0, [0, 5], 0, 0]
    assert (low, high) == pytest.approx((0.375 - 0.5, 0.875 - 0.5))


def test_ranks_have_gradients():
    x = keras.Variable(whole_levels() + 0.25)
    layer = IntensityNormalization("rank")
    (found,) = gradients(lambda: keras.ops.sum(layer(x)[0]), [x])
    assert np.isfinite(found).all()
    # Among pixels, a brighter one has the higher rank.
    assert found.min() >= 0
    assert (found[:, :, 20:] > 0).mean() > 0.9


def test_ranks_of_three_channels():
    x = np.repeat(whole_levels(), 3, axis=-1)
    found = ranks(x)
    np.testing.assert_array_equal(found[..., 0], found[..., 2])
    np.testing.assert_allclose(found[..., :1], ranks(x[..., :1]))
