"""Which head label tasks get."""

import dataclasses

import pytest

from umsrep.data import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.representations import ConvAutoencoder
from umsrep.stages import FinetuneSettings, network
from umsrep.stages.settings import OF_DENSE

LEVEL = TaskSpec("level", "label", ("low", "high"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"strategy": "independent"}, "linear"),
        ({"strategy": "joint", "freeze": ("encoder",)}, "linear"),
        ({"strategy": "separate", "release_after": 0.3}, "linear"),
        ({"strategy": "joint"}, "dense"),
        ({"strategy": "separate"}, "dense"),
        ({"strategy": "independent", "dropout": 0.1}, "dense"),
        ({"strategy": "independent", "hidden_units": 0}, "dense"),
        (
            {"strategy": "independent", "classification_features": "decoded"},
            "dense",
        ),
        ({"strategy": "independent", "classifier": "dense"}, "dense"),
        ({"strategy": "joint", "classifier": "linear"}, "linear"),
    ],
)
def test_a_frozen_encoder_gets_a_linear_head(given, expected):
    settings = FinetuneSettings(**given)
    assert network.classifier(settings) == expected
    head = network.head(LEVEL, settings, ConvAutoencoder((32, 32, 1)))
    assert (
        type(head)
        .__name__.lower()
        .startswith({"dense": "classification"}.get(expected, expected))
    )


def test_settings_that_a_linear_head_lacks_are_refused():
    with pytest.raises(UmsrepError, match="dropout=0.1 .* solved, not trained"):
        FinetuneSettings(classifier="linear", dropout=0.1)


def test_so_are_those_that_no_task_can_use(dataset):
    """Which tasks there are is known when the network is made."""
    given = {"heads": {"level": "linear"}, "hidden_units": 32}
    settings = FinetuneSettings(strategy="joint", **given)
    with pytest.raises(UmsrepError, match="hidden_units=32, but all label"):
        network.new_network(dataset, ["blob", "level"], settings)
    settings = FinetuneSettings(
        strategy="joint", classifier="dense", hidden_units=32
    )
    made = network.new_network(dataset, ["blob", "level"], settings)
    (level,) = (head for head in made.heads if head.name == "level")
    assert level.hidden_units == 32


def test_settings_of_dense_heads_are_settings():
    names = {field.name for field in dataclasses.fields(FinetuneSettings)}
    assert names >= OF_DENSE
