"""`umsrep view`."""

from pathlib import Path
from typing import Annotated

import typer

from umsrep.cli import options


def view(
    model: Annotated[
        Path,
        typer.Argument(
            help="Run of `umsrep finetune`, or a file of `umsrep export`."
        ),
    ],
    evaluation: Annotated[
        Path | None,
        typer.Option(help="Folder of `umsrep evaluate`: cases, worst first."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Prepared data set: its images as cases; with --evaluation, "
            "where its data lie now."
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="0: a free one.")
    ] = 0,
    sixteen_bit: options.SixteenBit = "refuse",
):
    """Look at images in the browser: masks, classes, maps, Grad-CAM.

    Serves one page on 127.0.0.1, for this machine only, until Ctrl-C. Images
    that are dropped onto it stay in memory and are not stored.
    """
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.view.server import view as work

    def ready(address):
        print(f"{address}  (this machine only; Ctrl-C ends it)", flush=True)

    work(model, data, evaluation, port, sixteen_bit, ready)


def add_to(app):
    """Adds the sub-command."""
    app.command("view")(view)
