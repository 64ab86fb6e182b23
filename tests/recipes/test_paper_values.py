"""The presets called "paper", against what the papers state.

Every function reads one preset as a training would: from the networks,
heads, losses, balancers and schedules that its settings make.
"""

import inspect
import math

import keras
import numpy as np
import pytest
from tensors import array
from typer.testing import CliRunner

from umsrep import MultiTaskModel, heads
from umsrep.cli import prepare, recipe
from umsrep.cli.main import app
from umsrep.data import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.finetuning.parameters import count
from umsrep.recipes import (
    gg_cam,
    mt_unet,
    paper_values,
    ums_rep_cxr,
    ums_rep_echo,
)
from umsrep.stages import network
from umsrep.stages.objectives import Denoising, Supervised
from umsrep.stages.pretraining import new_denoiser
from umsrep.training import optimizers

SIZE = (64, 64)
FLOW = TaskSpec("flow", "label", ("MA", "MV", "TR"))
ENVELOPE = TaskSpec("envelope", "mask")


def representation(settings):
    return network.new_representation(
        SIZE, settings.architecture, settings.arguments
    )


def layers_of(head):
    """What a classification head does, in order."""
    assert isinstance(head, heads.ClassificationHead)
    assert not head.blocks
    found = ["average"]
    found += ["dense"] if head.hidden is not None else []
    found += ["dropout"] if head.dropout_layer.rate else []
    # That its outputs are the softmax of its logits is a test of the head's.
    return (*found, "softmax")


def loss_of(head):
    return type(head.loss or head.default_loss()).__name__


def default_of(command, option):
    return inspect.signature(command).parameters[option].default


def image_size():
    """What `umsrep prepare` resizes to, unless told otherwise."""
    return (int(default_of(prepare.prepare, "size")),) * 2


class Stopped(Exception):
    """A training that has said what the test asks for."""


def optimizer_of_denoising(model, settings, monkeypatch):
    def compiled(self, optimizer, **_):
        raise Stopped(optimizer)

    monkeypatch.setattr(MultiTaskModel, "compile", compiled)
    with pytest.raises(Stopped) as stopped:
        Denoising(settings).train(model, None, None)
    return stopped.value.args[0]


def ums_rep_chest(monkeypatch):
    preset = ums_rep_cxr.PRESETS["paper"]
    one, target = preset.construction, preset.target
    model = new_denoiser(SIZE, one)
    encoder = model.representation
    convolutions = [
        layer.convolution
        for layer in encoder.part("encoder")
        if hasattr(layer, "convolution")
    ]
    (kernel,) = {c.kernel_size for c in convolutions}
    (strides,) = {c.strides for c in convolutions}
    schedule = Denoising(one).schedule()
    # The baseline of separate models has the same network.
    assert target.arguments == one.arguments
    finding = network.head(
        TaskSpec("finding", "label", ("normal", "abnormal")), target, encoder
    )
    lung = network.head(TaskSpec("lung", "mask"), target, encoder)
    bce_dice = lung.default_loss()
    return {
        "image_size": image_size(),
        "normalization": encoder.get_config()["normalization"],
        "construction.convolutions": len(convolutions),
        "construction.kernel_size": kernel[0],
        "construction.strides": strides[0],
        "construction.filters": tuple(c.filters for c in convolutions),
        "construction.channels": encoder.image_shape[-1],
        "construction.parameters": count(model),
        "construction.skip_connections": encoder.get_config()[
            "skip_connections"
        ],
        "construction.loss": loss_of(model.head("denoised")),
        "construction.optimizer": optimizer_of_denoising(
            model, one, monkeypatch
        ),
        "construction.batch_size": one.batch_size,
        "construction.learning_rate": schedule.learning_rate,
        "construction.decay": schedule.decay,
        "construction.factor": schedule.factor,
        "construction.patience": schedule.patience,
        "construction.stop_patience": schedule.stop_patience,
        "construction.epochs": one.epochs,
        "construction.fractions": one.fractions,
        "classification.head": layers_of(finding),
        "classification.features": finding.feature_names[0],
        "classification.hidden_units": finding.hidden_units,
        "classification.dropout": finding.dropout_layer.rate,
        "classification.loss": loss_of(finding),
        "target.folds": preset.folds,
        "segmentation.features": lung.feature_names[0],
        "segmentation.neurons": lung.neuron.filters,
        "segmentation.loss": loss_of(lung),
        "segmentation.loss_weights": (
            bce_dice.bce_weight,
            bce_dice.dice_weight,
        ),
    }


def ums_rep_doppler(monkeypatch):
    preset = ums_rep_echo.PRESETS["paper"]
    one, target = preset.construction, preset.target
    encoder = representation(one)
    convolutions = [
        layer
        for layer in encoder.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    (kernel,) = {c.kernel_size for c in convolutions}
    (padding,) = {c.padding for c in convolutions}
    flow = Supervised(one).head(FLOW, encoder)
    schedule = network.schedule(target)
    # The baseline of separate models has the same network.
    assert target.arguments == one.arguments
    label = network.head(FLOW, target, encoder)
    mask = network.head(ENVELOPE, target, encoder)
    of_target = 1 - sum(one.fractions[:2])
    optimizers = ums_rep_echo.optimizer("independent", [FLOW, ENVELOPE], preset)
    return {
        "image_size": image_size(),
        "normalization": encoder.get_config()["normalization"],
        "construction.convolutions": len(convolutions),
        "construction.kernel_size": kernel[0],
        "construction.padding": padding,
        "construction.dilation": tuple(
            c.dilation_rate[0] for c in convolutions
        ),
        "construction.strides": encoder.get_config()["strides"],
        "construction.filters": tuple(c.filters for c in convolutions),
        "construction.channels": encoder.image_shape[-1],
        "construction.parameters": count(MultiTaskModel(encoder, flow)),
        "construction.head": layers_of(flow),
        "construction.hidden_units": flow.hidden_units,
        "construction.dropout": flow.dropout_layer.rate,
        "construction.loss": loss_of(flow),
        "construction.optimizer": one.optimizer,
        "construction.learning_rate": one.learning_rate,
        "construction.batch_size": one.batch_size,
        "construction.epochs": one.epochs,
        "construction.share": pytest.approx(sum(one.fractions[:2])),
        "construction.validation_share": one.fractions[1],
        "target.train_and_validation_share": pytest.approx(
            of_target * sum(target.fractions[:2]), abs=0.005
        ),
        "target.test_share": pytest.approx(
            of_target * target.fractions[2], abs=0.005
        ),
        "target.segmentation_features": mask.feature_names[0],
        "target.segmentation_optimizer": optimizers["envelope"],
        "target.segmentation_loss": loss_of(mask),
        "target.classification_features": label.feature_names[0],
        "target.classification_head": layers_of(label),
        "target.classification_optimizer": optimizers["flow"],
        "target.folds": preset.folds,
        "target.classification_loss": loss_of(label),
        "target.hidden_units": label.hidden_units,
        "target.dropout": label.dropout_layer.rate,
        "target.learning_rate": schedule.learning_rate,
        "target.decay": schedule.decay,
        "target.batch_size": target.batch_size,
        "target.epochs": target.epochs,
        "target.augmentation": target.augmentation,
    }


def of_schedule(settings):
    one = network.schedule(settings)
    names = (
        "learning_rate",
        "factor",
        "patience",
        "return_to_best",
        "smallest_rate",
        "stop_patience",
    )
    return {name: getattr(one, name) for name in names}


def of_training(settings):
    names = ("optimizer", "epochs", "batch_size", "augmentation", "fractions")
    return {name: getattr(settings, name) for name in names}


def of_mt_unet(monkeypatch):
    settings = mt_unet.PRESETS["paper"]
    specs = [
        TaskSpec("gaze", "map"),
        TaskSpec("finding", "label", ("normal", "heart", "pneumonia")),
    ]
    unet = representation(settings)
    saliency, finding = (network.head(s, settings, unet) for s in specs)
    balancer = network.balancer(specs, settings)
    model = MultiTaskModel(unet, [saliency, finding], balancer)
    (sigma,) = balancer.sigmas().values()
    config = unet.get_config()
    return {
        "image_shape": default_of(mt_unet.mt_unet, "image_shape"),
        "normalization": config["normalization"],
        "width": config["width"],
        "depth": config["depth"],
        "parameters": count(model),
        "classification.features": finding.feature_names,
        "classification.hidden_units": finding.hidden_units,
        "classification.dropout": finding.dropout_layer.rate,
        "classification.hidden_activation": finding.hidden_activation,
        "classification.loss": loss_of(finding),
        "saliency.loss": loss_of(saliency),
        "weighting": settings.weighting,
        "initial_sigma": sigma,
        "repeats": default_of(recipe.mt_unet, "repeats"),
        **of_schedule(settings),
        **of_training(settings),
    }


def of_gg_cam(monkeypatch):
    preset = gg_cam.PRESETS["paper"]
    backbones = tuple(preset.by_backbone)
    specs = [TaskSpec("finding", "label", ("normal", "heart", "pneumonia"))]
    found = {"backbones": backbones}
    for name in backbones:
        settings = preset.of(name)
        supervised = gg_cam.candidates("finding", preset, [name], "gaze")[1]
        balancer = network.balancer(specs, supervised.settings)
        balancer.attach(("finding", "finding_attention"))
        start = balancer.log_sigma["finding_attention"]
        found[f"ln_initial_sigma_sm.{name}"] = float(array(start))
        found[f"learning_rate.{name}"] = settings.learning_rate
        found["initial_sigma_ce"] = balancer.sigmas()["finding"]
        found |= {k: v for k, v in of_schedule(settings).items()}
        del found["learning_rate"]
        found |= of_training(settings)
        found["normalization"] = settings.arguments["normalization"]
    attention = heads.AttentionHead("finding_attention", "finding_cam")
    return {
        **found,
        # Two sigmas, and the alpha of the attention's head.
        "additional_parameters": len(balancer.log_sigma) + 1,
        "initial_alpha": attention.initial,
        "optimizers": tuple(
            name
            for name in paper_values.GG_CAM["optimizers"].value
            if name in optimizers.names()
        ),
        "momentum": optimizers.get("sgd_momentum").momentum,
        "repeats": default_of(recipe.gg_cam, "repeats"),
    }


READ = {
    "UMS-Rep, chest": ums_rep_chest,
    "UMS-Rep, Doppler": ums_rep_doppler,
    "MT-UNet": of_mt_unet,
    "GG-CAM": of_gg_cam,
}


@pytest.mark.parametrize("paper", paper_values.VALUES)
def test_a_preset_is_its_paper(paper, monkeypatch):
    values = paper_values.VALUES[paper]
    found = READ[paper](monkeypatch)
    assert set(found) == set(values)
    wrong = {
        name: (value, values[name].held)
        for name, value in found.items()
        if values[name].held != value
    }
    assert not wrong


@pytest.mark.parametrize("paper", paper_values.VALUES)
def test_every_value_has_its_source(paper):
    for name, value in paper_values.VALUES[paper].items():
        assert value.origin in paper_values.ORIGINS, name
        assert value.source, name
        # What the paper says has a place in it that can be looked up.
        if value.origin == "paper":
            place = ("Section", "Equation", "Table", "Appendix", "Figure")
            assert value.source.startswith((*place, "Abstract")), name
        assert value.here != value.value, name


def test_mean_normalisation_reaches_the_networks():
    images = np.random.default_rng(0).uniform(20, 200, (2, *SIZE, 1))
    images = images.repeat(3, axis=-1).astype("float32")
    scaled = images / 255
    axes = (1, 2, 3)
    want = np.stack(
        [scaled.mean(axes), scaled.max(axes) - scaled.min(axes)], axis=1
    )
    for settings in (ums_rep_cxr.CONSTRUCTION, ums_rep_echo.CONSTRUCTION):
        found = representation(settings)(images)["intensity"]
        np.testing.assert_allclose(array(found), want, rtol=1e-4)


def test_input_of_gg_cam_is_in_0_to_1():
    settings = gg_cam.PRESETS["paper"].of("resnet50")
    found = representation(settings)
    whole = keras.Model(found.input, found.get_layer("intensity").output[0])
    images = np.full((1, *SIZE, 1), 255, "float32")
    assert array(whole(images)).max() == 1
    assert array(whole(0 * images)).min() == 0


def test_what_the_user_sets_holds_for_every_backbone():
    names = ("resnet50", "efficientnetv2s", "unet")
    preset = gg_cam.preset("paper", learning_rate=1e-4)
    rates = {preset.of(name).learning_rate for name in names}
    assert rates == {1e-4}
    # The other value of the backbone stays its own.
    starts = [math.log(preset.of(name).attention_sigma) for name in names]
    assert starts == pytest.approx([-20, -16, -16])
    assert gg_cam.preset("paper", patience=None) == gg_cam.PRESETS["paper"]


def test_sigma_of_the_code_of_resnet50_is_refused():
    preset = gg_cam.preset(
        "paper", attention_sigma=math.exp(-23), attention="gaze"
    )
    specs = [TaskSpec("finding", "label", ("a", "b"))]
    with pytest.raises(UmsrepError, match="Start from 1, or from e"):
        network.balancer(specs, preset.of("resnet50"))


def test_an_argument_more_leaves_the_others_of_the_preset():
    preset = ums_rep_echo.preset("paper", arguments={"dilation_rate": 3})
    for settings in (preset.construction, preset.target):
        config = representation(settings).get_config()
        assert config["dilation_rate"] == 3
        assert config["normalization"] == "mean"


@pytest.mark.parametrize("name", paper_values.GG_CAM["optimizers"].value)
def test_optimizers_of_gg_cam_are_an_option(name, monkeypatch):
    chosen = []

    def run(data, out, preset, *_):
        chosen.append(preset)
        raise Stopped

    monkeypatch.setattr(gg_cam, "run", run)
    command = ["recipe", "gg-cam", "--data", "x", "--preset", "paper"]
    result = CliRunner().invoke(app, [*command, "--optimizer", name])
    assert isinstance(result.exception, Stopped)
    (preset,) = chosen
    for backbone in gg_cam.BACKBONES:
        assert network.strategy(preset.of(backbone)).optimizer == name
