"""umsrep report: one HTML page from run and evaluation folders."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN_OR_DIR...",
            help="Run, evaluation, audit and learning-curve folders, in order.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="The HTML file; replaced if it exists.")
    ] = Path("report.html"),
    title: Annotated[
        str, typer.Option(help="Heading of the page.")
    ] = "UMS-Rep report",
):
    """Writes a self-contained report.html with tables, curves and pictures.

    Give evaluation folders for results and overlays, and the pre-training run
    for the denoising table and triplets; a folder of `umsrep audit` adds what
    was found in the data. The page holds its pictures and can
    be sent as one file; keep in mind that it then shows patients' images.
    """
    from rich.console import Console

    from umsrep.evaluation.summary import summary_table
    from umsrep.report.page import write_report
    from umsrep.report.terminal import print_summary

    path = write_report(folders, out, title)
    print_summary(summary_table(folders))
    Console().print(f"Report written to {path}", markup=False, soft_wrap=True)


def add_to(app):
    """Adds this sub-command to the typer application."""
    app.command("report")(report)
