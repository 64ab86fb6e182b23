"""`umsrep learning-curve`."""

from pathlib import Path
from typing import Annotated

import typer

from umsrep.cli import options, reading
from umsrep.cli.command import Command
from umsrep.cli.settings_options import with_settings
from umsrep.experiments.decided import DECIDED, OF_A_CANDIDATE
from umsrep.stages.declaration import declared
from umsrep.stages.settings import FinetuneSettings

# All but what the curve decides.
SETTINGS = {
    option.parameter
    for name, setting in declared(FinetuneSettings).items()
    if name not in DECIDED or name in OF_A_CANDIDATE
    for option in setting.options
}


Plan = Annotated[
    Path | None,
    typer.Option(help="Plan: a YAML file (docs/learning-curves.md)."),
]
Representation = Annotated[
    str | None,
    typer.Option(
        help="Without a plan: run folder of `umsrep pretrain` to compare with "
        "new weights, or none."
    ),
]
Sizes = Annotated[
    str | None,
    typer.Option(
        metavar="N,N,...",
        help="Numbers of labelled patients, such as 13,26,53. Default: all of "
        "them, half, a quarter and so on.",
    ),
]
Repeats = Annotated[
    int | None,
    typer.Option(min=1, help="Trainings of each point. Default: 5."),
]
Seed = Annotated[
    int | None,
    typer.Option(
        min=0, help="Seed of the split and the first repeat. Default: 0."
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        help="Candidate that others are compared with. Default: the first."
    ),
]
Blank = Annotated[
    str | None,
    typer.Option(
        help="Mask task: evaluate also with what lies outside its reference "
        "mask blackened."
    ),
]


@with_settings(FinetuneSettings, only=SETTINGS, default="")
def learning_curve(
    out: Annotated[Path, typer.Option(help="Folder to write, or go on in.")],
    plan: Plan = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Prepared data set instead of the plan's."),
    ] = None,
    representation: Representation = None,
    test_data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Prepared data set that every run is evaluated on as well, "
            "such as of another hospital; repeat."
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="Task of every candidate; repeat. Default: all."),
    ] = None,
    labelled_patients: Sizes = None,
    repeats: Repeats = None,
    seed: Seed = None,
    baseline: Baseline = None,
    blank_outside: Blank = None,
    components: options.Components = None,
    workers: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 1,
    engine: options.Engine = "local",
    scheduler: options.Scheduler = None,
    keep_models: Annotated[
        bool, typer.Option(help="Keep the models of all runs.")
    ] = False,
    *,
    chosen,
):
    """Compare ways of training by how many labelled patients they need.

    Candidates, numbers of patients and repeats, with equal optimizer steps, on
    one test side; curves with intervals, tables and report.html. Repeat the
    command to go on after an interruption. Settings given here are those of
    every candidate.
    """
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep import search
    from umsrep.cli.tables import print_curve
    from umsrep.experiments.curve_plan import load_plan, short_plan
    from umsrep.experiments.learning_curve import learning_curve as run
    from umsrep.report.page import write_report
    from umsrep.stages.settings_file import source

    _check(plan, data, representation)
    changes = {
        "data": data and str(data),
        "test_data": [str(folder) for folder in test_data or ()] or None,
        "tasks": task or None,
        "sizes": _sizes(labelled_patients),
        "repeats": repeats,
        "seed": seed,
        "baseline": baseline,
        "blank_outside": blank_outside,
        "components": reading.counts(components, "--components"),
    }
    stored = plan or short_plan(data, source(representation))
    loaded = load_plan(stored, changes, chosen)
    tables = run(
        loaded, out, search.engine(engine, workers, scheduler), keep_models
    )
    print_curve(tables)
    page = write_report([out], out / "report.html", "Learning curves")
    print(f"Tables, curve.png and page: {page}")


def _sizes(text):
    if text is None:
        return None
    return list(reading.whole_numbers(text, "--labelled-patients"))


def _check(plan, data, representation):
    from umsrep.errors import UmsrepError

    if plan is None and data is None:
        raise UmsrepError(
            "Neither --plan nor --data is given. Pass a plan, or a prepared "
            "data set with --representation for the usual comparison."
        )
    if plan is not None and representation is not None:
        raise UmsrepError(
            "--representation with --plan: the plan's candidates name theirs. "
            "Leave one out."
        )


def add_to(app):
    """Adds the sub-command."""
    app.command("learning-curve", cls=Command)(learning_curve)
