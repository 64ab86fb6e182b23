import numpy as np
import pytest

from umsrep import MultiTaskModel
from umsrep.derived import GradCAM
from umsrep.errors import UmsrepError
from umsrep.heads import ClassificationHead, SegmentationHead
from umsrep.representations import ConvAutoencoder


@pytest.fixture
def model():
    return MultiTaskModel(
        ConvAutoencoder((32, 32, 1), filters=(4, 8)),
        [
            ClassificationHead(2, "finding", hidden_units=0),
            SegmentationHead("lung"),
        ],
    )


def images(n=3):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (n, 32, 32, 1)).astype("float32")


def test_equals_cam_on_gap_and_dense(model):
    # On GAP + dense, w_k is the dense weight over the number of cells, so the
    # map is the class activation map after ReLU and scaling.
    x = images()
    head = model.head("finding")
    features = np.asarray(model.features(x, ["bottleneck"])["bottleneck"])
    cam = np.maximum(features @ head.classes.get_weights()[0][:, 1], 0)
    peak = cam.max(axis=(1, 2), keepdims=True)
    cam = cam / np.where(peak > 0, peak, 1)
    heat = GradCAM("finding", class_index=1)
    extractor = model.feature_model(["bottleneck"])
    grids = heat._grids(extractor, head, "bottleneck", x)
    np.testing.assert_allclose(grids, cam, atol=1e-5)


def test_range_and_size(model):
    maps = GradCAM("finding", batch_size=2)(model, images())
    assert maps.shape == (3, 32, 32)
    assert maps.min() >= 0
    assert maps.max() <= 1


def test_default_is_the_winning_class(model):
    x = images()
    winner = np.argmax(model(x)["finding"], -1)
    default = GradCAM("finding")(model, x)
    for i, index in enumerate(winner):
        one = GradCAM("finding", class_index=int(index))(model, x[i : i + 1])
        np.testing.assert_allclose(default[i], one[0], atol=1e-5)


@pytest.mark.parametrize(
    ("derived", "advice"),
    [
        (GradCAM("lung"), "ClassificationHead"),
        (GradCAM("heart"), "finding, lung"),
        (GradCAM("finding", class_index=2), "classes 0 to 1"),
        (GradCAM("finding", feature="decoded"), "Choose one of them"),
    ],
)
def test_bad_arguments(model, derived, advice):
    with pytest.raises(UmsrepError, match=advice):
        derived(model, images(1))
