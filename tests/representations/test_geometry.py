"""Cells lie where a point stimulus says, within a tenth of a cell."""

import keras
import numpy as np
import pytest

from benchmarks import map_placement
from umsrep import Cells, MultiTaskModel
from umsrep.errors import UmsrepError
from umsrep.heads import AttentionHead, CAMHead, ClassificationHead
from umsrep.representations import (
    VGGSSM,
    ConvAutoencoder,
    DilatedCNN,
    KerasApplication,
    KerasHub,
    MSINet,
    OwnModel,
    SimpleNet,
    UNet,
    registry,
)

PLAIN = {"normalization": "none"}
# Deep features see far, so their images are larger.
APPLICATION = {"image_shape": (192, 192, 1), "width": 1 / 32, **PLAIN}


def nested():
    """A model within a model, and layers that move cells in every way."""
    inner = keras.Sequential(
        [
            keras.Input((62, 62, 2)),
            keras.layers.Conv2D(2, 5, strides=2),
            keras.layers.AveragePooling2D(3, 2, padding="same"),
        ],
        name="inner",
    )
    images = keras.Input((125, 125, 1))
    x = keras.layers.ZeroPadding2D(((3, 0), (0, 3)))(images)
    x = keras.layers.Conv2D(2, 4, strides=2)(x)
    skip = x = keras.layers.Cropping2D(((1, 0), (0, 1)))(x)
    x = inner(x)
    x = keras.layers.Conv2DTranspose(2, 3, strides=2, padding="same")(x)
    x = keras.layers.SeparableConv2D(2, 3, strides=2, padding="same")(x)
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True)(skip)
    gate = keras.layers.Conv2D(2, 1, name="average")(gate)
    x = keras.layers.Add()([x, gate])
    x = keras.layers.UpSampling2D(3, interpolation="bilinear")(x)
    x = keras.layers.DepthwiseConv2D(3, strides=2, padding="same")(x)
    return OwnModel(keras.Model(images, x), features={"stage1": "inner"})


CASES = {
    "conv_autoencoder": lambda: ConvAutoencoder(
        (128, 128, 1), filters=(2, 2, 3, 3), **PLAIN
    ),
    # Sizes that are not multiples: padding differs from stage to stage.
    "conv_autoencoder, odd": lambda: ConvAutoencoder(
        (133, 150, 1), filters=(2, 2, 3, 3), **PLAIN
    ),
    "conv_autoencoder, no skips": lambda: ConvAutoencoder(
        (128, 128, 1), filters=(2, 2, 3), skip_connections=False, **PLAIN
    ),
    "dilated_cnn": lambda: DilatedCNN(
        (256, 256, 1), filters=(2, 2, 2, 3, 3, 3), kernel_size=5, **PLAIN
    ),
    "unet": lambda: UNet((96, 96, 1), width=2, depth=4, **PLAIN),
    "unet, odd": lambda: UNet((101, 90, 1), width=2, depth=4, **PLAIN),
    "vgg_ssm": lambda: VGGSSM((128, 128, 1), width=1 / 32, **PLAIN),
    "msi_net": lambda: MSINet((160, 160, 1), width=1 / 32, **PLAIN),
    "simple_net": lambda: SimpleNet(depth=0.1, **APPLICATION),
    "own_model": nested,
    "keras_application": lambda: KerasApplication(
        depth=0.1, output_stride=16, **APPLICATION
    ),
    "keras_hub": lambda: KerasHub(
        (192, 192, 1),
        backbone={
            "class_name": "DenseNetBackbone",
            "config": {
                "stackwise_num_repeats": [1, 1, 1],
                "growth_rate": 2,
                "image_shape": (None, None, 3),
            },
            "scale": 1 / 255,
            "offset": 0.0,
        },
        **PLAIN,
    ),
    "efficientnetv2s": lambda: KerasApplication(
        "efficientnetv2s", depth=0.1, **APPLICATION
    ),
    "vgg16": lambda: KerasApplication("vgg16", **APPLICATION),
}
# Where branches that are centred differently meet, what is decoded has no one
# place. SimpleNet joins stages that are up to 16 pixels apart, the finest of 2
# pixels a cell; in MSI-Net three equally fine ones are 4 pixels apart, and the
# centre of the whole change is the mean of theirs.
DECODED = {"simple_net": 0.8, "msi_net": 0.8}
OF_ALL_CHANGE = {"msi_net"}


@pytest.mark.parametrize("title", CASES)
def test_a_point_is_seen_where_its_cells_are_said_to_lie(title):
    keras.utils.set_random_seed(0)
    representation = CASES[title]()
    map_placement.flatten_kernels(representation)
    features = [
        name
        for name in representation.features
        if len(representation.output[name].shape) == 4
    ]
    peaks = () if title in OF_ALL_CHANGE else ("decoded",)
    pixels, centres = map_placement.seen(representation, features, peaks)
    for feature in features:
        cells = representation.cells(feature)
        errors = map_placement.errors(cells, pixels, centres[feature])
        allowed = 0.1 * np.array(cells.stride)
        if feature == "decoded":
            allowed = DECODED.get(title, allowed)
        assert (np.abs(errors) < allowed).all(), (feature, errors)
        assert representation.stride(feature) == round(max(cells.stride))


def test_every_registered_representation_has_its_point():
    # Those that a test registered have no module of the package.
    names = {
        name
        for name, cls in registry.items()
        if cls.__module__.startswith("umsrep.")
    }
    assert names <= set(CASES)


def test_the_even_tiling_would_fail():
    representation = CASES["conv_autoencoder"]()
    map_placement.flatten_kernels(representation)
    pixels, centres = map_placement.seen(representation, ["bottleneck"])
    tiled = Cells.tiling((8, 8), (128, 128))
    errors = map_placement.errors(tiled, pixels, centres["bottleneck"])
    np.testing.assert_allclose(errors, -7.5, atol=0.2)


class TestKnownNetworks:
    def test_unet_and_its_decoded_tile_the_image(self):
        network = UNet((64, 48, 1), width=2, depth=4)
        for feature in network.features[:-1]:
            cells = network.cells(feature)
            assert cells == Cells.tiling(cells.grid, (64, 48))

    def test_figures_of_the_issue(self):
        # Presets at 256 pixels, and ResNet50, whose cells begin at pixel 0.
        for filters, offset in (((2,) * 6, 63), ((2,) * 4, 15)):
            found = ConvAutoencoder((256, 256, 1), filters=filters)
            assert found.cells("bottleneck").offset == (offset, offset)
        resnet = KerasApplication(depth=0.1, **APPLICATION).cells("stage5")
        assert (resnet.stride, resnet.offset) == ((32, 32), (0, 0))

    def test_keras_names_agree_with_a_hand_calculation(self):
        # 3x3, stride 2, no padding: 1, then 1 + 2, then 3 + 4.
        images = x = keras.Input((64, 64, 1))
        for _ in range(3):
            x = keras.layers.Conv2D(2, 3, strides=2)(x)
        cells = OwnModel(keras.Model(images, x)).cells("bottleneck")
        assert cells == Cells((7, 7), (64, 64), (8, 8), (7, 7))


def tokens(images):
    """A patch embedding whose tokens become rows and columns again."""
    x = keras.layers.Conv2D(4, 8, strides=8)(images)
    x = keras.layers.Reshape((64, 4))(x)
    return keras.layers.Reshape((8, 8, 4))(keras.layers.Dense(4)(x))


class Halved(keras.layers.Layer):
    """A layer that the package does not know."""

    def call(self, inputs):
        return inputs[:, ::2, ::2]


@pytest.mark.parametrize(
    "layers", [tokens, lambda images: Halved()(Halved()(Halved()(images)))]
)
def test_without_a_known_place_cells_tile(layers):
    images = keras.Input((64, 64, 1))
    found = OwnModel(keras.Model(images, layers(images))).cells("bottleneck")
    assert found == Cells.tiling((8, 8), (64, 64))


def test_own_model_of_a_nested_layer():
    inner = keras.Sequential(
        [keras.Input((32, 32, 1)), keras.layers.Conv2D(2, 3, strides=2)],
        name="inner",
    )
    images = keras.Input((32, 32, 1))
    x = inner(keras.layers.Rescaling(1 / 255)(images))
    whole = keras.Model(images, keras.layers.GlobalAveragePooling2D()(x))
    found = OwnModel(whole, "inner").cells("bottleneck")
    assert found == Cells((15, 15), (32, 32), (2, 2), (1, 1))


def test_maps_of_a_head_have_the_cells_of_what_it_reads():
    network = ConvAutoencoder((64, 64, 1), filters=(2, 2, 3))
    model = MultiTaskModel(
        network,
        [
            CAMHead(2, "finding", features="stage2"),
            AttentionHead("look", "finding_cam"),
        ],
    )
    assert model.cells("finding_cam") == network.cells("stage2")
    assert model.view("look").cells("finding_cam") == network.cells("stage2")


def test_what_has_no_rows_and_columns():
    network = ConvAutoencoder((64, 64, 1), filters=(2, 2, 3))
    with pytest.raises(UmsrepError, match="Choose one of stage1"):
        network.cells("intensity")
    model = MultiTaskModel(network, [ClassificationHead(2, "finding")])
    with pytest.raises(UmsrepError, match="No feature is named"):
        model.cells("finding_cam")
