import numpy as np
import pytest
from tensors import array

from umsrep import MultiTaskModel
from umsrep.errors import UmsrepError
from umsrep.finetuning.parameters import count
from umsrep.heads import SegmentationHead
from umsrep.representations import UNet


def test_parameters_of_mt_unet():
    # Counted in the authors' network at width 64 and one channel.
    representation = UNet((64, 64, 1), width=64)
    parts = {
        name: sum(map(count, representation.part(name)))
        for name in ("encoder", "decoder")
    }
    assert parts == {"encoder": 18_849_984, "decoder": 15_675_840}


@pytest.mark.parametrize("size", [(64, 64), (75, 50), (33, 61)])
def test_any_size(size):
    representation = UNet((*size, 1), width=2, depth=4)
    shapes = {k: tuple(v.shape[1:3]) for k, v in representation.output.items()}
    assert representation.stages == (
        "bottleneck",
        "stage3",
        "stage2",
        "stage1",
    )
    for name in representation.stages:
        stride = representation.stride(name)
        assert shapes[name] == tuple(-(-n // stride) for n in size)
    model = MultiTaskModel(representation, SegmentationHead("lung"))
    out = model(np.zeros((2, *size, 1)))["lung"]
    assert tuple(out.shape) == (2, *size, 1)


def test_decodes_from_its_sources():
    representation = UNet((33, 40, 1), width=2, depth=3)
    image = np.random.default_rng(0).uniform(0, 255, (2, 33, 40, 1))
    features = representation(image)
    names = representation.sources("decoded")
    assert names == ("bottleneck", "stage2", "stage1")
    count_before = len(representation.weights)
    again = representation.decode({name: features[name] for name in names})
    np.testing.assert_allclose(
        array(again), array(features["decoded"]), rtol=1e-5
    )
    assert len(representation.weights) == count_before


def test_parts_cover_every_weight_once():
    representation = UNet((32, 32, 1), width=2, depth=3)
    parts = [
        id(w)
        for name in ("encoder", "decoder")
        for layer in representation.part(name)
        for w in layer.weights
    ]
    assert sorted(parts) == sorted(id(w) for w in representation.weights)


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"image_shape": (15, 64, 1)}, "5 levels need at least 16 pixels"),
        ({"image_shape": (64, 64)}, "for example \\(256, 256, 1\\)"),
        ({"width": 0}, "width=0: expected a whole number of at least 1"),
        ({"depth": 1}, "depth=1: expected a whole number of at least 2"),
    ],
)
def test_bad_arguments(options, advice):
    with pytest.raises(UmsrepError, match=advice):
        UNet(**options)
