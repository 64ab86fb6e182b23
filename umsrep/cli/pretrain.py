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


@with_settings(*(STAGES[name] for name in CONSTRUCTIONS))
def pretrain(
    data: Annotated[
        list[Path], typer.Option(help="Prepared data set; may be repeated.")
    ],
    out: Annotated[Path, typer.Option(help="Run folder to write.")],
    objective: Annotated[
        str | None,
        typer.Option(
            help="What it is learnt by: one of $objectives. Default: "
            "denoising; with --task supervised; with --weights none."
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            help="Task to learn it on; repeat for several. "
            "`umsrep finetune` then leaves out the patients learnt from."
        ),
    ] = None,
    representation: Annotated[
        Path | None,
        typer.Option(
            help="Run folder of `umsrep pretrain` to go on from, instead of a "
            "new representation."
        ),
    ] = None,
    settings: options.Settings = None,
    resume: options.Resume = False,
    *,
    chosen,
):
    """Learn a shared representation, with or without labels."""
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.cli.tables import print_levels, print_metrics
    from umsrep.distribution import use
    from umsrep.runs.former import renamed_stage
    from umsrep.stages import choices, objectives
    from umsrep.stages.first_stage import learn
    from umsrep.stages.settings_file import read_settings

    objective = renamed_stage(objective)
    if objective is not None:
        choices.check("objectives", objective, "--objective")
    stored = settings and read_settings(settings, choices.names("objectives"))
    weights = (chosen.get("arguments") or {}).get("weights")
    stage = _stage(objective, task, weights, stored, settings)
    if task:
        chosen["task"] = task[0] if len(task) == 1 else tuple(task)
    _refuse(chosen, stage, representation)
    if stored:
        settings = over(stored.settings, chosen)
    else:
        settings = STAGES[stage](**chosen)
    learnt = objectives.registry.get(stage)(settings)
    metrics = learn(learnt, data, out, resume, representation=representation)
    if not use(settings.distribution).leads:
        return
    if learnt.by_level:
        print_levels(metrics)
    elif len(learnt.tasks) == 1:
        print_metrics({learnt.task: metrics}, "test")
    else:
        print_metrics(metrics, "test")
    print(f"Run folder: {out}")


def _stage(objective, task, weights, stored, path):
    """The name of what the representation is learnt by."""
    from umsrep.errors import UmsrepError

    told = objective or ("supervised" if task else None)
    if stored is None:
        return told or ("none" if weights else "denoising")
    if told is not None and stored.stage != told:
        raise UmsrepError(
            f"{path} holds settings of the stage '{stored.stage}', and the "
            f"command line asks for '{told}'"
            + (f" (--task {task[0]})" if objective is None else "")
            + ". Leave one of them out."
        )
    return stored.stage


def _refuse(chosen, stage, representation):
    """Raises if an option was given that has no effect."""
    from umsrep.errors import UmsrepError

    network = [name for name in ("architecture", "arguments") if name in chosen]
    if representation is not None and (network or stage == "none"):
        raise UmsrepError(
            f"--representation {representation} with "
            f"{'options of a new representation' if network else 'none'}: "
            "the run's own is trained further. Leave the options out, or "
            "--representation; to use the run as it is, name it in `umsrep "
            "finetune`."
        )

    known = declared(STAGES[stage])
    for name in chosen:
        if name in known:
            continue
        having = [s for s in CONSTRUCTIONS if name in declared(STAGES[s])]
        raise UmsrepError(
            f"--{name.replace('_', '-')} is a setting of "
            f"{' and '.join(having) or 'no objective'}, not of {stage}. Add "
            "--objective NAME (or --task TASK) to learn by that, or leave it "
            "out."
        )


def add_to(app):
    """Adds the sub-command."""
    app.command("pretrain", cls=Command)(pretrain)
