import numpy as np
import pytest
from tensors import array

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
    for method in ("percentile", "mean"):
        y, _ = IntensityNormalization(method)(x)
        np.testing.assert_allclose(array(y), 0, atol=1e-5)


def test_unknown_method():
    with pytest.raises(UmsrepError, match="Choose one of percentile"):
        IntensityNormalization("histogramm")
