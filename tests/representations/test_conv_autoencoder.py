import numpy as np
import pytest
from tensors import array

from umsrep import MultiTaskModel
from umsrep.errors import UmsrepError
from umsrep.finetuning.parameters import count
from umsrep.heads import ReconstructionHead, SegmentationHead
from umsrep.representations import ConvAutoencoder


def test_paper_preset_has_the_papers_parameters():
    # UMS-Rep, Table 4: the shared source has 800,067 parameters.
    model = MultiTaskModel(
        ConvAutoencoder((256, 256, 3), preset="paper"),
        [ReconstructionHead(channels=3)],
    )
    assert count(model) == 800_067


@pytest.mark.parametrize(("channels", "total"), [(3, 795_457), (1, 790_849)])
def test_lungs_of_the_paper_are_not_of_its_autoencoder(channels, total):
    # Table 4 counts 786,497 for the whole autoencoder with its last
    # convolution replaced by one neuron (Section 4.1.2), which has these; that
    # number is of the dilated CNN (`test_dilated_cnn`).
    shape = (256, 256, channels)
    model = MultiTaskModel(
        ConvAutoencoder(shape, preset="paper"), SegmentationHead("lung")
    )
    assert count(model) == total


@pytest.mark.parametrize("skips", [False, True])
def test_features_have_their_strides(skips):
    representation = ConvAutoencoder(
        (64, 32, 1), filters=(4, 6, 8), skip_connections=skips
    )
    shapes = {k: tuple(v.shape[1:3]) for k, v in representation.output.items()}
    assert shapes["stage1"] == (32, 16)
    assert shapes["stage3"] == shapes["bottleneck"] == (8, 4)
    assert shapes["decoded"] == (64, 32)
    assert representation.stride("stage2") == 4


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("size", [(100, 75), (33, 61), (224, 224)])
def test_any_size(size, skips):
    representation = ConvAutoencoder(
        (*size, 1), filters=(4, 4, 4, 4, 4), skip_connections=skips
    )
    shapes = {k: tuple(v.shape[1:3]) for k, v in representation.output.items()}
    assert shapes["decoded"] == size
    for name in representation.stages:
        stride = representation.stride(name)
        assert shapes[name] == tuple(-(-n // stride) for n in size)
    model = MultiTaskModel(
        representation,
        [
            SegmentationHead("one"),
            SegmentationHead("two", features=representation.stages),
        ],
    )
    outputs = model(np.zeros((2, *size, 1)))
    for task in ("one", "two"):
        assert (
            outputs[task].shape
            == (2, *size, 1)
            == (
                2,
                *model.output[task].shape[1:],
            )
        )


def test_where_a_cell_lies_survives_odd_sizes():
    # With all weights equal to 1, what is bright stays where it is: the
    # decoder cuts the row that rounding up has added at the end.
    representation = ConvAutoencoder(
        (75, 75, 1), filters=(2, 2, 2), normalization="none"
    )
    for weight in representation.trainable_weights:
        weight.assign(np.ones(weight.shape))
    image = np.zeros((1, 75, 75, 1), np.float32)
    image[0, 8:16, 64:72] = 255
    decoded = array(representation(image)["decoded"])[0, ..., 0]
    rows, columns = np.where(decoded > 0.99 * decoded.max())
    assert abs(rows.mean() - 11.5) <= 8
    assert abs(columns.mean() - 67.5) <= 8


def test_stages_from_coarse_to_fine():
    representation = ConvAutoencoder((64, 64, 1), filters=(4, 4, 4, 4))
    assert representation.stages == (
        "bottleneck",
        "stage3",
        "stage2",
        "stage1",
    )


def test_presets():
    small = ConvAutoencoder((64, 64, 1)).get_config()
    assert small["skip_connections"]
    assert len(small["filters"]) == 6
    assert small["normalization"] == "percentile"
    paper = ConvAutoencoder((64, 64, 3), preset="paper").get_config()
    assert not paper["skip_connections"]
    assert paper["normalization"] == "mean"
    plain = ConvAutoencoder((64, 64, 1), skip_connections=False).get_config()
    assert not plain["skip_connections"]


def test_parts_cover_every_weight_once():
    representation = ConvAutoencoder((32, 32, 1))
    parts = [
        id(w)
        for name in representation.parts
        for layer in representation.part(name)
        for w in layer.weights
    ]
    assert sorted(parts) == sorted(id(w) for w in representation.weights)


def test_fresh_copies_share_nothing():
    one = ConvAutoencoder((32, 32, 1))
    two = one.fresh()
    assert one.get_config() == two.get_config()
    x = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 1))
    difference = array(one(x)["decoded"]) - array(two(x)["decoded"])
    assert np.abs(difference).max() > 0


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"image_shape": (30, 64, 1)}, "6 stages.* at least 32 pixels"),
        ({"filters": (16, 0)}, "whole number of at least 1 per stage"),
        ({"image_shape": (64, 64)}, "for example \\(256, 256, 1\\)"),
        ({"preset": "large"}, "Choose one of small, paper"),
    ],
)
def test_bad_arguments(options, advice):
    with pytest.raises(UmsrepError, match=advice):
        ConvAutoencoder(**options)
