"""`umsrep scan`."""

from pathlib import Path
from typing import Annotated

import typer

from umsrep.cli import options
from umsrep.cli.command import Command
from umsrep.cli.settings_options import with_settings
from umsrep.search.shipped_spaces import shipped
from umsrep.stages.settings import STAGES


@with_settings(*STAGES.values(), default="")
def scan(
    space: Annotated[
        str,
        typer.Argument(
            help="Search space: a YAML file (docs/scans.md), or a shipped "
            f"one: {', '.join(shipped())}."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Scan folder to write.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Prepared data set instead of the search space's."),
    ] = None,
    representation: Annotated[
        str | None,
        typer.Option(
            help="Run folder of `umsrep pretrain`, or none, instead of the "
            "search space's."
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="Task instead of the search space's; repeat."),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Instead of the search space's.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Rounds at a time.")] = 1,
    engine: options.Engine = "local",
    scheduler: options.Scheduler = None,
    resume: Annotated[
        bool, typer.Option(help="Go on with an interrupted scan.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option(help="The same, and train failed rounds again.")
    ] = False,
    *,
    chosen,
):
    """Try settings with Talos and rank them on validation images.

    Each round trains as `umsrep finetune` or `umsrep pretrain` would. Use the
    best one with `--settings OUT/best.yaml` in these commands. Settings given
    here are the same in every round.
    """
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep import search

    plan = search.load_space(
        space,
        data=[str(folder) for folder in data] if data else None,
        representation=representation,
        tasks=task,
        rounds=rounds,
        settings=chosen,
    )
    result = search.scan(
        plan,
        out,
        search.engine(engine, workers, scheduler),
        resume=resume,
        retry_failed=retry_failed,
    )
    _print(result, plan)


def _print(result, plan):
    command = "finetune" if plan.stage == "finetune" else "pretrain"
    table = result.table
    failed = int((table["status"] != "complete").sum())
    done = len(table) - failed
    print(f"{done} rounds, {failed} failed. The best:")
    for name, value in result.best["chosen"].items():
        print(f"  {name}: {value}")
    print(f"  {plan.objective}: {result.best['objective']:.4f}")
    print(f"Table and picture: {result.path}")
    data = " ".join(f"--data {folder}" for folder in plan.data)
    print(
        f"Next: umsrep {command} --settings {result.path / 'best.yaml'} "
        f"{data} --out RUN"
    )


def add_to(app):
    """Adds the sub-command."""
    app.command("scan", cls=Command)(scan)
