"""From a representation and a prepared data set to a fine-tuned run folder."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import keras

from umsrep import (
    balancing,
    data,
    distribution,
    finetuning,
    heads,
    losses,
    model,
    precision,
    representations,
    runs,
)
from umsrep.data import storage
from umsrep.errors import UmsrepError
from umsrep.evaluation import calibration, predict, table_metrics
from umsrep.training import Schedule

STRATEGIES = ("independent", "alternating", "joint", "separate")
WEIGHTINGS = ("equal", "uncertainty")


@dataclass(frozen=True)
class FinetuneSettings:
    """Settings of `finetune`.

    Attributes:
        strategy: "independent", "alternating", "joint", or "separate" (the
            baseline: one whole model per task).
        freeze: Parts of the representation to freeze; None is the strategy's
            default (independent: the encoder; others: nothing).
        weighting: "equal" or "uncertainty" (joint only), or {task: weight}.
        ratio: {task: batches per turn} (alternating only); None follows Luong
            et al. 2015.
        segmentation_features: What segmentation heads read: "decoded", a
            tuple from coarse to fine, or "stages", all of the encoder's.
        classification_features: What classification heads read; None is the
            stage of stride 16, fine enough for heat maps, or the bottleneck
            where there is none.
        convolutions, hidden_units, dropout, label_smoothing: Of
            classification heads.
        optimizer, learning_rate, decay, epochs, batch_size, stop_patience:
            Of the training.
        augmentation: Strength of `Augmentation.chest`; 0 is none.
        draws: Augmented versions per image that epochs go round; None draws
            anew every epoch.
        cache_features: A frozen encoder runs once per version of an image.
        fractions: (train, validation, test) by patient, where the data set
            has no split of its own.
        seed: Of weights, split, order and augmentation.
        precision: "auto", "float32", "bfloat16" or "float16".
        xla: Compile with XLA; None is where it helps.
        distribution: "none", "mirrored" or "multi_worker": over which devices
            batches are divided, as of `distribution.use`.
        preset, filters, skip_connections, normalization: Of a representation
            built anew (without a pre-trained one), as of
            `representations.ConvAutoencoder`.
    """

    strategy: str = "independent"
    freeze: tuple | None = None
    weighting: str | dict = "equal"
    ratio: dict | None = None
    segmentation_features: str | tuple = "decoded"
    classification_features: str | tuple | None = None
    convolutions: tuple = (128, 128)
    hidden_units: int = 64
    dropout: float = 0.5
    label_smoothing: float = 0.0
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    decay: str = "cosine"
    epochs: int = 30
    batch_size: int = 16
    stop_patience: int | None = None
    augmentation: float = 1.0
    draws: int | None = None
    cache_features: bool = True
    fractions: tuple = (0.8, 0.1, 0.1)
    seed: int = 0
    precision: str = "auto"
    xla: bool | None = None
    distribution: str = "none"
    preset: str = "small"
    filters: tuple | None = None
    skip_connections: bool | None = None
    normalization: str = "percentile"

    def __post_init__(self):
        if self.strategy not in STRATEGIES:
            raise UmsrepError(
                f"strategy='{self.strategy}' is unknown. Choose one of "
                f"{', '.join(STRATEGIES)}."
            )
        if isinstance(self.weighting, str) and self.weighting not in WEIGHTINGS:
            raise UmsrepError(
                f"weighting='{self.weighting}' is unknown. Choose one of "
                f"{', '.join(WEIGHTINGS)}, or give a weight per task."
            )


def finetune(
    data_folder,
    tasks,
    out,
    representation=None,
    settings=None,
    denoise_with=None,
    resume=False,
    progress=True,
):
    """Fine-tunes tasks on a prepared data set and writes a run folder.

    Args:
        data_folder: A prepared data set.
        tasks: Names of its tasks; None is all of them.
        out: The run folder.
        representation: Run folder of `pretrain`, or None for new weights.
        settings: `FinetuneSettings`.
        denoise_with: Run folder of `pretrain` whose model denoises every image
            first (the papers' baseline: a separate denoising model).
        resume: Go on in an existing run folder.
        progress: Show a progress bar.

    Returns:
        {task: {metric: value}} on the validation images.
    """
    settings = settings or FinetuneSettings()
    devices = distribution.use(settings.distribution)
    whole = data.load(data_folder)
    tasks = tuple(tasks or whole.tasks)
    if not tasks:
        raise UmsrepError(
            f"{data_folder} has no task to learn. Add labels or masks to its "
            "source and prepare it again."
        )
    if len(set(tasks)) < len(tasks):
        raise UmsrepError(f"tasks={tasks}: name each task once.")
    config = {
        **asdict(settings),
        "data": str(data_folder),
        "tasks": tasks,
        "representation": representation and str(representation),
        "denoise_with": denoise_with and str(denoise_with),
    }
    for task in tasks:
        whole.task(task)
    source = _source(representation, whole, "representation")
    denoiser = _source(denoise_with, whole, "denoise_with")
    config["fingerprints"] = runs.fingerprints(
        [data_folder], [representation, denoise_with]
    )
    with runs.RunWriter(out, "finetune", config, resume, devices) as writer:
        if writer.complete:
            return storage.read_json(writer.path / "metrics.json")
        used = precision.use(settings.precision)
        keras.utils.set_random_seed(settings.seed)
        splits = whole.split(fractions=settings.fractions, seed=settings.seed)
        training, validation, test = splits
        for side, name in ((training, "training"), (validation, "validation")):
            side.require(tasks, name)
        writer.save_split(
            {"train": training, "validation": validation, "test": test}
        )
        if source is not None:
            _warn_of_seen(source, test)
        if denoiser is not None:
            denoiser = denoiser.model()
            training = predict.denoise(denoiser, training)
            validation = predict.denoise(denoiser, validation)
        with devices:
            network = build(whole, tasks, settings, source)
            history = strategy(settings).fit(
                network,
                training,
                validation,
                epochs=settings.epochs,
                batch_size=settings.batch_size,
                seed=settings.seed,
                augmentation=_augmentation(settings),
                draws=settings.draws,
                checkpoint=writer.checkpoint,
                progress=progress,
            )
        groups = history.groups
        storage.write_csv(writer.path / "history.csv", history.table)
        _save_models(writer, network, denoiser)
        specs = [whole.task(task) for task in tasks]
        metrics = _calibrate_and_measure(writer, network, validation, specs)
        writer.finish(
            {
                "strategy": settings.strategy,
                "tasks": list(tasks),
                "task_specs": {
                    spec.name: {"kind": spec.kind, "classes": spec.classes}
                    for spec in specs
                },
                "data": runs.describe_data([data_folder]),
                "precision": used,
                "seconds": history.seconds,
                "seconds_by_task": {g.name: g.seconds for g in groups},
                "epochs_run": max(group.epochs_run for group in groups),
                "best_epochs": {
                    g.name: g.schedule.best_epoch + 1 for g in groups
                },
                "trainable_parameters": history.trainable_parameters,
                "augmentation": (
                    _augmentation(settings).get_config()
                    if settings.augmentation
                    else None
                ),
                "images": {
                    "train": len(training),
                    "validation": len(validation),
                    "test": len(test),
                },
            }
        )
    return metrics


def _source(folder, dataset, argument):
    """The pre-training run in `folder`, or None; checked before training."""
    if folder is None:
        return None
    run = runs.Run(folder)
    if run.info["kind"] != "pretrain":
        raise UmsrepError(
            f"{argument}={folder} is a run of `umsrep {run.info['kind']}`. "
            "Pass a run folder of `umsrep pretrain`."
        )
    size = run.model().representation.image_shape[:2]
    if size != tuple(dataset.image_size):
        raise UmsrepError(
            f"{argument}={folder} takes images of {size[0]}x{size[1]}, but "
            f"those of '{dataset.name}' are {dataset.image_size[0]}x"
            f"{dataset.image_size[1]}. Prepare the data with --size {size[0]}."
        )
    return run


def _warn_of_seen(source, test):
    """Says so if the representation was learnt on this run's test images."""
    split = source.split()
    seen = set(split[split["split"] != "test"]["checksum"])
    count = int(test.table["checksum"].isin(seen).sum())
    if count:
        print(
            f"Warning: {source.path} was pre-trained (without labels) on "
            f"{count} of the {len(test)} test images of this run. Use the "
            "same --fractions and --seed in both commands.",
            file=sys.stderr,
        )


def build(dataset, tasks, settings, source=None):
    """The network: heads for the tasks on a representation.

    Args:
        dataset: A `data.Dataset`.
        tasks: Names of tasks.
        settings: `FinetuneSettings`.
        source: A `runs.Run` of `pretrain`, or None for new weights.
    """

    def new_representation():
        if source is not None:
            # Each call reads the file anew, so that copies share nothing.
            return runs.Run(source.path).model().representation
        channels = 3 if settings.preset == "paper" else 1
        return representations.ConvAutoencoder(
            (*dataset.image_size, channels),
            preset=settings.preset,
            filters=settings.filters,
            skip_connections=settings.skip_connections,
            normalization=settings.normalization,
        )

    def head(task, representation):
        spec = dataset.task(task)
        if spec.kind == "mask":
            features = settings.segmentation_features
            if features == "stages":
                features = representation.stages
            return heads.SegmentationHead(task, features=features)
        features = settings.classification_features
        if features is None:
            features = (
                "stage4"
                if "stage4" in representation.features
                else "bottleneck"
            )
        return heads.ClassificationHead(
            len(spec.classes),
            task,
            features=features,
            convolutions=settings.convolutions,
            hidden_units=settings.hidden_units,
            dropout=settings.dropout,
            loss=losses.CategoricalCrossentropy(settings.label_smoothing),
        )

    if settings.strategy == "separate":
        separate = []
        for task in tasks:
            representation = new_representation()
            separate.append(
                model.MultiTaskModel(
                    representation, [head(task, representation)]
                )
            )
        return finetuning.SeparateModels(separate)
    balancer = None
    if settings.strategy == "joint":
        if settings.weighting == "uncertainty":
            balancer = balancing.UncertaintyWeighting()
        elif isinstance(settings.weighting, dict):
            balancer = balancing.FixedWeighting(settings.weighting)
    representation = new_representation()
    return model.MultiTaskModel(
        representation,
        [head(task, representation) for task in tasks],
        balancer,
    )


def strategy(settings):
    """The strategy object that the settings describe."""
    options = {
        "optimizer": settings.optimizer,
        "cache_features": settings.cache_features,
        "xla": settings.xla,
        "schedule": Schedule(
            settings.learning_rate,
            decay=settings.decay,
            stop_patience=settings.stop_patience,
            warmup_steps=20,
        ),
    }
    if settings.freeze is not None:
        options["freeze"] = tuple(settings.freeze)
    if settings.strategy == "alternating":
        options["ratio"] = settings.ratio
    return finetuning.registry.get(settings.strategy)(**options)


def _augmentation(settings):
    if not settings.augmentation:
        return None
    return data.Augmentation.chest(settings.augmentation)


def _save_models(writer, network, denoiser):
    if isinstance(network, finetuning.SeparateModels):
        for one in network.models:
            writer.save_model(one, f"model-{one.tasks[0]}.keras")
    else:
        writer.save_model(network)
    if denoiser is not None:
        writer.save_model(denoiser, "denoiser.keras")


def _calibrate_and_measure(writer, network, validation, specs):
    """Temperatures and thresholds from validation, and its metrics."""
    outputs = predict.probabilities(network, validation)
    fitted = {}
    for spec in specs:
        if spec.kind == "label":
            labels = validation.labels(spec.name)
            known = labels >= 0
            fitted[spec.name] = calibration.fit(
                outputs[spec.name][known], labels[known]
            )
    storage.write_json(
        Path(writer.path) / "calibration.json",
        {task: asdict(value) for task, value in fitted.items()},
    )
    table = predict.table(outputs, validation, specs, fitted)
    metrics = table_metrics.all_metrics(table, specs, bootstrap=0)
    storage.write_json(writer.path / "metrics.json", metrics)
    return metrics
