"""umsrep compare: paired tests between two evaluations."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    folder_a: Annotated[
        Path,
        typer.Argument(
            metavar="DIR_A", help="Evaluation folder of the first run."
        ),
    ],
    folder_b: Annotated[
        Path,
        typer.Argument(
            metavar="DIR_B", help="Evaluation folder of the second run."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Also write the tests to this JSON file."),
    ] = None,
    dice_threshold: Annotated[
        float,
        typer.Option(help="A mask counts as right from this Dice on."),
    ] = 0.95,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the bootstrap intervals.")
    ] = 0,
):
    """Tests, per task, whether two runs differ on the same images.

    McNemar's test on right and wrong images (a mask is right when its Dice
    reaches the threshold), for masks also Wilcoxon's signed-rank test on
    Dice, and p-values adjusted by Holm for all tests together. Both folders
    must come from the same data and split.
    """
    from dataclasses import asdict

    from rich.console import Console

    from umsrep.data.storage import write_json
    from umsrep.evaluation import comparison
    from umsrep.evaluation.folder import read_evaluation
    from umsrep.report.terminal import print_tests

    a, b = read_evaluation(folder_a), read_evaluation(folder_b)
    tests = comparison.compare(
        a.predictions,
        b.predictions,
        comparison.common_tasks(a, b),
        dice_threshold,
        seed,
    )
    console = Console()
    console.print(f"A: {folder_a}\nB: {folder_b}", markup=False, soft_wrap=True)
    if tests:
        print_tests(tests)
    else:
        console.print("No task has a labelled image to compare.")
    if out is not None:
        write_json(
            out,
            {
                "a": str(folder_a),
                "b": str(folder_b),
                "tests": [asdict(test) for test in tests],
            },
        )
        console.print(f"Tests written to {out}", markup=False, soft_wrap=True)


def add_to(app):
    """Adds this sub-command to the typer application."""
    app.command("compare")(compare)
