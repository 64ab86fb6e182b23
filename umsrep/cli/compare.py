"""umsrep compare: paired tests between evaluations."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR_A DIR_B [DIR_C ...]",
            help="Evaluation folders of two or more runs; every pair is "
            "tested.",
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
    at_specificity: Annotated[
        float | None,
        typer.Option(help="Also compare sensitivity at this specificity."),
    ] = None,
    at_sensitivity: Annotated[
        float | None,
        typer.Option(help="Also compare specificity at this sensitivity."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the permutations.")
    ] = 0,
):
    """Tests, per task, whether runs differ on the same images.

    Labels: right and wrong images, AUC, average precision. Masks: Dice, and
    those whose Dice reaches the threshold. Maps, numbers: values per image.
    p-values take patients as independent and are adjusted by Holm for all
    tests together. All folders must come from the same data and split. Delta m
    is the mean relative improvement of several tasks on the later folder.
    """
    import string
    from dataclasses import asdict

    from rich.console import Console

    from umsrep.data.storage import write_json
    from umsrep.errors import UmsrepError
    from umsrep.evaluation import comparison
    from umsrep.evaluation.folder import read_evaluation
    from umsrep.evaluation.relative_improvement import improvements
    from umsrep.report.terminal import print_improvements, print_tests

    letters = string.ascii_uppercase
    if not 2 <= len(folders) <= len(letters):
        raise UmsrepError(
            f"Got {len(folders)} evaluation folder(s). Pass from 2 to "
            f"{len(letters)}, such as: umsrep compare joint separate"
        )
    named = dict(zip(letters, folders, strict=False))
    evaluations = {n: read_evaluation(path) for n, path in named.items()}
    asked = comparison.Asked(
        dice_threshold, at_specificity, at_sensitivity, seed
    )
    tests, _ = comparison.compare_all(evaluations, asked, strict=True)
    improved = improvements(evaluations, seed=seed)
    console = Console()
    for name, path in named.items():
        console.print(f"{name}: {path}", markup=False, soft_wrap=True)
    if tests:
        print_tests(tests)
    else:
        console.print("No task has a labelled image to compare.")
    print_improvements(improved)
    if out is not None:
        write_json(
            out,
            {
                "evaluations": {n: str(p) for n, p in named.items()},
                "tests": [asdict(test) for test in tests],
                "relative_improvement": [asdict(each) for each in improved],
            },
        )
        console.print(f"Tests written to {out}", markup=False, soft_wrap=True)


def add_to(app):
    """Adds this sub-command to the typer application."""
    app.command("compare")(compare)
