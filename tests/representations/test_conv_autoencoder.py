import numpy as np
import pytest

from umsrep import MultiTaskModel
from umsrep.errors import UmsrepError
from umsrep.finetuning.parameters import count
from umsrep.heads import ReconstructionHead
from umsrep.representations import ConvAutoencoder


def test_paper_preset_has_the_papers_parameters():
    # UMS-Rep, Table 4: the shared source has 800,067 parameters.
    model = MultiTaskModel(
        ConvAutoencoder((256, 256, 3), preset="paper"),
        [ReconstructionHead(channels=3)],
    )
    assert count(model) == 800_067


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
    assert np.abs(one(x)["decoded"] - two(x)["decoded"]).max() > 0


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"image_shape": (100, 100, 1)}, "Prepare the images at 96x96"),
        ({"image_shape": (64, 64)}, "for example \\(256, 256, 1\\)"),
        ({"preset": "large"}, "Choose one of small, paper"),
    ],
)
def test_bad_arguments(options, advice):
    with pytest.raises(UmsrepError, match=advice):
        ConvAutoencoder(**options)
