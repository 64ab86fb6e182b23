"""From a representation and a prepared data set to a fine-tuned run folder."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from umsrep import distribution, finetuning, precision, runs
from umsrep import tasks as task_kinds
from umsrep.data import Augmentation, Dataset, load, storage
from umsrep.evaluation import predict, table_metrics
from umsrep.runs import calibration, gaze_reference
from umsrep.stages import copies, focusing
from umsrep.stages.cross_validation import cross_validate
from umsrep.stages.inputs import Inputs
from umsrep.stages.inputs import splits as splits_of
from umsrep.stages.network import classifier, new_network, strategy
from umsrep.stages.settings import FinetuneSettings

# Metrics of the order of images, by the beginnings of their names.
RANKINGS = ("auc", "average_precision")


def finetune(
    data: str | Path | Dataset,
    tasks: Sequence[str] | None,
    out: str | Path,
    representation: str | Path | None = None,
    settings: FinetuneSettings | None = None,
    denoise_with: str | Path | None = None,
    leave_out: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> dict[str, dict[str, Any]]:
    """Fine-tunes tasks on a prepared data set and writes a run folder.

    Args:
        data: A prepared folder, or the `data.Dataset` loaded from one.
        tasks: Names of its tasks; None is all of them.
        out: The run folder.
        representation: Run folder of `pretrain`, or None for new weights.
        settings: `FinetuneSettings`; with `folds` the run folder is that of a
            cross-validation, see `stages.cross_validation`.
        denoise_with: Run folder of `pretrain` whose model denoises every image
            first (the papers' baseline: a separate denoising model).
        leave_out: Run folder of `pretrain`: patients that it has learnt from
            are neither trained nor tested on. A `representation` that was
            constructed with labels is always such a run; naming it here gives
            a baseline without it the same patients.
        resume: Go on in an existing run folder.
        progress: Show a progress bar.

    Returns:
        {task: {metric: value}} on the validation images; of all folds on what
        each held out.
    """
    settings = settings or FinetuneSettings()
    # On record, and in the report, as what it is.
    settings = replace(settings, classifier=classifier(settings))
    whole = load(data)
    tasks = focusing.with_focus(whole, tasks, settings)
    inputs = Inputs(whole, tasks, representation, denoise_with, leave_out)
    config = {**asdict(settings), **inputs.config}
    config["fingerprints"] |= runs.fingerprints([], [], settings.arguments)

    def train(folder, settings, resume):
        own = {**config, **asdict(settings)}
        return _finetune(inputs, settings, folder, own, resume, progress)

    if settings.folds is None:
        return train(out, settings, resume)
    return cross_validate(
        train, inputs, out, settings, config, resume, progress
    )


def _finetune(inputs, settings, out, config, resume, progress):
    """One training: as `finetune`, its run folder and metrics."""
    devices = distribution.use(settings.distribution)
    with runs.RunWriter(out, "finetune", config, resume, devices) as writer:
        if writer.complete:
            return storage.read_json(writer.path / "metrics.json")
        used = precision.use(settings.precision)
        keras.utils.set_random_seed(settings.seed)
        splits = _splits(inputs, settings)
        dropped = copies.left_out(inputs.unseen.data, splits)
        writer.save_split(splits, [*inputs.unseen.seen, *dropped])
        storage.write_csv(writer.path / runs.stage_one.FILE, inputs.stage_one)
        if devices.leads:
            inputs.unseen.tell()
        inputs.warn_of_seen(splits["test"])
        training, validation = inputs.seen_by_network(splits)
        with devices:
            network, history, facts = _train(
                inputs, settings, training, validation, writer, progress
            )
        storage.write_csv(writer.path / "history.csv", history.table)
        _save_models(writer, network, inputs.denoiser)
        gaze_reference.save(writer.path, training, inputs.specs)
        metrics = _calibrate_and_measure(
            writer, network, validation, inputs.specs
        )
        writer.finish(
            {
                "strategy": settings.strategy,
                **inputs.entries(splits),
                "precision": used,
                **_entries(history, settings, training),
                "focus": facts,
                "pretrained": _pretrained(network),
            }
        )
    return metrics


def _splits(inputs, settings):
    """As of `Inputs.split`, the patients drawn by `labelled_tasks`."""
    if settings.labelled_tasks is None:
        return inputs.split(settings)
    found = splits_of(
        inputs.whole,
        settings,
        inputs.config["representation"],
        inputs.config["leave_out"],
        settings.labelled_tasks,
    )
    inputs.unseen.require(inputs.tasks, found)
    return found


def _train(inputs, settings, training, validation, writer, progress):
    """(network, `finetuning.History`, facts of the focus or None)."""
    augmentation = _augmentation(settings, training)

    def fit(network, settings, training, validation, part=""):
        return strategy(settings).fit(
            network,
            *_attended(network, settings, training, validation),
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            seed=settings.seed,
            augmentation=augmentation,
            draws=settings.draws,
            checkpoint=writer.checkpoint / part,
            progress=progress,
            steps=settings.steps,
        )

    if settings.focus:
        return focusing.train(inputs, settings, training, validation, fit)
    network = new_network(inputs.whole, inputs.tasks, settings, inputs.source)
    history = fit(network, settings, training, validation)
    if settings.attention:
        # What predicts needs neither gaze nor the attention's output.
        network = network.view(inputs.tasks)
    return network, history, None


def _entries(history, settings, training):
    """What run.json tells of the training."""
    groups = history.groups
    augmentation = _augmentation(settings, training)
    return {
        "seconds": history.seconds,
        "seconds_by_task": {group.name: group.seconds for group in groups},
        "epochs_run": max(group.epochs_run for group in groups),
        "steps_by_task": history.steps,
        "labels_by_task": history.labels,
        "best_epochs": {
            group.name: group.schedule.best_epoch + 1 for group in groups
        },
        "trainable_parameters": history.trainable_parameters,
        "augmentation": augmentation and augmentation.get_config(),
        "cached_features": history.cached,
        "class_balance": history.class_counts,
    }


def _pretrained(network):
    """Where the representation's weights came from before all training."""
    first = getattr(network, "models", [network])[0]
    return first.representation.origin


def _attended(network, settings, *sides):
    """The data sets with attention on the network's cells, if asked for."""
    if not settings.attention:
        return sides
    (head,) = [h for h in network.heads if h.kind == "attention"]
    cells = network.cells(head.feature_names[0])
    label = head.name.removesuffix("_attention")
    return [
        side.with_attention(head.name, label, settings.attention, cells)
        for side in sides
    ]


def _augmentation(settings, training):
    if not settings.augmentation:
        return None
    augmentation = Augmentation.of(
        settings.augmentation_kind, settings.augmentation
    )
    return augmentation.with_references(training, settings.seed)


def _save_models(writer, network, denoiser):
    if isinstance(network, finetuning.SeparateModels):
        for model in network.models:
            writer.save_model(model, f"model-{model.tasks[0]}.keras")
    else:
        writer.save_model(network)
    if denoiser is not None:
        writer.save_model(denoiser, "denoiser.keras")


def _calibrate_and_measure(writer, network, validation, specs):
    """Temperatures and thresholds from validation, and its metrics.

    The metrics are with those of other parts of the validation images, so that
    no threshold is judged on the images that it was chosen on.
    """
    outputs = predict.probabilities(network, validation)
    patients = table_metrics.patients_of(validation.table)
    fitted, judged = {}, {}
    for spec in specs:
        kind = task_kinds.of(spec)
        if kind.calibrated:
            labels = validation.values(spec.name)
            known = kind.known(labels)
            fitted[spec.name] = calibration.fit(
                outputs[spec.name][known], labels[known]
            )
            judged[spec.name] = calibration.cross_fit(
                outputs[spec.name], np.where(known, labels, -1), patients
            )
    storage.write_json(
        Path(writer.path) / "calibration.json",
        {task: asdict(value) for task, value in fitted.items()},
    )
    references = gaze_reference.load(writer.path, specs)
    table = predict.table(outputs, validation, specs, judged, references)
    metrics = table_metrics.all_metrics(table, specs, bootstrap=0)
    # The order of images needs no calibration, and parts calibrated apart would
    # mix it.
    ranked = [spec for spec in specs if spec.name in fitted]
    whole = predict.table(outputs, validation, ranked, fitted)
    for spec in ranked:
        values = table_metrics.task_metrics(whole, spec)
        metrics[spec.name] |= {
            name: value
            for name, value in values.items()
            if name.startswith(RANKINGS)
        }
    for task, found in fitted.items():
        if found.at_bound and "remarks" in metrics[task]:
            metrics[task]["remarks"].append(
                f"The temperature ({found.temperature:.2f}) is at its bound: "
                "the validation images did not fix it, and probabilities mean "
                "little."
            )
    storage.write_json(writer.path / "metrics.json", metrics)
    return metrics
