"""`umsrep predict`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from umsrep.cli.command import Command
from umsrep.cli.options import SixteenBit, Tta
from umsrep.cli.reading import pairs

SHOWN = 5


def predict(
    model: Annotated[
        Path,
        typer.Argument(
            help="Run of `umsrep finetune`, or a file of `umsrep export`."
        ),
    ],
    images: Annotated[
        list[Path],
        typer.Argument(help="Image files, or folders to search for them."),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    task: Annotated[
        list[str] | None,
        typer.Option(help="Only this task; repeat. Default: all."),
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(
            help="Pictures of what speaks for the class: $explainers; "
            "occlusion is slow."
        ),
    ] = None,
    derive: Annotated[
        list[str] | None,
        typer.Option(help="Cells of a derived task, one of $derived; repeat."),
    ] = None,
    derive_argument: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME.ARGUMENT=VALUE of a derived task, such as "
            "recommendation.quality_threshold=0.7; repeat."
        ),
    ] = None,
    scales: Annotated[
        Path | None,
        typer.Option(
            help="Table of what pixels measure (image, axis, unit, per_pixel, "
            "zero, start, stop), for derived tasks."
        ),
    ] = None,
    overlays: Annotated[
        bool, typer.Option(help="Draw masks and maps over the images.")
    ] = True,
    sixteen_bit: SixteenBit = "refuse",
    tta: Tta = 1,
    resume: Annotated[
        bool, typer.Option(help="Go on in an interrupted folder.")
    ] = False,
):
    """Predict PNG, JPEG, TIFF and DICOM files of any size.

    Writes predictions.csv and masks and maps at each image's own size. Exit
    code: 0 when every file was read; 2 when some were not, which failures.csv
    lists with the reason; 1 when nothing could be predicted.
    """
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.inference.predict_files import predict_files

    summary = predict_files(
        model,
        images,
        out,
        tasks=task,
        explain=explain,
        derive=_derived(derive, derive_argument),
        scales=scales,
        pictures=overlays,
        sixteen_bit=sixteen_bit,
        tta=tta,
        resume=resume,
    )
    _tell(summary, out)
    if summary.failures:
        raise typer.Exit(2 if summary.images else 1)


def _tell(summary, out):
    print(f"{summary.images} images predicted: {out / 'predictions.csv'}")
    if summary.warnings:
        print(f"{summary.warnings} of them with a warning (its last column).")
    if not summary.checked:
        print(
            "Not compared with the training images: this model does not say "
            "what they look like. Runs of this umsrep do."
        )
    if summary.passed_over:
        print(f"{summary.passed_over} other files were passed over.")
    if summary.failures:
        _tell_failures(summary.failures, out / "failures.csv")


def _derived(names, arguments):
    """{name: arguments} of the derived tasks."""
    from umsrep.errors import UmsrepError

    found = {name: {} for name in names or ()}
    for key, value in pairs(
        arguments, "--derive-argument", "NAME.ARGUMENT=VALUE"
    ).items():
        name, dot, argument = key.partition(".")
        if not dot or name not in found:
            raise UmsrepError(
                f"--derive-argument {key}={value}: expected "
                "NAME.ARGUMENT=VALUE of a --derive NAME, such as "
                "peak_velocity.envelope=wave."
            )
        found[name][argument] = value
    return found


def _tell_failures(count, table):
    import csv
    import itertools

    with open(table, newline="", encoding="utf-8", errors="replace") as stream:
        for row in itertools.islice(csv.DictReader(stream), SHOWN):
            print(f"umsrep: {row['reason']}", file=sys.stderr)
    print(f"{count} files could not be read: {table}", file=sys.stderr)


def add_to(app):
    """Adds the sub-command."""
    app.command("predict", cls=Command)(predict)
