"""From a model and images to the per-image table."""

import numpy as np
import pandas as pd

from umsrep.data.batches import ahead
from umsrep.data.dataset import OtherImages
from umsrep.evaluation.table_metrics import COLUMNS
from umsrep.metrics import segmentation
from umsrep.progress import Progress
from umsrep.runs import calibration, denoise_images, gaze_reference

BATCH_SIZE = 32


class _Replaced(OtherImages):
    """The images given, by row."""

    def __init__(self, store, images):
        super().__init__(store)
        self._images = images

    def image(self, row):
        return self._images[row]


def denoise(model, dataset):
    """The data set with every image denoised.

    Args:
        model: A model with the task "denoised".
        dataset: A `data.Dataset`.

    Returns:
        A `data.Dataset` over the denoised images, uint8.
    """
    images = {}
    batches = dataset.batches(BATCH_SIZE, tasks=())
    for number, (noisy, _, _) in enumerate(ahead(batches)):
        rows = dataset.rows[number * BATCH_SIZE :]
        clean = denoise_images(model, noisy)[..., 0]
        images |= dict(zip(rows, clean, strict=False))
    return dataset.with_store(_Replaced(dataset.store, images))


def probabilities(model, dataset, progress=False):
    """{task: outputs} for all images, each forward pass serving all tasks.

    Args:
        model: A `MultiTaskModel`, or `finetuning.SeparateModels`.
        dataset: A `data.Dataset`.
        progress: Show a progress bar.

    Returns:
        {task: (n, classes) float32, or (n, height, width): float16 for masks,
        to spare memory, and float32 for maps}.
    """
    models = getattr(model, "models", [model])
    kinds = {head.name: head.kind for one in models for head in one.heads}
    # Supervised attention is for training; explanations show the maps.
    parts = {t: [] for t in model.tasks if kinds[t] != "attention"}
    channels = model.representation.image_shape[-1]
    batches = dataset.batches(BATCH_SIZE, tasks=(), channels=channels)
    with Progress("predict", len(batches), enabled=progress) as bar:
        for images, _, _ in ahead(batches):
            for one in models:
                for task, output in one.predict_on_batch(images).items():
                    if task not in parts:
                        continue
                    output = np.asarray(output)
                    if output.ndim == 4:
                        output = output[..., 0]
                    if kinds[task] == "mask":
                        output = output.astype(np.float16)
                    parts[task].append(output)
            bar.advance()
    return {task: np.concatenate(arrays) for task, arrays in parts.items()}


def table(outputs, dataset, specs, calibrations, references=None):
    """The per-image table (predictions.csv).

    Args:
        outputs: As `probabilities`.
        dataset: The `data.Dataset` that gave them; tasks it does not have, and
            labels it lacks, leave empty cells.
        specs: `TaskSpec`s of the tasks predicted.
        calibrations: {label task: `calibration.Calibration`}.
        references: {map task: `gaze_reference.GazeReference`} of training
            images, for the metrics that compare with other images.

    Returns:
        A data frame as described in `table_metrics`.
    """
    frame = dataset.table[["image", "patient", "split"]].copy()
    columns = {}
    for spec in specs:
        if spec.kind == "label":
            columns |= _label_columns(outputs, dataset, spec, calibrations)
        elif spec.kind == "mask":
            columns |= _mask_columns(outputs, dataset, spec)
        else:
            columns |= _map_columns(
                outputs, dataset, spec, (references or {}).get(spec.name)
            )
    return pd.concat([frame, pd.DataFrame(columns, index=frame.index)], axis=1)


def _label_columns(outputs, dataset, spec, calibrations):
    name = spec.name
    calibrated, predicted = calibration.apply(
        outputs[name], calibrations.get(name, calibration.Calibration())
    )
    classes = np.array(spec.classes, dtype=object)
    known = name in dataset.tasks
    columns = {
        f"{name}_true": dataset.table[name].replace("", None)
        if known
        else None,
        f"{name}_pred": classes[predicted],
    }
    for index, label in enumerate(spec.classes):
        columns[f"{name}_p_{label}"] = calibrated[:, index]
    return columns


def _mask_columns(outputs, dataset, spec):
    rows = []
    for index in range(len(dataset)):
        true = None
        if spec.name in dataset.tasks:
            true = dataset.mask(spec.name, index)
        if true is None:
            rows.append({})
            continue
        predicted = outputs[spec.name][index] > 0.5
        rows.append(segmentation.mask_metrics(true.astype(bool), predicted))
    return _pixel_columns(spec, rows)


def _map_columns(outputs, dataset, spec, reference):
    rows = []
    for index in range(len(dataset)):
        true = None
        if spec.name in dataset.tasks:
            true = dataset.map(spec.name, index)
        if true is None:
            rows.append({})
            continue
        rows.append(
            gaze_reference.score(
                true,
                outputs[spec.name][index],
                dataset.fixations(spec.name, index),
                reference,
            )
        )
    return _pixel_columns(spec, rows)


def _pixel_columns(spec, rows):
    return {
        f"{spec.name}_{name}": [row.get(name) for row in rows]
        for name in COLUMNS[spec.kind]
    }
