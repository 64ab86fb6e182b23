"""The geometry of a serving model is that of `data.Frame`."""

import keras
import numpy as np
import pytest

from umsrep.data.frame import Frame
from umsrep.errors import UmsrepError
from umsrep.export import resampling
from umsrep.export.layers import FrameImage, FrameRestore
from umsrep.layers import TemperatureScaling

SHAPES = (
    (24, 36),  # the network's own size
    (50, 61),
    (11, 90),
    (48, 72),  # exactly twice
    (131, 77),  # averaged along both axes
    (300, 30),  # averaged along one
    (1, 1),
)


@pytest.fixture(params=("stretch", "pad"))
def fit(request):
    return request.param


@pytest.mark.parametrize("shape", SHAPES, ids=str)
class TestAgainstOpenCV:
    size = (24, 36)

    def test_way_in(self, shape, fit):
        rng = np.random.default_rng(1)
        images = rng.integers(0, 256, (2, *shape)).astype(np.uint8)
        found = np.asarray(FrameImage(self.size, fit)(images))[..., 0]
        frame = Frame(shape, self.size, fit)
        for image, grey in zip(images, found, strict=True):
            # Random grey levels leave no room for another convention: a
            # shift by a tenth of a pixel changes most of them.
            assert np.abs(grey - frame.unrounded(image)).max() <= 0.5005
            assert (grey != frame.image(image)).mean() < 0.002

    def test_way_back(self, shape, fit):
        rng = np.random.default_rng(2)
        values = rng.random((2, *self.size, 1)).astype(np.float32)
        images = np.zeros((2, *shape), np.uint8)
        found = np.asarray(FrameRestore(self.size, fit)(values, images))
        frame = Frame(shape, self.size, fit)
        for one, restored in zip(values, found, strict=True):
            np.testing.assert_allclose(
                restored, frame.restore(one[..., 0]), atol=5e-6
            )


def test_a_restored_distribution_sums_to_one(fit):
    values = np.random.default_rng(0).random((1, 24, 36, 1)).astype("float32")
    images = np.zeros((1, 70, 51), np.uint8)
    layer = FrameRestore((24, 36), fit, distribution=True)
    assert np.asarray(layer(values, images)).sum() == pytest.approx(1, abs=1e-5)


def test_inner_size_is_the_frame_s_also_at_ties():
    size = (24, 36)
    shapes = np.array(
        [(h, w) for h in range(1, 100) for w in range(1, 130, 3)], "int32"
    )
    # All at once: one by one, each operation would be started 4000 times.
    found = resampling.inner_size(shapes.T, size, "pad")
    found = np.stack([np.asarray(n) for n in found], axis=1)
    wanted = [Frame(tuple(shape), size, "pad").inner for shape in shapes]
    np.testing.assert_array_equal(found, wanted)
    height, width = shapes.T
    assert ((48 * width) % (2 * height) == height).sum() > 10


@pytest.mark.parametrize(
    "layer",
    [
        FrameImage((8, 9), "pad"),
        FrameRestore((8, 9), "pad", distribution=True),
        TemperatureScaling(1.5),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_survive_serialization(layer):
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert copy.get_config() == layer.get_config()


def test_unknown_fit():
    with pytest.raises(UmsrepError, match="Choose one of stretch, pad"):
        FrameImage((8, 8), "crop")
