"""`umsrep audit`: is there a shortcut in a data set?"""

from pathlib import Path
from typing import Annotated

import typer


def audit(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A prepared data set.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write: audit.json, audit.csv, pictures. `umsrep "
            "report` takes it, too."
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Of folds, resamples, permutations.")
    ] = 0,
):
    """Looks for shortcuts before any training.

    How well do file size, dimensions, format, folder, border, corners, what
    lies outside the masks, brightness and sharpness alone predict each label
    (cross-validated by patient)? Are split, folder and device readable from
    the image? Which images are copies, which patients repeat?
    """
    from umsrep.cli.tables import print_audit
    from umsrep.progress import counting
    from umsrep.stages.auditing import audit_data

    with counting(f"Auditing {data.name}") as progress:
        found = audit_data(data, out, seed, progress)
    print_audit(found)
    if out is not None:
        print(f"Audit folder: {out}")


def add_to(app):
    """Adds the sub-command."""
    app.command("audit")(audit)
