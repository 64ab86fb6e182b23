import functools

import keras
import numpy as np
import pytest
from keras_networks import KERAS, padded, prepare
from tensors import array

from umsrep import MultiTaskModel
from umsrep.errors import UmsrepError
from umsrep.heads import ClassificationHead, SegmentationHead
from umsrep.representations import APPLICATIONS, KerasApplication

SMALL = {"width": 0.125, "depth": 0.1}


def pictures(shape, count=2):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (count, *shape)).astype("float32")


# EfficientNet-B0 has its images' means among its weights: see
# test_pretrained_weights.
@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("architecture", sorted({*KERAS} - {"efficientnetb0"}))
def test_same_weights_give_kerass_features(architecture):
    shape = (96, 96, 3)
    build, options = KERAS[architecture]
    original = build(
        include_top=False, weights=None, input_shape=shape, **options
    )
    if architecture == "inception_resnet_v2":
        original = padded(original)
    ours = KerasApplication(architecture, shape, normalization="none")
    assert ours.count_params() == original.count_params()
    images = pictures(shape)
    prepare(original, images / 255)
    ours.set_weights(original.get_weights())
    want = array(original(images / 255, training=False))
    got = array(ours(images, training=False)["bottleneck"])
    assert want.std() > 0
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3 * want.std())


SIZE = (101, 77)
CASES = [
    ("resnet50", 32),
    ("resnet50", 16),
    ("resnet50", 8),
    ("efficientnetv2s", 32),
    ("efficientnetv2s", 16),
    ("efficientnetv2s", 8),
    ("inception_resnet_v2", 32),
    ("inception_resnet_v2", 8),
    ("efficientnet_lite0", 32),
    ("efficientnet_lite0", 8),
    ("efficientnetb0", 16),
    ("densenet121", 32),
    ("mobilenetv3", 32),
    ("mobilenetv3", 16),
    ("convnexttiny", 32),
    ("vgg16", 32),
    ("vgg16", 16),
    ("vgg16", 8),
]
FILTERS = {
    "resnet50": 2048,
    "efficientnetv2s": 1280,
    "inception_resnet_v2": 1536,
    "vgg16": 512,
    "efficientnet_lite0": 1280,
    "efficientnetb0": 1280,
    "mobilenetv3": 960,
}


@functools.cache
def built(architecture, output_stride):
    """One channel, an odd size, and 7/32 of the filters, if it can be."""
    width = 1.0 if APPLICATIONS[architecture].whole else 7 / 32
    return KerasApplication(
        architecture, (*SIZE, 1), output_stride, width=width
    )


@pytest.mark.parametrize(("architecture", "output_stride"), CASES)
def test_grids_cover_images_of_any_size(architecture, output_stride):
    one = built(architecture, output_stride)
    shapes = {k: tuple(v.shape[1:3]) for k, v in one.output.items()}
    for name in set(one.features) - {"intensity"}:
        stride = one.stride(name)
        assert shapes[name] == tuple(-(-n // stride) for n in SIZE)
    assert one.stride("bottleneck") == output_stride
    strides = [one.stride(name) for name in one.stages]
    assert strides[-1] == {"vgg16": 1, "convnexttiny": 4}.get(architecture, 2)
    assert strides == sorted(set(strides), reverse=True)


@pytest.mark.parametrize("architecture", KERAS)
def test_a_decoder_reaches_the_images_size(architecture):
    one = built(architecture, 32)
    head = SegmentationHead("lung", features=one.stages)
    lung = MultiTaskModel(one, head)(np.zeros((1, *SIZE, 1)))["lung"]
    assert tuple(lung.shape) == (1, *SIZE, 1)


@pytest.mark.parametrize("architecture", FILTERS)
def test_one_channel_and_fewer_filters(architecture):
    one = built(architecture, 32)
    assert one.weights[0].shape[2] == 1
    filters = FILTERS[architecture] * 7 // 32
    assert one.output["bottleneck"].shape[-1] == filters


@pytest.mark.parametrize("architecture", KERAS)
def test_the_encoder_holds_every_weight_once(architecture):
    one = built(architecture, 32)
    assert one.parts == ("encoder",)
    parts = [id(w) for layer in one.part("encoder") for w in layer.weights]
    assert sorted(parts) == sorted(id(w) for w in one.weights)


def test_names_do_not_depend_on_what_was_built_before():
    one = built("inception_resnet_v2", 32)
    two = one.fresh()
    names = [layer.name for layer in one.layers]
    assert names == [layer.name for layer in two.layers]


def test_fresh_weights_are_drawn_anew():
    one = built("resnet50", 32).fresh()
    two = one.fresh()
    for mine, other in zip(one.weights, two.weights, strict=True):
        if mine.path.endswith("kernel"):
            assert np.abs(array(mine) - array(other)).max() > 0


@pytest.mark.usefixtures("float32")
def test_output_stride_keeps_the_stages_before_it():
    coarse = KerasApplication("resnet50", (64, 64, 1), **SMALL)
    fine = KerasApplication("resnet50", (64, 64, 1), 8, **SMALL)
    fine.set_weights(coarse.get_weights())
    images = pictures((64, 64, 1))
    one, two = coarse(images), fine(images)
    for name in ("stage1", "stage2", "stage3"):
        np.testing.assert_allclose(
            array(one[name]), array(two[name]), atol=1e-5
        )
    assert one["bottleneck"].shape[1:3] == (2, 2)
    assert two["bottleneck"].shape[1:3] == (8, 8)


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize(
    ("architecture", "last"),
    [("resnet50", "_3_bn"), ("efficientnetv2s", "project_bn")],
)
def test_depth_leaves_out_blocks_that_add_nothing(architecture, last):
    # Where the last batch norms of the other blocks are zero, the whole
    # network is the one that lacks these blocks.
    options = {"width": 0.125, "normalization": "none"}
    whole = KerasApplication(architecture, (64, 64, 1), **options)
    part = KerasApplication(architecture, (64, 64, 1), depth=0.5, **options)
    kept = {layer.name for layer in part.layers}
    for layer in whole.layers:
        if layer.name in kept:
            part.get_layer(layer.name).set_weights(layer.get_weights())
        elif layer.name.endswith(last):
            layer.gamma.assign(np.zeros(layer.gamma.shape))
    assert 0.3 < part.count_params() / whole.count_params() < 0.8
    images = pictures((64, 64, 1))
    np.testing.assert_allclose(
        array(part(images)["bottleneck"]),
        array(whole(images)["bottleneck"]),
        rtol=1e-3,
        atol=1e-5,
    )


@pytest.mark.parametrize("architecture", ["resnet50", "efficientnetv2s"])
def test_trains_and_saves(architecture, tmp_path):
    model = MultiTaskModel(
        KerasApplication(architecture, (64, 48, 1), 16, **SMALL),
        ClassificationHead(3, name="finding"),
    )
    model.compile("adam")
    before = model.representation.get_weights()
    images = pictures((64, 48, 1), 6)
    logs = model.train_on_batch(images, {"finding": np.arange(6) % 3})
    assert np.isfinite(logs).all()
    after = model.representation.get_weights()
    moved = [
        np.abs(a - b).max() > 0 for a, b in zip(before, after, strict=True)
    ]
    # A bias before a batch normalisation has no gradient.
    assert np.mean(moved) > 0.5
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        array(copy(images)["finding"]),
        array(model(images)["finding"]),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (
            {"architecture": "resnet18"},
            "resnet50, efficientnetv2s, inception_resnet_v2, vgg16",
        ),
        ({"image_shape": (31, 64, 1)}, "at least 32 pixels a side"),
        (
            {
                "architecture": "inception_resnet_v2",
                "image_shape": (64, 80, 1),
            },
            "at least 75 pixels a side",
        ),
        ({"image_shape": (64, 64)}, "for example \\(256, 256, 1\\)"),
        ({"image_shape": (64, 64, 2)}, "takes 1 or 3 channels"),
        ({"output_stride": 4}, "choose one of 32, 16, 8"),
        ({"width": 0}, "expected a positive number"),
        ({"width": 0.3}, "multiples of 1/32"),
        ({"depth": 0}, "above 0 and at most 1"),
        (
            {"architecture": "vgg16", "depth": 0.5},
            "Pass depth=1.0, or choose one of resnet50, efficientnetv2s",
        ),
    ],
)
def test_bad_arguments(options, advice):
    with pytest.raises(UmsrepError, match=advice):
        KerasApplication(**options)
