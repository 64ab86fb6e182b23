import keras
import numpy as np
import pytest
from tensors import array

from umsrep import MultiTaskModel
from umsrep.errors import UmsrepError
from umsrep.finetuning.features import rest, sources
from umsrep.finetuning.parameters import count
from umsrep.heads import ClassificationHead, SegmentationHead
from umsrep.layers import SelfAttention
from umsrep.representations import VGGSSM, MSINet, SimpleNet

NETWORKS = {
    "simple_net": (SimpleNet, {"width": 0.125, "depth": 0.1}),
    "simple_net_vgg16": (SimpleNet, {"encoder": "vgg16", "width": 0.125}),
    "msi_net": (MSINet, {"width": 0.125}),
    "vgg_ssm": (VGGSSM, {"width": 0.125}),
}


def build(name, size=(64, 64)):
    cls, options = NETWORKS[name]
    return cls((*size, 1), **options)


def pictures(size, number=6):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (number, *size, 1)).astype("float32")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(64, 64), (75, 50), (33, 61)])
def test_any_size(name, size):
    one = build(name, size)
    shapes = {k: tuple(v.shape[1:3]) for k, v in one.output.items()}
    for feature in set(one.features) - {"intensity"}:
        stride = one.stride(feature)
        assert shapes[feature] == tuple(-(-n // stride) for n in size)
    assert one.stride("decoded") == 1
    model = MultiTaskModel(
        one,
        [
            SegmentationHead("one"),
            SegmentationHead("two", features=one.stages),
        ],
    )
    outputs = model(pictures(size, 2))
    for task in ("one", "two"):
        assert tuple(outputs[task].shape) == (2, *size, 1)


@pytest.mark.parametrize("name", NETWORKS)
def test_trains_saves_and_rests_on_its_sources(name, tmp_path):
    size = (48, 40)
    heads = [ClassificationHead(3, name="finding"), SegmentationHead("x")]
    model = MultiTaskModel(build(name, size), heads)
    model.compile("adam")
    before = model.representation.get_weights()
    images = pictures(size)
    targets = {
        "finding": np.arange(6) % 3,
        "x": np.zeros((6, *size, 1), "float32"),
    }
    assert np.isfinite(model.train_on_batch(images, targets)).all()
    after = model.representation.get_weights()
    moved = [
        np.abs(a - b).max() > 0 for a, b in zip(before, after, strict=True)
    ]
    assert np.mean(moved) > 0.5

    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    want = model(images, training=False)
    check_equal(copy(images, training=False), want)

    # What a frozen encoder's stored features train.
    names = sources(model, ("encoder",))
    assert set(names) == {
        "bottleneck",
        *model.representation.sources("decoded"),
    }
    stored = model.features(images, names)
    check_equal(rest(model, names)(stored, training=False), want)


def check_equal(got, want):
    assert set(got) == set(want)
    for task, values in got.items():
        np.testing.assert_allclose(array(values), array(want[task]), atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_parts_cover_every_weight_once(name):
    one = build(name)
    assert one.parts == ("decoder", "encoder")
    parts = [
        id(w)
        for part in one.parts
        for layer in one.part(part)
        for w in layer.weights
    ]
    assert sorted(parts) == sorted(id(w) for w in one.weights)


def kernel(inputs, outputs, size=3):
    """Parameters of a convolution with bias."""
    return inputs * outputs * size**2 + outputs


def test_decoder_of_simple_net_has_the_originals_parameters():
    # SimpleNet/model.py, ResNetModel: deconv_layer0 to the first convolution
    # of deconv_layer5.
    one = SimpleNet((64, 64, 3))
    expected = (
        kernel(2048, 1024)
        + kernel(2048, 512)
        + kernel(1024, 256)
        + kernel(512, 64)
        + kernel(128, 64)
        + kernel(64, 64)
    )
    assert sum(map(count, one.part("decoder"))) == expected


def test_decoder_of_msi_net_has_the_originals_parameters():
    # model.py: aspp/* and decoder/conv1 to conv3.
    one = MSINet((64, 64, 3))
    encoded = 256 + 512 + 512
    expected = (
        2 * kernel(encoded, 256, 1)
        + 3 * kernel(encoded, 256)
        + kernel(5 * 256, 256, 1)
        + kernel(256, 128)
        + kernel(128, 64)
        + kernel(64, 32)
    )
    assert sum(map(count, one.part("decoder"))) == expected


@pytest.mark.parametrize("cls", [MSINet, VGGSSM])
def test_encoder_is_vgg16_with_batch_normalization(cls):
    vgg16 = keras.applications.VGG16(
        include_top=False, weights=None, input_shape=(64, 64, 3)
    )
    of_batch_norms = 2 * (2 * 64 + 2 * 128 + 3 * 256 + 6 * 512)
    ours = sum(map(count, cls((64, 64, 3)).part("encoder")))
    assert ours == count(vgg16) + of_batch_norms


def reach(one, size):
    """Whether each pixel of "decoded" depends on the image's centre."""
    images = np.zeros((2, *size, 1), "float32") + 100
    images[1, size[0] // 2, size[1] // 2] = 255
    plain, changed = array(one(images)["decoded"])
    return np.abs(plain - changed).max(axis=-1) > 0


@pytest.mark.usefixtures("float32")
def test_attention_sees_the_whole_image():
    # 13 convolutions of VGG16 see some 200 pixels; attention sees them all.
    size = (16, 800)
    one = VGGSSM((*size, 1), width=0.0625, normalization="none")
    assert not reach(one, size).all()
    attention = next(
        layer for layer in one.layers if isinstance(layer, SelfAttention)
    )
    attention.gamma.assign(100.0)
    columns = reach(one, size).any(axis=0)
    assert columns[:16].any()
    assert columns[-16:].any()


@pytest.mark.usefixtures("float32")
def test_msi_net_sees_the_whole_image():
    size = (16, 1200)
    one = MSINet((*size, 1), width=0.0625, normalization="none")
    columns = reach(one, size).any(axis=0)
    assert columns[:16].any()
    assert columns[-16:].any()


@pytest.mark.parametrize(
    ("cls", "options", "advice"),
    [
        (SimpleNet, {"encoder": "pnasnet5"}, "Choose one of resnet50"),
        (SimpleNet, {"image_shape": (31, 64, 1)}, "at least 32 pixels"),
        (MSINet, {"image_shape": (7, 64, 1)}, "at least 8 pixels"),
        (MSINet, {"width": 0}, "1.0 is the original network"),
        (VGGSSM, {"image_shape": (15, 64, 1)}, "at least 16 pixels"),
        (VGGSSM, {"image_shape": (64, 64)}, "for example \\(256, 256, 1\\)"),
        (VGGSSM, {"width": -1}, "1.0 is the original network"),
    ],
)
def test_bad_arguments(cls, options, advice):
    with pytest.raises(UmsrepError, match=advice):
        cls(**options)
