"""The whole path: what an explainer draws lies on what the class is made of."""

import keras
import numpy as np
import pytest

from benchmarks import map_placement
from umsrep import MultiTaskModel
from umsrep.derived import Explainer, Occlusion, registry
from umsrep.heads import ClassificationHead
from umsrep.representations import ConvAutoencoder, KerasApplication

EXPLAINERS = {
    name: cls
    for name, cls in registry.items()
    if issubclass(cls, Explainer) and cls.__module__.startswith("umsrep.")
}
SIDE = 128


def build(name, **options):
    if EXPLAINERS[name] is Occlusion:
        options = {"patch": 16, "stride": 8, "fill": 0} | options
    return EXPLAINERS[name]("finding", class_index=1, **options)


@pytest.fixture(scope="module")
def autoencoder():
    """Class 1 is what is bright, averaged over the cells of the bottleneck."""
    return classifier(
        ConvAutoencoder(
            (SIDE, SIDE, 1), filters=(2, 2, 2, 3), normalization="none"
        )
    )


def classifier(representation):
    keras.utils.set_random_seed(0)
    head = ClassificationHead(
        2, "finding", features="bottleneck", hidden_units=0, dropout=0
    )
    model = MultiTaskModel(representation, [head])
    map_placement.flatten_kernels(representation)
    channels = representation.output["bottleneck"].shape[-1]
    weights = np.array([[-1, 1]] * channels, "float32")
    head.classes.set_weights([weights, np.zeros(2, "float32")])
    return model


def drawn(pixels):
    images = np.zeros((len(pixels), SIDE, SIDE, 1), "float32")
    images[np.arange(len(pixels)), pixels[:, 0], pixels[:, 1]] = 255
    return images


@pytest.mark.parametrize("name", EXPLAINERS)
def test_maps_are_centred_on_the_point(name, autoencoder):
    cells = autoencoder.representation.cells("bottleneck")
    pixels = np.stack(map_placement.points(cells), axis=1)
    maps = build(name)(autoencoder, drawn(pixels))
    error = (map_placement.centres_of(maps) - pixels).mean(axis=0)
    assert (np.abs(error) < 0.1 * np.array(cells.stride)).all(), error


@pytest.mark.parametrize("name", sorted({*EXPLAINERS} - {"occlusion"}))
def test_the_peak_is_the_point_under_a_cells_centre(name, autoencoder):
    cells = autoencoder.representation.cells("bottleneck")
    pixels = np.array([[31, 47], [63, 63], [95, 79]])
    assert set(pixels.ravel()) <= set(cells.centres(0))
    maps = build(name)(autoencoder, drawn(pixels))
    peaks = [np.unravel_index(m.argmax(), m.shape) for m in maps]
    np.testing.assert_array_equal(peaks, pixels)


def test_the_peak_of_a_resnet_is_the_point():
    network = classifier(
        KerasApplication(
            image_shape=(SIDE, SIDE, 1),
            width=1 / 32,
            depth=0.1,
            output_stride=16,
            normalization="none",
        )
    )
    (one,) = build("grad_cam")(network, drawn(np.array([[64, 48]])))
    assert np.unravel_index(one.argmax(), one.shape) == (64, 48)
