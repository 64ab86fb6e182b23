import itertools

import keras
import numpy as np
import pytest
from tensors import array

from umsrep import MultiTaskModel, losses
from umsrep.errors import UmsrepError
from umsrep.finetuning.parameters import count
from umsrep.heads import ClassificationHead, SegmentationHead
from umsrep.representations import DilatedCNN

SMALL = (2, 3, 4, 4, 5, 6)


def test_parameters_of_the_paper():
    # UMS-Rep, Tables 8 and 10: the shared network with its flow classes.
    head = ClassificationHead(3, "flow", hidden_units=256)
    model = MultiTaskModel(DilatedCNN((64, 64, 3)), head)
    assert count(model) == 460_115


def test_parameters_of_the_paper_s_baseline():
    # Tables 6, 8 and 10: a separate classification model of two classes.
    representation = DilatedCNN(
        (64, 64, 1), filters=(16, 32, 64, 128, 256, 512)
    )
    head = ClassificationHead(2, "quality", hidden_units=0)
    assert count(MultiTaskModel(representation, head)) == 1_573_506


# Filters of UMS-Rep's baselines, see below.
MIRRORED = (128, 64, 32, 16, 8)


def test_parameters_of_the_paper_s_segmentation():
    # Tables 4 and 8: 786,497 are this encoder on grey images, its filters
    # mirrored without batch normalisation, and a neuron of 1x1.
    x = DilatedCNN((64, 64, 1)).output["bottleneck"]
    shape = x.shape[1:]
    encoder = count(DilatedCNN((64, 64, 1)))
    layers = [
        *(keras.layers.Conv2D(n, 3, padding="same") for n in MIRRORED),
        keras.layers.Conv2D(1, 1),
    ]
    decoder = keras.Sequential([keras.Input(shape), *layers])
    assert encoder + count(decoder) == 786_497


def test_no_other_filters_have_the_segmentation_s_parameters():
    # Six convolutions whose filters are powers of two that never decrease.
    def convolution(inputs, filters, side=3):
        return side**2 * inputs * filters + filters

    def chain(counts):
        return sum(map(convolution, counts, counts[1:]))

    powers = [2**n for n in range(2, 10)]
    found = [
        (channels, filters, side)
        for filters in itertools.combinations_with_replacement(powers, 6)
        for channels in (1, 3)
        for side in (1, 3)
        if chain((channels, *filters, *filters[-2::-1]))
        + convolution(filters[0], 1, side)
        == 786_497
    ]
    assert found == [(1, DilatedCNN((64, 64, 1)).get_config()["filters"], 1)]


@pytest.mark.parametrize("width", [32, 128, 256, 512])
@pytest.mark.parametrize("classes", [2, 3])
def test_no_dense_layer_has_the_parameters_of_the_paper_s_heads(width, classes):
    # Tables 4, 6, 8 and 10 count 295,715 for every classification head. What
    # the text describes, average, dense, dropout, softmax on the features of
    # either encoder, has it at no number of units.
    one = ClassificationHead(classes, "flow", hidden_units=8)
    one.build([(None, 4, 4, width)])
    assert count(one) == 8 * (width + 1 + classes) + classes
    assert (295_715 - classes) % (width + 1 + classes) != 0


def test_strides_do_not_change_the_parameters():
    literal = DilatedCNN((32, 32, 1), filters=SMALL, strides=(1, 1, 1))
    assert count(literal) == count(DilatedCNN((32, 32, 1), filters=SMALL))


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("kernel", [3, 5])
def test_a_cell_sees_as_far_as_kernels_and_dilation_say(kernel, dilation):
    size = 65
    one = DilatedCNN(
        (size, size, 1),
        filters=(1,) * 6,
        kernel_size=kernel,
        dilation_rate=dilation,
        strides=(1, 1, 1),
        normalization="none",
    )
    for layer in one.part("encoder"):
        kernels, bias = layer.get_weights()
        layer.set_weights([np.ones_like(kernels), np.zeros_like(bias)])
    image = np.zeros((1, size, size, 1), "float32")
    image[0, size // 2, size // 2] = 255
    reached = array(one(image)["bottleneck"])[0, :, size // 2, 0] > 0
    # Three plain and three dilated layers, each widening by its reach.
    reach = 3 * (kernel // 2) * (1 + dilation)
    rows = np.flatnonzero(reached)
    assert (rows[0], rows[-1]) == (size // 2 - reach, size // 2 + reach)


@pytest.mark.parametrize("size", [(64, 64), (75, 50), (33, 61)])
@pytest.mark.parametrize(
    ("strides", "expected"),
    [
        ((2, 2, 2), {"stage1": 2, "stage2": 4, "stage3": 8}),
        ((1, 2, 2), {"stage1": 1, "stage2": 2, "stage3": 4}),
        ((1, 1, 2), {"stage1": 1, "stage2": 2}),
        ((1, 1, 1), {"stage1": 1}),
    ],
)
def test_a_stage_for_each_resolution(size, strides, expected):
    one = DilatedCNN((*size, 1), filters=SMALL, strides=strides)
    assert one.features == (*expected, "bottleneck", "intensity")
    for name, stride in expected.items():
        assert one.stride(name) == stride
        cells = tuple(one.output[name].shape[1:3])
        assert cells == tuple(-(-n // stride) for n in size)
    assert one.stride("bottleneck") == max(expected.values())
    assert one.output["bottleneck"].shape[-1] == SMALL[-1]
    # Every resolution once, so that a decoder can join all of them.
    found = [one.stride(name) for name in one.stages]
    assert found == sorted(expected.values(), reverse=True)
    for features in ("bottleneck", one.stages):
        head = SegmentationHead("envelope", features=features)
        model = MultiTaskModel(one.fresh(), head)
        output = model(np.zeros((1, *size, 1)))["envelope"]
        assert tuple(output.shape) == (1, *size, 1)


def test_the_encoder_holds_every_weight():
    one = DilatedCNN((32, 32, 1), filters=SMALL)
    assert one.parts == ("encoder",)
    held = [id(w) for layer in one.part("encoder") for w in layer.weights]
    assert sorted(held) == sorted(id(w) for w in one.weights)


def test_gradients_reach_the_first_layer():
    # Dilated convolutions have a gradient of their own on a CPU.
    one = DilatedCNN((32, 32, 1), filters=(4, 4, 4, 6, 6, 8))
    head = ClassificationHead(
        2, "flow", dropout=0.0, loss=losses.CategoricalCrossentropy()
    )
    model = MultiTaskModel(one, head)
    model.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    x = np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 1))
    x[::2, 8:24, 8:24] += 255
    first = one.get_layer("encoder_1").kernel
    before = array(first).copy()
    y = {"flow": np.arange(8) % 2}
    history = model.fit(x, y, epochs=15, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert np.abs(array(first) - before).max() > 0


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"filters": (8, 16)}, "for the 6 convolutions"),
        ({"filters": (8, 16, 32, 64, 0, 1)}, "at least 1"),
        ({"strides": (2, 2, 2, 1)}, "the others are dilated"),
        ({"strides": (2, 3, 2)}, "expected 1 or 2"),
        ({"kernel_size": 4}, "an odd whole number"),
        ({"dilation_rate": 0}, "1 does not dilate"),
        ({"image_shape": (64, 64)}, "for example \\(256, 256, 1\\)"),
        ({"image_shape": (7, 64, 1)}, "at least 8 pixels"),
    ],
)
def test_bad_arguments(options, advice):
    with pytest.raises(UmsrepError, match=advice):
        DilatedCNN(**options)
