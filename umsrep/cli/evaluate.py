"""`umsrep evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from umsrep.cli import options
from umsrep.cli.reading import counts


def evaluate(
    run: Annotated[Path, typer.Argument(help="Run of `umsrep finetune`.")],
    data: Annotated[Path, typer.Option(help="Prepared data set.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    split: Annotated[
        str | None,
        typer.Option(
            help="train, validation or test. Default: test where there is "
            "one, else all images."
        ),
    ] = None,
    masks: Annotated[
        bool, typer.Option(help="Write predicted masks as PNG.")
    ] = False,
    blank_outside: Annotated[
        str | None,
        typer.Option(
            help="Mask task: blacken what lies outside its reference mask."
        ),
    ] = None,
    shift: Annotated[
        str | None,
        typer.Option(help="Simulated shift, to choose settings by."),
    ] = None,
    components: options.Components = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Column, such as sex, age or device: metrics of each of its "
            "values (numbers in quarters), and a test of the difference, in "
            "subgroups.csv; repeat."
        ),
    ] = None,
    tta: options.Tta = 1,
    bootstrap: Annotated[
        int, typer.Option(min=0, help="Resamples for the intervals.")
    ] = 1000,
):
    """Evaluate a run: predictions, metrics with intervals, pictures."""
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.cli.tables import print_folds, print_metrics
    from umsrep.evaluation.folder import read_folder
    from umsrep.stages.evaluation import evaluate_run

    metrics = evaluate_run(
        run,
        data,
        out,
        split=split,
        save_masks=masks,
        blank_outside=blank_outside,
        shift=shift,
        components=counts(components, "--components"),
        bootstrap=bootstrap,
        by=tuple(by or ()),
        tta=tta,
    )
    print_metrics(metrics, f"{run.name} on {data.name}")
    spread = read_folder(out).folds
    if spread:
        print_folds(spread, metrics)
    print(f"Evaluation folder: {out}")


def add_to(app):
    """Adds the sub-command."""
    app.command("evaluate")(evaluate)
