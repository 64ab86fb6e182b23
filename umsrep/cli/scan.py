"""`umsrep scan`."""

from pathlib import Path
from typing import Annotated

import typer


def scan(
    recipe: Annotated[
        str,
        typer.Argument(
            help="YAML file (docs/scans.md), or a shipped recipe: "
            "ums-rep-echo, cxr-heads, cxr-weights."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Scan folder to write.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Prepared data set instead of the recipe's."),
    ] = None,
    representation: Annotated[
        str | None,
        typer.Option(
            help="Run folder of `umsrep pretrain`, or none, instead of the "
            "recipe's."
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="Task instead of the recipe's; repeat."),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Instead of the recipe's.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Rounds at a time.")] = 1,
    engine: Annotated[
        str,
        typer.Option(
            help="local: processes on this machine; dask: a cluster "
            "(pip install -e '.[cluster]')."
        ),
    ] = "local",
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Address of a Dask scheduler. Default: a cluster of "
            "--workers on this machine."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Go on with an interrupted scan.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option(help="The same, and train failed rounds again.")
    ] = False,
):
    """Try settings with Talos and rank them on validation images.

    Each round trains as `umsrep finetune` or `umsrep pretrain` would. Use the
    best one with `--settings OUT/best.yaml` in these commands.
    """
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep import search

    chosen = search.load_recipe(
        recipe,
        data=[str(folder) for folder in data] if data else None,
        representation=representation,
        tasks=task,
        rounds=rounds,
    )
    result = search.scan(
        chosen,
        out,
        search.engine(engine, workers, scheduler),
        resume=resume,
        retry_failed=retry_failed,
    )
    _print(result, chosen)


def _print(result, recipe):
    command = "finetune" if recipe.stage == "finetune" else "pretrain"
    table = result.table
    failed = int((table["status"] != "complete").sum())
    done = len(table) - failed
    print(f"{done} rounds, {failed} failed. The best:")
    for name, value in result.best["chosen"].items():
        print(f"  {name}: {value}")
    print(f"  {recipe.objective}: {result.best['objective']:.4f}")
    print(f"Table and picture: {result.path}")
    data = " ".join(f"--data {folder}" for folder in recipe.data)
    print(
        f"Next: umsrep {command} --settings {result.path / 'best.yaml'} "
        f"{data} --out RUN"
    )


def add_to(app):
    """Adds the sub-command."""
    app.command("scan")(scan)
