"""Every weighting can be chosen in settings, files and commands."""

import pytest
from typer.testing import CliRunner

from umsrep import balancing, runs
from umsrep.cli.main import app
from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.stages import network
from umsrep.stages.settings import FinetuneSettings

SPECS = [TaskSpec("blob", "mask"), TaskSpec("level", "label", ("low", "high"))]


@pytest.mark.parametrize(("name", "cls"), balancing.registry.items())
def test_a_weighting_is_its_balancer(name, cls):
    settings = FinetuneSettings(strategy="joint", weighting=name)
    assert type(network.balancer(SPECS, settings)) is cls
    # One task has nothing to be balanced.
    assert network.balancer(SPECS[:1], settings) is None
    with pytest.raises(UmsrepError, match="Choose one of .*famo"):
        balancing.weighting(f"{name}x", {})


def test_the_command_trains_with_one(prepared_folder, tmp_path):
    arguments = [
        *("finetune", "--data", prepared_folder, "--out", tmp_path / "run"),
        *("--representation", "none", "--filters", "4,8"),
        *("--strategy", "joint", "--weighting", "upgrad", "--epochs", 1),
        *("--precision", "float32", "--convolutions", "none"),
        *("--fractions", 0.6, 0.2, 0.2),
    ]
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    run = runs.Run(tmp_path / "run")
    assert isinstance(run.model().balancer, balancing.UPGrad)
    frozen = [*arguments, "--freeze", "encoder"]
    frozen[frozen.index(tmp_path / "run")] = tmp_path / "frozen"
    result = CliRunner().invoke(app, [str(a) for a in frozen])
    assert isinstance(result.exception, UmsrepError)
    assert "let the encoder train" in str(result.exception)
