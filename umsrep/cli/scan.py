"""`umsrep scan`."""

from pathlib import Path
from typing import Annotated

import typer


def scan(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="A recipe's YAML file, or the name of a shipped one: "
            "ums-rep-construction (the paper's space) or fine-tuning.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the scan.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Prepared data set instead of the recipe's."),
    ] = None,
    representation: Annotated[
        str | None,
        typer.Option(
            help="Run of `umsrep pretrain`, or none, instead of the recipe's."
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, help="Rounds instead of the recipe's."),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(min=1, help="Rounds at a time, a process each."),
    ] = 1,
    engine: Annotated[
        str, typer.Option(help="local, or dask: a cluster.")
    ] = "local",
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Dask scheduler, such as tcp://10.0.0.5:8786. Default: a "
            "cluster on this machine."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Go on in an interrupted scan's folder.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option(help="The same, and train failed rounds again.")
    ] = False,
):
    """Trains many settings with Talos and ranks them on validation images.

    Every round is what `umsrep finetune` or `umsrep pretrain` would train. It
    counts with its best epoch. Failed rounds are kept with their reason. Ends
    with results.csv, parallel.png and best.yaml, which `finetune --settings`
    and `pretrain --settings` read.
    """
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.search import engines, load_recipe, results
    from umsrep.search import scan as work

    folders = [str(folder) for folder in data or ()]
    loaded = load_recipe(
        recipe,
        data=folders[0] if len(folders) == 1 else folders or None,
        representation=representation,
        rounds=rounds,
    )
    found = work(
        loaded,
        out,
        engine=engines.engine(engine, workers, scheduler),
        resume=resume,
        retry_failed=retry_failed,
    )
    print(results.page(found.table.head(10), loaded, finished=True))
    command = "finetune" if loaded.stage == "finetune" else "pretrain"
    print(
        f"All rounds: {out / 'results.csv'}; picture: {out / 'parallel.png'}\n"
        f"Next: umsrep {command} --settings {out / 'best.yaml'} --data "
        f"{loaded.data[0]} --out RUN"
    )


def add_to(app):
    """Adds the sub-command."""
    app.command("scan")(scan)
