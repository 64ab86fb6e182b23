"""`umsrep pretrain`."""

from pathlib import Path
from typing import Annotated

import typer

from umsrep.cli import options
from umsrep.cli.command import Command
from umsrep.cli.settings_options import over, with_settings
from umsrep.stages.declaration import declared
from umsrep.stages.settings import STAGES

CONSTRUCTIONS = [name for name in STAGES if name != "finetune"]


@with_settings(*(STAGES[name] for name in reversed(CONSTRUCTIONS)))
def pretrain(
    data: Annotated[
        list[Path], typer.Option(help="Prepared data set; may be repeated.")
    ],
    out: Annotated[Path, typer.Option(help="Run folder to write.")],
    task: Annotated[
        str | None,
        typer.Option(
            help="Label task to learn it on. Default: none, by denoising. "
            "`umsrep finetune` then leaves out the patients learnt from."
        ),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="What it is learnt by: one of $objectives. Default: "
            "pretrain, which is denoising; with --task construct."
        ),
    ] = None,
    settings: options.Settings = None,
    resume: options.Resume = False,
    *,
    chosen,
):
    """Learn a shared representation by denoising, or on a label task."""
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.cli.tables import print_denoising, print_metrics
    from umsrep.distribution import use
    from umsrep.stages import choices, objectives
    from umsrep.stages.first_stage import learn
    from umsrep.stages.settings_file import read_settings

    if objective is not None:
        choices.check("objectives", objective, "--objective")
    stored = settings and read_settings(settings, choices.names("objectives"))
    stage = _stage(objective, task, stored, settings)
    if task is not None:
        chosen["task"] = task
    _refuse(chosen, stage)
    if stored:
        settings = over(stored.settings, chosen)
    else:
        settings = STAGES[stage](**chosen)
    learnt = objectives.registry.get(stage)(settings)
    metrics = learn(learnt, data, out, resume)
    if not use(settings.distribution).leads:
        return
    if learnt.by_level:
        print_denoising(metrics)
    else:
        print_metrics({learnt.task: metrics}, "test")
    print(f"Run folder: {out}")


def _stage(objective, task, stored, path):
    """The name of what the representation is learnt by."""
    from umsrep.errors import UmsrepError

    told = objective or (task is not None and "construct") or None
    if stored is None:
        return told or "pretrain"
    if told is not None and stored.stage != told:
        raise UmsrepError(
            f"{path} holds settings of the stage '{stored.stage}', and the "
            f"command line asks for '{told}'"
            + (f" (--task {task})" if objective is None else "")
            + ". Leave one of them out."
        )
    return stored.stage


def _refuse(chosen, stage):
    """Raises if an option was given that the stage does not have."""
    from umsrep.errors import UmsrepError

    known = declared(STAGES[stage])
    for name in chosen:
        if name in known:
            continue
        having = [s for s in CONSTRUCTIONS if name in declared(STAGES[s])]
        raise UmsrepError(
            f"--{name.replace('_', '-')} is a setting of "
            f"{' and '.join(having) or 'no stage'}, not of {stage}. Add "
            "--task TASK (or --objective NAME) to learn by that, or leave it "
            "out."
        )


def add_to(app):
    """Adds the sub-command."""
    app.command("pretrain", cls=Command)(pretrain)
