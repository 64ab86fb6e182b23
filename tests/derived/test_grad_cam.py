import numpy as np
import pytest
from tensors import array

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
    # map is the class activation map, without its bias, over that number.
    x = images()
    head = model.head("finding")
    features = array(model.features(x, ["bottleneck"])["bottleneck"])
    cam = np.maximum(features @ head.classes.get_weights()[0][:, 1], 0)
    cells = features.shape[1] * features.shape[2]
    grids = GradCAM("finding", class_index=1).grids(model, x)
    np.testing.assert_allclose(grids, cam / cells, atol=1e-5)


def test_range_and_size(model):
    maps = GradCAM("finding", batch_size=2)(model, images())
    assert maps.shape == (3, 32, 32)
    assert maps.min() >= 0
    assert maps.max() <= 1


def test_default_is_the_winning_class(model):
    x = images()
    winner = array(model(x)["finding"]).argmax(-1)
    default = GradCAM("finding")(model, x)
    for i, index in enumerate(winner):
        one = GradCAM("finding", class_index=int(index))(model, x[i : i + 1])
        np.testing.assert_allclose(default[i], one[0], atol=1e-5)


def test_a_class_for_each_image(model):
    x = images()
    maps = GradCAM("finding")(model, x, classes=[1, 0, 1])
    for i, index in enumerate([1, 0, 1]):
        one = GradCAM("finding", class_index=index)(model, x[i : i + 1])
        np.testing.assert_allclose(maps[i], one[0], atol=1e-5)


def test_follows_the_weights(model):
    x = images()
    heat = GradCAM("finding", class_index=1)
    heat(model, x)
    for variable in model.head("finding").classes.trainable_variables:
        variable.assign(-variable)
    fresh = GradCAM("finding", class_index=1)(model, x)
    np.testing.assert_allclose(heat(model, x), fresh, atol=1e-6)


@pytest.mark.parametrize(
    ("classes", "advice"),
    [([0], "class to explain for each image"), ([0, 2, 0], "classes 0 to 1")],
)
def test_bad_classes(model, classes, advice):
    with pytest.raises(UmsrepError, match=advice):
        GradCAM("finding")(model, images(), classes)


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
