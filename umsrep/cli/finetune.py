"""`umsrep finetune`."""

from pathlib import Path
from typing import Annotated

import typer

from umsrep.cli import options

# Fields of the settings that options of other names make.
OPTIONS = {
    "weighting": ("weighting", "weight"),
    "ratio": ("batches",),
    "segmentation_features": ("skips",),
    "saliency_features": ("saliency_from",),
    "classification_features": ("classify_from",),
    "arguments": options.ARGUMENTS,
}


def finetune(
    context: typer.Context,
    data: Annotated[Path, typer.Option(help="Prepared data set.")],
    out: Annotated[Path, typer.Option(help="Run folder to write.")],
    representation: Annotated[
        str | None,
        typer.Option(
            help="Run folder of `umsrep pretrain`, or none for new weights. "
            "Needed, unless --settings names it."
        ),
    ] = None,
    settings: options.Settings = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="Task to learn; repeat. Default: all."),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="independent, alternating, joint, or separate: one whole "
            "model per task. Default: independent; with --representation "
            "none, separate (the baseline)."
        ),
    ] = None,
    freeze: Annotated[
        list[str] | None,
        typer.Option(
            help="Part to freeze (encoder, decoder); repeat. Default: the "
            "strategy's."
        ),
    ] = None,
    weighting: Annotated[
        str,
        typer.Option(
            help="Joint: equal, uncertainty, kendall, mtls1, mtls2 or mtls3."
        ),
    ] = "equal",
    weight: Annotated[
        list[str] | None,
        typer.Option(help="Joint: TASK=NUMBER, a given loss weight; repeat."),
    ] = None,
    batches: Annotated[
        list[str] | None,
        typer.Option(
            help="Alternating: TASK=NUMBER, batches per turn; repeat."
        ),
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
    skips: Annotated[
        bool,
        typer.Option(
            help="Segmentation: a new decoder joined to all encoder stages, "
            "instead of the representation's decoder (where it has none: a "
            "new one on the bottleneck)."
        ),
    ] = False,
    epochs: Annotated[int, typer.Option(min=1)] = 30,
    batch_size: options.BatchSize = 16,
    learning_rate: options.LearningRate = 1e-3,
    decay: Annotated[
        str,
        typer.Option(
            help="Of the learning rate: cosine, constant, plateau or "
            "return_to_best (a tenth, and back to the best epoch)."
        ),
    ] = "cosine",
    patience: Annotated[
        int, typer.Option(min=1, help="Epochs until a plateau's rate falls.")
    ] = 40,
    stop_patience: Annotated[
        int | None,
        typer.Option(min=1, help="Epochs without gain until a task stops."),
    ] = None,
    label_smoothing: Annotated[float, typer.Option()] = 0.0,
    classifier: Annotated[
        str,
        typer.Option(
            help="Classification: dense, or cam for explicit class activation "
            "maps."
        ),
    ] = "dense",
    attention: Annotated[
        list[str] | None,
        typer.Option(
            help="Map or mask task that supervises the maps (GG-CAM; joint, "
            "cam), or CLASS=TASK; repeat."
        ),
    ] = None,
    saliency_from: Annotated[
        str,
        typer.Option(help="Feature that saliency heads read."),
    ] = "decoded",
    classify_from: Annotated[
        str | None,
        typer.Option(
            help="Feature that classification heads read, such as "
            "bottleneck. Default: stage4, 16 pixels per cell."
        ),
    ] = None,
    augmentation: Annotated[
        float, typer.Option(help="Strength, 0 (off) to 1.5.")
    ] = 1.0,
    augmentation_kind: Annotated[
        str,
        typer.Option(
            help="chest, or doppler: spectral strips, nothing is turned."
        ),
    ] = "chest",
    draws: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Augmented versions per image that epochs go round. "
            "Default: new ones every epoch.",
        ),
    ] = None,
    cache_features: Annotated[
        bool,
        typer.Option(
            help="Run a frozen encoder once per version of an image, not "
            "once per task."
        ),
    ] = True,
    fractions: options.Fractions = (0.8, 0.1, 0.1),
    seed: options.Seed = 0,
    precision: options.Precision = "auto",
    xla: options.Xla = None,
    distribution: options.Distribution = "none",
    preset: options.Preset = "small",
    filters: options.Filters = None,
    skip_connections: options.SkipConnections = None,
    normalization: options.Normalization = "percentile",
    architecture: Annotated[
        str,
        typer.Option(
            help="Of a new representation: conv_autoencoder, dilated_cnn, "
            "unet, keras_application, ..."
        ),
    ] = "conv_autoencoder",
    argument: options.Argument = None,
    resume: options.Resume = False,
):
    """Fine-tune task heads on a shared representation."""
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.cli.tables import print_metrics
    from umsrep.distribution import use
    from umsrep.errors import UmsrepError
    from umsrep.stages.finetuning import FinetuneSettings
    from umsrep.stages.finetuning import finetune as run
    from umsrep.stages.settings_file import read_settings
    from umsrep.stages.settings_file import source as source_of

    given = options.given(context)
    stored = settings and read_settings(settings, ("finetune",))
    if representation is None and stored is None:
        raise UmsrepError(
            "--representation is missing. Pass a run folder of `umsrep "
            "pretrain`, or none for new weights."
        )
    sources = {
        "representation": representation,
        "denoise_with": denoise_with,
        "leave_out": leave_out,
    }
    if stored is not None:
        named = {k: v for k, v in sources.items() if v is not None}
        sources = stored.sources | named
    sources = {name: source_of(folder) for name, folder in sources.items()}
    if weight and weighting != "equal":
        raise UmsrepError(
            f"--weight with --weighting {weighting}: weights are either given "
            "or learned. Leave one of them out."
        )
    kind = architecture
    if stored is not None and "architecture" not in given:
        kind = stored.settings.architecture
    shared = sources["representation"] is not None
    values = {
        "strategy": strategy or ("independent" if shared else "separate"),
        "freeze": tuple(freeze) if freeze else None,
        "weighting": options.numbers(weight, "--weight", "lung=2")
        if weight
        else weighting,
        "ratio": options.counts(batches, "--batches", "lung=2"),
        "segmentation_features": "stages" if skips else None,
        "saliency_features": saliency_from,
        "classification_features": classify_from,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "decay": decay,
        "patience": patience,
        "stop_patience": stop_patience,
        "label_smoothing": label_smoothing,
        "classifier": classifier,
        "attention": options.by_class(attention, "--attention"),
        "augmentation": augmentation,
        "augmentation_kind": augmentation_kind,
        "draws": draws,
        "cache_features": cache_features,
        "fractions": tuple(fractions),
        "seed": seed,
        "precision": precision,
        "xla": xla,
        "distribution": distribution,
        "architecture": architecture,
        "arguments": options.representation_arguments(
            kind,
            argument,
            preset=preset,
            filters=filters,
            skip_connections=skip_connections,
            normalization=normalization,
            only=options.REPRESENTATION if stored is None else given,
        ),
    }
    if stored is None:
        settings = FinetuneSettings(**values)
    else:
        settings = options.over(stored.settings, values, given, OPTIONS)
    metrics = run(
        data,
        task or (stored.tasks if stored else None),
        out,
        settings=settings,
        **sources,
        resume=resume,
    )
    if not use(settings.distribution).leads:
        return
    print_metrics(metrics, "validation")
    print(f"Run folder: {out}")


def add_to(app):
    """Adds the sub-command."""
    app.command("finetune")(finetune)
