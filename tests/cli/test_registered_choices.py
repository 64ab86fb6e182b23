"""What is registered can be chosen on the command line, and help names it."""

import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from umsrep import (
    balancing,
    derived,
    finetuning,
    heads,
    representations,
    runs,
)
from umsrep.cli.main import app
from umsrep.errors import UmsrepError
from umsrep.stages import first_stage, objectives
from umsrep.stages.settings import STAGES, ConstructionSettings


def call(*arguments):
    result = CliRunner().invoke(
        app, [str(a) for a in arguments], env={"COLUMNS": "160"}
    )
    if isinstance(result.exception, UmsrepError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return " ".join(result.output.replace("│", " ").split())


@pytest.fixture(scope="module")
def own():
    """A class of each kind, registered as a user's file would."""
    registries = {
        balancing.registry: "halves",
        finetuning.registry: "sum",
        representations.registry: "little",
        heads.registry: "own_linear",
        derived.registry: "brightness",
        first_stage.registry: "own_classes",
    }

    @balancing.registry.register("halves")
    class Halves(balancing.Balancer):
        def call(self, losses, present):
            return 0.5 * sum(losses.values())

    @finetuning.registry.register("sum")
    class Sum(finetuning.FineTuning):
        adds_losses = True

        def groups(self, model, lane):
            return [[lane("sum", model)]]

    @representations.registry.register("little")
    class Little(representations.UNet):
        def __init__(self, image_shape, width=2, **kwargs):
            kwargs["depth"] = 3
            super().__init__(image_shape, width, **kwargs)

    @heads.registry.register("own_linear")
    class Linear(heads.ClassificationHead):
        def __init__(self, num_classes, name, features, loss=None, **kwargs):
            kwargs |= {"hidden_units": 0, "dropout": 0.0}
            super().__init__(num_classes, name, features, loss=loss, **kwargs)

        def get_config(self):
            config = super().get_config()
            for name in ("hidden_units", "dropout"):
                config.pop(name)
            return config

    @derived.registry.register("brightness")
    class Brightness(derived.Explainer):
        def raw(self, model, head, images, classes):
            return np.asarray(images)[..., 0]

    @first_stage.registry.register("own_classes")
    class OwnClasses(objectives.Supervised):
        pass

    STAGES["own_classes"] = ConstructionSettings
    yield
    del STAGES["own_classes"]
    for registry, name in registries.items():
        del registry._classes[name]


@pytest.fixture(scope="module")
def run_folder(own, prepared_folder, tmp_path_factory):
    """A run that chose each of them."""
    out = tmp_path_factory.mktemp("own") / "run"
    call(
        *("finetune", "--data", prepared_folder, "--out", out),
        *("--representation", "none", "--architecture", "little"),
        *("--argument", "width=3", "--strategy", "sum"),
        *("--weighting", "halves", "--classifier", "own_linear"),
        *("--epochs", 1, "--precision", "float32", "--convolutions", "none"),
        *("--optimizer", "sgd", "--fractions", 0.6, 0.2, 0.2),
    )
    return out


def test_representation_strategy_balancer_and_head(run_folder):
    network = runs.Run(run_folder).model()
    assert type(network.representation).__name__ == "Little"
    assert type(network.balancer).__name__ == "Halves"
    assert type(network.head("level")).__name__ == "Linear"
    assert runs.Run(run_folder).info["config"]["optimizer"] == "sgd"


def test_explainer(run_folder, prepared_folder, tmp_path):
    image = next(prepared_folder.rglob("*.png"))
    call(
        *("explain", run_folder, image, "--task", "level"),
        *("--out", tmp_path / "why", "--method", "brightness"),
    )
    assert (tmp_path / "why" / "explanations.csv").exists()


def test_objective(own, prepared_folder, tmp_path):
    call(
        *("pretrain", "--data", prepared_folder, "--out", tmp_path / "run"),
        *("--objective", "own_classes", "--task", "level", "--epochs", 1),
        *("--architecture", "little", "--precision", "float32"),
    )
    assert runs.Run(tmp_path / "run").tasks == ("level",)
    with pytest.raises(UmsrepError, match="expected one of .*own_classes"):
        call(
            *("pretrain", "--data", prepared_folder, "--out", tmp_path / "x"),
            *("--objective", "own_class"),
        )


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("finetune", ("halves", "sum", "little", "own_linear")),
        ("pretrain", ("little", "own_classes")),
        ("explain", ("brightness",)),
        ("predict", ("brightness",)),
    ],
)
def test_help_names_them(own, command, names):
    text = call(command, "--help")
    for name in names:
        assert name in text


@pytest.mark.parametrize("command", ["finetune", "pretrain", "scan"])
def test_help_does_not_wait_for_keras(command):
    code = (
        "import sys; sys.argv = ['umsrep', %r, '--help']\n"
        "from umsrep.cli.main import app\n"
        "try:\n    app()\n"
        "except SystemExit:\n    pass\n"
        "assert 'keras' not in sys.modules, 'keras'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code % command],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--learning-rate" in done.stdout
    assert "msi_net" in done.stdout


def test_options_of_another_objective_are_refused(prepared_folder, tmp_path):
    with pytest.raises(UmsrepError, match="--hidden-units is .* leave it out"):
        call(
            *("pretrain", "--data", prepared_folder, "--out", tmp_path / "x"),
            *("--hidden-units", 8),
        )


@pytest.mark.parametrize(
    "network",
    [
        ("--architecture", "unet", "--argument", "width=4"),
        (
            *("--architecture", "keras_application"),
            *("--argument", "architecture=vgg16", "--argument", "width=0.0625"),
        ),
    ],
)
def test_any_network_learns_to_denoise(prepared_folder, tmp_path, network):
    out = tmp_path / "run"
    call(
        *("pretrain", "--data", prepared_folder, "--out", out, *network),
        *("--epochs", 1, "--precision", "float32"),
    )
    model = runs.Run(out).model()
    assert model.output["denoised"].shape[1:] == (32, 32, 1)
    assert runs.Run(out).metrics["denoised"]["poisson"]["psnr"] > 5
    # What was learnt is there to be fine-tuned.
    call(
        *("finetune", "--data", prepared_folder, "--representation", out),
        *("--out", tmp_path / "tuned", "--epochs", 1, "--precision", "float32"),
        *("--convolutions", "none"),
    )
    assert runs.Run(tmp_path / "tuned").tasks == ("blob", "level")
