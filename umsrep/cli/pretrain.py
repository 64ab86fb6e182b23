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
    preset: options.Preset = "small",
    filters: options.Filters = None,
    skip_connections: options.SkipConnections = None,
    normalization: options.Normalization = "percentile",
    epochs: Annotated[int, typer.Option(min=1, help="At most.")] = 50,
    batch_size: options.BatchSize = 16,
    learning_rate: options.LearningRate = 1e-3,
    patience: Annotated[
        int, typer.Option(min=1, help="Epochs until the rate falls.")
    ] = 3,
    stop_patience: Annotated[
        int, typer.Option(min=1, help="Epochs until training stops.")
    ] = 8,
    fractions: options.Fractions = (0.8, 0.1, 0.1),
    seed: options.Seed = 0,
    precision: options.Precision = "auto",
    xla: options.Xla = None,
    distribution: options.Distribution = "none",
    resume: options.Resume = False,
):
    """Learn a shared representation by denoising (no labels needed)."""
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.cli.tables import print_denoising
    from umsrep.distribution import use
    from umsrep.workflows.pretraining import PretrainSettings
    from umsrep.workflows.pretraining import pretrain as run

    settings = PretrainSettings(
        preset=preset,
        filters=options.whole_numbers(filters, "--filters"),
        skip_connections=skip_connections,
        normalization=normalization,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        patience=patience,
        stop_patience=stop_patience,
        fractions=tuple(fractions),
        seed=seed,
        precision=precision,
        xla=xla,
        distribution=distribution,
    )
    metrics = run(data, out, settings, resume=resume)
    if not use(distribution).leads:
        return
    print_denoising(metrics)
    print(f"Run folder: {out}")


def add_to(app):
    """Adds the sub-command."""
    app.command("pretrain")(pretrain)
