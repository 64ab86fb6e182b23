"""`umsrep shifts`."""

from pathlib import Path
from typing import Annotated

import typer

from umsrep.cli.reading import counts


def shifts(
    run: Annotated[Path, typer.Argument(help="Run of `umsrep finetune`.")],
    data: Annotated[
        Path, typer.Option(help="Prepared data set it was trained on.")
    ],
    out: Annotated[Path, typer.Option(help="CSV file to write.")],
    split: Annotated[
        str, typer.Option(help="train or validation.")
    ] = "validation",
    components: Annotated[
        list[str] | None,
        typer.Option(help="TASK=NUMBER, as of `umsrep evaluate`; repeat."),
    ] = None,
):
    """Metrics on validation images under simulated shifts of the scanner."""
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.cli.tables import print_shifts
    from umsrep.data import storage
    from umsrep.evaluation.shift_table import shift_table

    table = shift_table(
        run,
        data,
        split,
        counts(components, "--components"),
    )
    storage.write_csv(out, table.rename_axis("shift").reset_index())
    print_shifts(table)
    print(f"Table: {out}")


def add_to(app):
    """Adds the sub-command."""
    app.command("shifts")(shifts)
