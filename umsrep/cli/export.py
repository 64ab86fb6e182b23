"""`umsrep export`."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(help="Run of `umsrep finetune`.")],
    kind: Annotated[
        str,
        typer.Option(
            "--format", help="keras, savedmodel (a folder), onnx or litert."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="File to write, such as model.onnx; OUT.json and the model "
            "card OUT.md come beside it."
        ),
    ],
    task: Annotated[
        list[str] | None,
        typer.Option(
            help="Only what this task needs; repeat. Default: all tasks."
        ),
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(help="Number format of litert: float16 or int8."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Prepared data set to compare on. Default: the run's."
        ),
    ] = None,
):
    """Write a run as one file for another runtime, and compare the two."""
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.cli.tables import print_accuracy, print_parity
    from umsrep.export import export_run

    metadata = export_run(
        run, out, kind, tasks=task, quantize=quantize, data_folder=data
    )
    print_parity(metadata["parity"])
    if "accuracy" in metadata:
        print_accuracy(metadata["accuracy"], quantize)
    for line in metadata["restrictions"]:
        print(f"Before you pass it on: {line}")
    print(f"Written: {out}, {out.name}.json, {out.name}.md (model card)")


def add_to(app):
    """Adds the sub-command."""
    app.command("export")(export)
