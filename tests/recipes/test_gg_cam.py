from dataclasses import asdict

import pytest

from umsrep import data, representations
from umsrep.errors import UmsrepError
from umsrep.recipes import gg_cam
from umsrep.stages import network


def test_each_backbone_without_and_with_attention():
    found = gg_cam.candidates(
        "finding", gg_cam.preset(), ("unet", "resnet-small"), "gaze"
    )
    assert [one.name for one in found] == [
        "unet",
        "unet GG-CAM",
        "resnet-small",
        "resnet-small GG-CAM",
    ]
    plain, supervised = (asdict(one.settings) for one in found[:2])
    differing = {key for key in plain if plain[key] != supervised[key]}
    assert differing == {"attention"}


@pytest.mark.parametrize("name", gg_cam.BACKBONES)
def test_every_backbone_has_a_grid_to_supervise(name):
    architecture, arguments = gg_cam.BACKBONES[name]
    one = network.new_representation((64, 64), architecture, arguments)
    grid = one.output["bottleneck"].shape[1:3]
    assert grid[0] > 1
    assert isinstance(one, representations.Representation)


def test_small_starts_where_equation_11_can_move(dataset):
    # e^-16 of the published code needs some 45,000 steps.
    chosen = gg_cam.preset("small", attention="blob")
    settings = chosen.of("resnet-small")
    specs = [data.TaskSpec("level", "label", ("low", "high"))]
    balancer = network.balancer(specs, settings)
    balancer.attach(("level", "level_attention"))
    assert balancer.halved == ("level_attention",)
    assert balancer.sigmas()["level_attention"] == pytest.approx(0.3)
    assert balancer.sigmas()["level"] == 1


def test_unknown_names():
    with pytest.raises(UmsrepError, match="Choose among resnet50"):
        gg_cam.candidates("finding", gg_cam.preset(), ("vit",), "gaze")
    with pytest.raises(UmsrepError, match="paper, small"):
        gg_cam.preset("tiny")
