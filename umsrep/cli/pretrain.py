"""`umsrep pretrain`."""

from pathlib import Path
from typing import Annotated

import typer


def pretrain(
    data: Annotated[
        list[Path], typer.Option(help="Prepared data set; may be repeated.")
    ],
    out: Annotated[Path, typer.Option(help="Run folder to write.")],
    preset: Annotated[str, typer.Option(help="small or paper.")] = "small",
    skip_connections: Annotated[
        bool, typer.Option(help="Join encoder stages to the decoder.")
    ] = False,
    normalization: Annotated[
        str, typer.Option(help="percentile, mean or none.")
    ] = "percentile",
    epochs: Annotated[int, typer.Option(min=1, help="At most.")] = 50,
    batch_size: Annotated[int, typer.Option(min=1)] = 16,
    learning_rate: Annotated[float, typer.Option()] = 1e-3,
    patience: Annotated[
        int, typer.Option(min=1, help="Epochs until the rate falls.")
    ] = 3,
    stop_patience: Annotated[
        int, typer.Option(min=1, help="Epochs until training stops.")
    ] = 8,
    fractions: Annotated[
        tuple[float, float, float],
        typer.Option(help="Train, validation and test share of patients."),
    ] = (0.8, 0.1, 0.1),
    seed: Annotated[int, typer.Option(min=0)] = 0,
    precision: Annotated[
        str, typer.Option(help="auto, float32, bfloat16 or float16.")
    ] = "auto",
    resume: Annotated[
        bool, typer.Option(help="Go on in an interrupted run folder.")
    ] = False,
):
    """Learn a shared representation by denoising (no labels needed)."""
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.cli.tables import print_denoising
    from umsrep.workflows.pretraining import PretrainSettings
    from umsrep.workflows.pretraining import pretrain as run

    settings = PretrainSettings(
        preset=preset,
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
    )
    metrics = run(data, out, settings, resume=resume)
    print_denoising(metrics)
    print(f"Run folder: {out}")


def add_to(app):
    """Adds the sub-command."""
    app.command("pretrain")(pretrain)
