"""`umsrep pretrain`."""

from pathlib import Path
from typing import Annotated

import typer

from umsrep.cli import options


def pretrain(
    context: typer.Context,
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
    settings: options.Settings = None,
    preset: options.Preset = "small",
    filters: options.Filters = None,
    skip_connections: options.SkipConnections = None,
    normalization: options.Normalization = "percentile",
    architecture: Annotated[
        str | None,
        typer.Option(
            help="With --task: dilated_cnn (default), conv_autoencoder, unet, "
            "..."
        ),
    ] = None,
    argument: options.Argument = None,
    hidden_units: Annotated[
        int | None,
        typer.Option(min=0, help="With --task: of the dense layer (256)."),
    ] = None,
    dropout: Annotated[
        float | None,
        typer.Option(help="With --task: after the dense layer (0.5)."),
    ] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(help="With --task: adam (default), sgd, rmsprop, ..."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="At most. Default: 50; with --task 64."),
    ] = None,
    batch_size: options.BatchSize = 16,
    learning_rate: options.LearningRate = 1e-3,
    patience: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Epochs until the rate falls. Default: 3; with --task it "
            "stays.",
        ),
    ] = None,
    stop_patience: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Epochs until training stops. Default: 8; with --task it "
            "does not.",
        ),
    ] = None,
    fractions: Annotated[
        tuple[float, float, float] | None,
        typer.Option(
            help="Train, validation and test share of patients. Default: 0.8 "
            "0.1 0.1; with --task 0.6 0.1 0.3, the last for target tasks."
        ),
    ] = None,
    seed: options.Seed = 0,
    precision: options.Precision = "auto",
    xla: options.Xla = None,
    distribution: options.Distribution = "none",
    resume: options.Resume = False,
):
    """Learn a shared representation by denoising, or on a label task."""
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.cli.tables import print_denoising, print_metrics
    from umsrep.distribution import use
    from umsrep.errors import UmsrepError
    from umsrep.stages.construction import ConstructionSettings, construct
    from umsrep.stages.pretraining import pretrain as denoise
    from umsrep.stages.settings_file import STAGES, read_settings

    given = options.given(context)
    stored = settings and read_settings(settings, ("pretrain", "construct"))
    if task is None and stored is not None and stored.stage == "construct":
        task = stored.settings.task
    stage = "pretrain" if task is None else "construct"
    if stored is not None and stored.stage != stage:
        raise UmsrepError(
            f"--task {task} with {settings}, whose settings are of denoising. "
            "Leave one of them out."
        )
    values = _given(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        patience=patience,
        stop_patience=stop_patience,
        fractions=fractions and tuple(fractions),
        seed=seed,
        precision=precision,
        xla=xla,
        distribution=distribution,
    )
    only_with_task = _given(
        architecture=architecture,
        argument=argument or None,
        hidden_units=hidden_units,
        dropout=dropout,
        optimizer=optimizer,
    )
    if stage == "pretrain":
        _refuse(only_with_task)
        values |= {
            "preset": preset,
            "filters": options.whole_numbers(filters, "--filters"),
            "skip_connections": skip_connections,
            "normalization": normalization,
        }
    else:
        only_with_task.pop("argument", None)
        default = stored.settings if stored else ConstructionSettings
        values |= only_with_task | {
            "task": task,
            "arguments": options.representation_arguments(
                architecture or default.architecture,
                argument,
                preset=preset,
                filters=filters,
                skip_connections=skip_connections,
                normalization=normalization,
                only=options.REPRESENTATION if stored is None else given,
            ),
        }
    if stored is None:
        settings = STAGES[stage](**values)
    else:
        made_of = {
            "arguments": ("architecture", "argument", *options.REPRESENTATION)
        }
        settings = options.over(stored.settings, values, given, made_of)
    work = denoise if stage == "pretrain" else construct
    metrics = work(data, out, settings, resume=resume)
    if not use(settings.distribution).leads:
        return
    if stage == "pretrain":
        print_denoising(metrics)
    else:
        print_metrics({task: metrics}, "test")
    print(f"Run folder: {out}")


def _given(**settings):
    """What was given; the rest is the settings' default."""
    return {name: v for name, v in settings.items() if v is not None}


def _refuse(settings):
    """Raises if an option was given that denoising does not have."""
    from umsrep.errors import UmsrepError

    if settings:
        option = f"--{next(iter(settings)).replace('_', '-')}"
        raise UmsrepError(
            f"{option} is about learning on a label task. Add --task TASK, or "
            "leave it out."
        )


def add_to(app):
    """Adds the sub-command."""
    app.command("pretrain")(pretrain)
