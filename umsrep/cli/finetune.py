"""`umsrep finetune`."""

from pathlib import Path
from typing import Annotated

import typer

from umsrep.cli import options
from umsrep.cli.command import Command
from umsrep.cli.settings_options import over, with_settings
from umsrep.stages.settings import FinetuneSettings

# Settings of a new representation, as they are called on the command line.
NETWORK = {
    "architecture": "--architecture",
    "arguments": "--argument (--weights, --normalization, --filters, ...)",
}


@with_settings(FinetuneSettings)
def finetune(
    data: Annotated[Path, typer.Option(help="Prepared data set.")],
    out: Annotated[Path, typer.Option(help="Run folder to write.")],
    representation: Annotated[
        str | None,
        typer.Option(
            help="Run folder of `umsrep pretrain`, or none for new weights "
            "(the strategy then is separate, unless given). Needed, unless "
            "--weights or --settings says where weights come from."
        ),
    ] = None,
    settings: options.Settings = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="Task to learn; repeat. Default: all."),
    ] = None,
    denoise_with: Annotated[
        Path | None,
        typer.Option(help="Run folder whose model denoises images first."),
    ] = None,
    leave_out: Annotated[
        Path | None,
        typer.Option(
            help="Run folder of `umsrep pretrain`: leave out the patients it "
            "has learnt from. Always so for a --representation made with "
            "--task; give it here to a baseline of the same patients."
        ),
    ] = None,
    resume: options.Resume = False,
    *,
    chosen,
):
    """Fine-tune task heads on a shared representation."""
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.cli.tables import print_metrics
    from umsrep.distribution import use
    from umsrep.errors import UmsrepError
    from umsrep.stages.finetuning import finetune as run
    from umsrep.stages.settings_file import (
        default_strategy,
        read_settings,
        source,
    )

    stored = settings and read_settings(settings, ("finetune",))
    pretrained = "weights" in chosen.get("arguments", {})
    if representation is None and stored is None:
        if not pretrained:
            raise UmsrepError(
                "--representation is missing. Pass a run folder of `umsrep "
                "pretrain`, none for new weights, or --architecture "
                "efficientnet_lite0 --weights imagenet for pretrained ones."
            )
        representation = "none"
    given = {
        "representation": representation,
        "denoise_with": denoise_with,
        "leave_out": leave_out,
    }
    sources = dict(stored.sources) if stored else {}
    sources |= {k: source(v) for k, v in given.items() if v is not None}
    if stored:
        settings = over(stored.settings, chosen)
    else:
        default = default_strategy(
            sources["representation"], chosen.get("arguments")
        )
        settings = FinetuneSettings(**{**default, **chosen})
    _refuse_network(chosen, sources.get("representation"))
    tasks = task or (stored.tasks if stored else None)
    metrics = run(data, tasks, out, settings=settings, **sources, resume=resume)
    if use(settings.distribution).leads:
        print_metrics(metrics, _judged_on(settings))
        print(f"Run folder: {out}")


def _judged_on(settings):
    """What the printed metrics are of."""
    if settings.folds and settings.fold is None:
        return "held out patients"
    return "validation (thresholds and temperatures from the other parts of it)"


def _refuse_network(chosen, representation):
    """Options of a new representation have no effect on one that there is."""
    from umsrep.errors import UmsrepError

    for field, option in NETWORK.items():
        if field in chosen and representation is not None:
            raise UmsrepError(
                f"{option} is of a new representation, but --representation "
                f"{representation} has its network. Leave one of them out "
                "(--representation none takes new weights)."
            )


def add_to(app):
    """Adds the sub-command."""
    app.command("finetune", cls=Command)(finetune)
