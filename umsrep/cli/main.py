"""The `umsrep` command: one sub-command per file of this folder."""

import importlib
import os
import signal
import sys

import typer

from umsrep.errors import UmsrepError

# TensorFlow's start-up notices would bury the progress bars.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

COMMANDS = (
    "phantom",
    "prepare",
    "verify",
    "pretrain",
    "scan",
    "finetune",
    "scan",
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
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Several tasks on one shared representation of a modality.",
)

for _name in COMMANDS:
    importlib.import_module(f"umsrep.cli.{_name}").add_to(app)


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
