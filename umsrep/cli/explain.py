"""`umsrep explain`."""

from pathlib import Path
from typing import Annotated

import typer

from umsrep.cli.command import Command


def explain(
    run: Annotated[Path, typer.Argument(help="Run of `umsrep finetune`.")],
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    task: Annotated[str, typer.Option(help="A classification task.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    target: Annotated[
        str | None,
        typer.Option(help="Class to explain. Default: the winning one."),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="One of $explainers; occlusion is slow. Default: cam for a "
            "linear head, else grad_cam."
        ),
    ] = None,
):
    """Where a classification task looks in these images."""
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.inference.explaining import explain as work

    table = work(run, task, images, out, target=target, method=method)
    print(table.to_string(index=False))
    print(f"Overlays: {out}")


def add_to(app):
    """Adds the sub-command."""
    app.command("explain", cls=Command)(explain)
