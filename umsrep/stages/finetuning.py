"""From a representation and a prepared data set to a fine-tuned run folder."""

import sys
from dataclasses import asdict
from pathlib import Path

import keras

from umsrep import data, distribution, finetuning, precision, runs
from umsrep import tasks as task_kinds
from umsrep.data import intensities, storage
from umsrep.data.prepared import read_header
from umsrep.errors import UmsrepError
from umsrep.evaluation import predict, table_metrics
from umsrep.runs import calibration, gaze_reference
from umsrep.stages.network import build, strategy
from umsrep.stages.settings import STRATEGIES, FinetuneSettings
from umsrep.stages.unseen import Unseen

__all__ = ["STRATEGIES", "FinetuneSettings", "build", "finetune", "strategy"]


def finetune(
    data_folder,
    tasks,
    out,
    representation=None,
    settings=None,
    denoise_with=None,
    leave_out=None,
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
        leave_out: Run folder of `pretrain`: patients that it has learnt from
            are neither trained nor tested on. A `representation` that was
            constructed with labels is always such a run; naming it here gives
            a baseline without it the same patients.
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
        "leave_out": leave_out and str(leave_out),
    }
    for task in tasks:
        whole.task(task)
    source = _source(representation, whole, "representation")
    denoiser = _source(denoise_with, whole, "denoise_with")
    if denoiser is not None and denoiser.has_labels:
        raise UmsrepError(
            f"denoise_with={denoise_with} was constructed on "
            f"'{denoiser.tasks[0]}' and removes no noise. Pass a run folder "
            "of `umsrep pretrain` without --task."
        )
    unseen = _unseen(whole, source, leave_out)
    config["fingerprints"] = runs.fingerprints(
        [data_folder], [representation, denoise_with, leave_out]
    )
    with runs.RunWriter(out, "finetune", config, resume, devices) as writer:
        if writer.complete:
            return storage.read_json(writer.path / "metrics.json")
        used = precision.use(settings.precision)
        keras.utils.set_random_seed(settings.seed)
        splits = _split(unseen, settings)
        training, validation, test = splits
        unseen.require(tasks, splits)
        sides = {"train": training, "validation": validation, "test": test}
        writer.save_split(sides, unseen.seen)
        if devices.leads:
            unseen.tell()
        for read in (source, denoiser):
            if read is not None:
                _warn_of_seen(read, test)
        if denoiser is not None:
            denoiser = denoiser.model()
            training = predict.denoise(denoiser, training)
            validation = predict.denoise(denoiser, validation)
        with devices:
            network = build(whole, tasks, settings, source)
            history = strategy(settings).fit(
                network,
                *_attended(network, settings, training, validation),
                epochs=settings.epochs,
                batch_size=settings.batch_size,
                seed=settings.seed,
                augmentation=_augmentation(settings),
                draws=settings.draws,
                checkpoint=writer.checkpoint,
                progress=progress,
            )
        if settings.attention:
            # What predicts needs neither gaze nor the attention's output.
            network = network.view(tasks)
        groups = history.groups
        storage.write_csv(writer.path / "history.csv", history.table)
        _save_models(writer, network, denoiser)
        specs = [whole.task(task) for task in tasks]
        gaze_reference.save(writer.path, training, specs)
        metrics = _calibrate_and_measure(writer, network, validation, specs)
        writer.finish(
            {
                "strategy": settings.strategy,
                "tasks": list(tasks),
                "task_specs": {spec.name: spec.to_json() for spec in specs},
                "data": runs.describe_data([data_folder]),
                "intensities": _intensities(sides["train"], data_folder),
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
                    **{name: len(side) for name, side in sides.items()},
                    "left_out": len(whole) - len(unseen.data),
                },
            }
        )
    return metrics


def divide(data_folder, settings, representation=None, leave_out=None):
    """The split that `finetune` with these arguments trains on.

    Returns:
        {"train", "validation", "test": `data.Dataset`}, by patient.
    """
    whole = data.load(data_folder)
    source = _pretraining(representation, "representation")
    splits = _split(_unseen(whole, source, leave_out), settings)
    names = ("train", "validation", "test")
    return dict(zip(names, splits, strict=True))


def _unseen(whole, source, leave_out):
    labelled = source is not None and source.has_labels
    return Unseen(
        whole,
        [
            source if labelled else None,
            _pretraining(leave_out, "leave_out"),
        ],
    )


def _split(unseen, settings):
    seed = settings.split_seed
    return unseen.data.split(
        fractions=settings.fractions,
        seed=settings.seed if seed is None else seed,
    )


def _pretraining(folder, argument):
    """The run of stage 1 in `folder`, or None."""
    if folder is None:
        return None
    run = runs.Run(folder)
    if run.info["kind"] != "pretrain":
        raise UmsrepError(
            f"{argument}={folder} is a run of `umsrep {run.info['kind']}`. "
            "Pass a run folder of `umsrep pretrain`."
        )
    return run


def _source(folder, dataset, argument):
    """The same, whose model fits the images; checked before training."""
    run = _pretraining(folder, argument)
    if run is None:
        return None
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
    seen = set(split[split["split"].isin(runs.LEARNT_FROM)]["checksum"])
    count = int(test.table["checksum"].isin(seen).sum())
    if count:
        print(
            f"Warning: {source.path} was pre-trained (without labels) on "
            f"{count} of the {len(test)} test images of this run. Use the "
            "same --fractions and --seed in both commands.",
            file=sys.stderr,
        )


def _attended(network, settings, *sides):
    """The data sets with attention on the network's grid, if asked for."""
    if not settings.attention:
        return sides
    (head,) = [h for h in network.heads if h.kind == "attention"]
    grid = network.output[head.name].shape[1:3]
    label = head.name.removesuffix("_attention")
    return [
        side.with_attention(head.name, label, settings.attention, grid)
        for side in sides
    ]


def _intensities(training, data_folder):
    """What the images trained on look like, to warn of others later."""
    preprocessing = read_header(data_folder)["preprocessing"]
    return intensities.measure(
        (training.image(index) for index in range(len(training))),
        preprocessing.get("source_sizes"),
    )


def _augmentation(settings):
    if not settings.augmentation:
        return None
    return data.Augmentation.of(
        settings.augmentation_kind, settings.augmentation
    )


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
        kind = task_kinds.of(spec)
        if kind.calibrated:
            labels = validation.values(spec.name)
            known = kind.known(labels)
            fitted[spec.name] = calibration.fit(
                outputs[spec.name][known], labels[known]
            )
    storage.write_json(
        Path(writer.path) / "calibration.json",
        {task: asdict(value) for task, value in fitted.items()},
    )
    references = gaze_reference.load(writer.path, specs)
    table = predict.table(outputs, validation, specs, fitted, references)
    metrics = table_metrics.all_metrics(table, specs, bootstrap=0)
    storage.write_json(writer.path / "metrics.json", metrics)
    return metrics
