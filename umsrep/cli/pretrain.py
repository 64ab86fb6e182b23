"""`umsrep pretrain`."""

from pathlib import Path
from typing import Annotated

import typer

from umsrep.cli import options


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
    from umsrep.workflows.construction import ConstructionSettings, construct
    from umsrep.workflows.pretraining import PretrainSettings
    from umsrep.workflows.pretraining import pretrain as denoise

    common = _given(
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
    if task is None:
        _refuse(only_with_task)
        settings = PretrainSettings(
            preset=preset,
            filters=options.whole_numbers(filters, "--filters"),
            skip_connections=skip_connections,
            normalization=normalization,
            **common,
        )
        metrics = denoise(data, out, settings, resume=resume)
    else:
        only_with_task.pop("argument", None)
        architecture = architecture or ConstructionSettings.architecture
        arguments = options.representation_arguments(
            architecture,
            argument,
            preset=preset,
            filters=filters,
            skip_connections=skip_connections,
            normalization=normalization,
        )
        settings = ConstructionSettings(
            task, arguments=arguments, **common, **only_with_task
        )
        metrics = construct(data, out, settings, resume=resume)
    if not use(distribution).leads:
        return
    if task is None:
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
