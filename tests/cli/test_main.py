"""What `umsrep` itself offers, before any sub-command."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import umsrep
from umsrep.cli.main import COMMANDS, app

ROOT = Path(__file__).parents[2]


def test_the_version_is_that_of_the_package():
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.output == f"umsrep {umsrep.__version__}\n"


def test_the_citation_names_the_same_version():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {umsrep.__version__}\n" in citation


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_sub_commands(shell):
    """The script that `umsrep --show-completion` prints asks for them."""
    typed = {"COMP_WORDS": "umsrep ", "COMP_CWORD": "1"}
    typed |= {"_TYPER_COMPLETE_ARGS": "umsrep ", "SHELL": f"/bin/{shell}"}
    if shell == "fish":
        typed["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    result = CliRunner().invoke(
        app,
        prog_name="umsrep",
        env={"_UMSREP_COMPLETE": f"complete_{shell}", **typed},
    )
    assert set(COMMANDS) <= set(re.findall(r"[\w-]+", result.output))
