import numpy as np
import pytest
from tensors import array

from umsrep import MultiTaskModel
from umsrep.errors import UmsrepError
from umsrep.heads import (
    ClassificationHead,
    ReconstructionHead,
    SegmentationHead,
)
from umsrep.representations import ConvAutoencoder


@pytest.fixture
def representation():
    return ConvAutoencoder((32, 32, 1), filters=(4, 6, 8))


def images(n=2):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (n, 32, 32, 1)).astype("float32")


def test_classification_sums_to_one(representation):
    head = ClassificationHead(3, "kind", convolutions=(8,))
    p = MultiTaskModel(representation, head)(images())["kind"]
    assert p.shape == (2, 3)
    np.testing.assert_allclose(array(p).sum(-1), 1, atol=1e-6)


def test_classification_is_the_softmax_of_the_logits(representation):
    head = ClassificationHead(2, "kind", features=("bottleneck", "stage1"))
    model = MultiTaskModel(representation, head)
    x = images()
    features = model.features(x, head.feature_names)
    logits = array(head.logits([features[n] for n in head.feature_names]))
    want = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(array(model(x)["kind"]), want, atol=1e-5)


@pytest.mark.parametrize(
    "features", ["decoded", "bottleneck", ("bottleneck", "stage2", "stage1")]
)
def test_segmentation_covers_the_image(representation, features):
    head = SegmentationHead("lung", features=features)
    p = array(MultiTaskModel(representation, head)(images())["lung"])
    assert p.shape == (2, 32, 32, 1)
    assert p.dtype == np.float32
    assert 0 < p.min() < p.max() < 1


def test_reconstruction_returns_to_grey_levels(representation):
    # With a convolution that outputs 0 the picture is its own offset.
    head = ReconstructionHead()
    model = MultiTaskModel(representation, head)
    head.convolution.set_weights(
        [np.zeros_like(w) for w in head.convolution.get_weights()]
    )
    x = images()
    offset = array(model.features(x, ["intensity"])["intensity"])[:, 0]
    np.testing.assert_allclose(
        array(model(x)["denoised"])[:, 0, 0, 0], offset, atol=1e-6
    )


def test_missing_feature_names_the_remedy(representation):
    with pytest.raises(UmsrepError, match="Pass features='bottleneck'"):
        MultiTaskModel(representation, SegmentationHead("a", features="up"))


@pytest.mark.parametrize(
    ("build", "advice"),
    [
        (lambda: ClassificationHead(1, "a"), "has two classes"),
        (lambda: ClassificationHead(2, "a b"), "letters, digits and _"),
        (
            lambda: ClassificationHead(
                2, "a", features=("x", "y"), convolutions=(8,)
            ),
            "convolutions=\\(\\)",
        ),
    ],
)
def test_bad_arguments(build, advice):
    with pytest.raises(UmsrepError, match=advice):
        build()


def test_features_must_go_from_coarse_to_fine(representation):
    head = SegmentationHead("a", features=("stage1", "bottleneck"))
    with pytest.raises(UmsrepError, match="from coarse to fine"):
        MultiTaskModel(representation, head)


def test_reconstruction_trains_when_batch_size_equals_channels():
    # Failed inside TensorFlow 2.21's oneDNN kernels; see the head's comment.
    model = MultiTaskModel(
        ConvAutoencoder((32, 32, 1), filters=(16, 8)), ReconstructionHead()
    )
    model.compile("sgd", jit_compile=False)
    x = images(16)
    weights = {"denoised": np.ones(16, "float32")}
    loss = model.train_on_batch(
        x, {"denoised": x / 255}, sample_weight=weights, return_dict=True
    )
    assert np.isfinite(loss["loss"])


def test_a_reconstruction_saved_before_it_could_decode_still_loads():
    config = ReconstructionHead().get_config()
    former = {
        name: value
        for name, value in config.items()
        if name not in ("strides", "image_size")
    }
    head = ReconstructionHead.from_config(former)
    # Keras builds it from its config, before any model knows it.
    head.build_from_config({"input_shape": [(None, 8, 6, 4), (None, 2)]})
    features = [np.ones((2, 8, 6, 4), "float32"), np.ones((2, 2), "float32")]
    assert head(features).shape == (2, 8, 6, 1)
