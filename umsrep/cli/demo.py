"""`umsrep demo`."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0)] = 0,
    quick: Annotated[
        bool,
        typer.Option(
            help="Fewer, smaller images and epochs: whether all steps work, "
            "in about a minute. The figures mean nothing."
        ),
    ] = False,
):
    """The main job on synthetic chest X-rays, in about three minutes."""
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.recipes.demo import demo as run
    from umsrep.report.terminal import print_summary

    table, report = run(out, seed=seed, quick=quick)
    print_summary(table)
    print(f"Report: {report.resolve()}")


def add_to(app):
    """Adds the sub-command."""
    app.command("demo")(demo)
