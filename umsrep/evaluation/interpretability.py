"""How often explanations point where they should.

GG-CAM (Zhu et al. 2022, Section 4.3): a classifier is interpretable if, for an
image of a disease, its map points at the organ of the disease.
"""

import numpy as np
import pandas as pd

from umsrep.errors import UmsrepError
from umsrep.evaluation.class_means import class_means
from umsrep.metrics import attention
from umsrep.progress import Progress

BATCH_SIZE = 32
METRICS = (
    "peak_in_mask",
    "peak_in_mask_chance",
    "peak_in_mask_mean_map",
    "peak_near_mask",
    "peak_near_mask_chance",
    "pointing_game",
    "energy_in_mask",
    "energy_in_mask_mean_map",
    "mask_share",
)


def interpretability_table(
    model,
    dataset,
    explainer,
    masks,
    explain="true",
    tolerance=1,
    progress=False,
):
    """One row per image that has a label and a mask.

    Args:
        model: A `MultiTaskModel` or `finetuning.SeparateModels`.
        dataset: A `data.Dataset` with the explainer's task and the masks.
        explainer: A `derived.Explainer`.
        masks: Name of the mask task in which the map should point; or {class:
            mask task} by the image's true class, and images of other classes
            are left out ({"cardiomegaly": "heart", "pneumonia": "lung"}).
        explain: Class to explain: the image's "true" one, as in the paper, or
            the "predicted" one.
        tolerance: Cells by which the peak may miss in `peak_near_mask`.
        progress: Show a progress bar.

    Returns:
        A data frame: image, patient, split, class (the true one), predicted,
        explained, mask (its task), and the metrics of `metrics.attention`:
        peak_in_mask and peak_near_mask on the map's own cells, each with
        `..._chance`, what a map that says nothing would score there (a cell
        that the mask only touches counts, so this is more than the mask's
        share); pointing_game and energy_in_mask at full size, where chance is
        mask_share. `..._mean_map` is what the mean map of the other patients'
        images scores that were explained for the same class: a map that is
        the same for every image knows where organs are, too, and only what is
        above it follows the single image. Images without a label, without a
        mask, or with an empty one are left out: which rows there are does not
        depend on the model.

    Raises:
        UmsrepError: a task or class that does not exist, other classes in the
            model, or no image left.
    """
    task = explainer.task
    model = model.view(task)
    spec, by_class = _check(model, dataset, explainer, masks, explain)
    labels = dataset.labels(task)
    chosen = []
    for index in np.flatnonzero(labels >= 0):
        name = by_class.get(spec.classes[labels[index]])
        mask = None if name is None else dataset.mask(name, index)
        if mask is not None and mask.any():
            chosen.append((index, name))
    if not chosen:
        raise UmsrepError(
            f"Data set '{dataset.name}' has no image with both a label of "
            f"'{task}' and a mask of {sorted(set(by_class.values()))}. Choose "
            "another mask task, or prepare the masks."
        )
    rows, found = [], []
    with Progress("explain", len(chosen), enabled=progress) as bar:
        for start in range(0, len(chosen), BATCH_SIZE):
            part = chosen[start : start + BATCH_SIZE]
            indices = np.array([index for index, _ in part])
            images = pictures(model, dataset.subset(indices))
            predicted = np.asarray(model.predict_on_batch(images)[task])
            predicted = predicted.argmax(axis=-1)
            explained = labels[indices] if explain == "true" else predicted
            grids = explainer.grids(model, images, explained)
            maps = explainer.enlarge(grids, dataset.image_size)
            found.append(grids)
            for i, (index, name) in enumerate(part):
                rows.append(
                    identity(dataset, index)
                    | {
                        "class": spec.classes[labels[index]],
                        "predicted": spec.classes[predicted[i]],
                        "explained": spec.classes[explained[i]],
                        "mask": name,
                    }
                    | _metrics(
                        grids[i], maps[i], dataset.mask(name, index), tolerance
                    )
                )
            bar.advance(len(part))
    table = pd.DataFrame(rows)
    means = _mean_maps(np.concatenate(found), table)
    outlines = (dataset.mask(name, index) for index, name in chosen)
    enlarged = (
        explainer.enlarge(m[None], dataset.image_size)[0] for m in means
    )
    return table.assign(**_of_mean_maps(means, enlarged, outlines))


def _mean_maps(grids, table):
    """For each image the mean of other patients' maps of the same class."""
    positive = np.maximum(grids, 0)
    top = positive.max(axis=(1, 2), keepdims=True)
    shown = np.divide(positive, top, out=0 * positive, where=top > 0)
    classes = table["explained"].to_numpy()
    patients = table["patient"].to_numpy()
    result = np.zeros_like(shown)
    for number in range(len(shown)):
        others = (classes == classes[number]) & (patients != patients[number])
        # Where there is nobody else, a map that says nothing.
        if others.any():
            result[number] = shown[others].mean(axis=0)
    return result


def _of_mean_maps(grids, full_maps, masks):
    """{metric: values}, as of `_metrics`."""
    peaks, energies = [], []
    for grid, full_map, mask in zip(grids, full_maps, masks, strict=True):
        peaks.append(attention.peak_in_mask(grid, mask))
        energies.append(attention.energy_in_mask(full_map, mask))
    return {
        "peak_in_mask_mean_map": peaks,
        "energy_in_mask_mean_map": energies,
    }


def interpretability_summary(table, resamples=1000, seed=0):
    """Means over all images and by true class, with intervals by patient.

    Args:
        table: As of `interpretability_table`.
        resamples, seed: Of the bootstrap.

    Returns:
        As `class_means.class_means`.
    """
    return class_means(table, METRICS, resamples, seed)


def pictures(model, dataset):
    """All images as a model takes them, float32."""
    channels = model.representation.image_shape[-1]
    return np.repeat(dataset.images.astype(np.float32), channels, axis=-1)


def identity(dataset, index):
    """The columns of a table that say which image a row is of."""
    row = dataset.table.iloc[index]
    return {name: row[name] for name in ("image", "patient", "split")}


def spec_of(model, dataset, task):
    """The data set's label task, checked against the model's head."""
    spec = dataset.task(task)
    count = getattr(model.head(task), "num_classes", None)
    if spec.kind != "label" or count != len(spec.classes):
        raise UmsrepError(
            f"Task '{task}': the model has {count} classes, data set "
            f"'{dataset.name}' {spec.classes or 'none'}. Expected a label "
            "task of the same classes."
        )
    return spec


def _check(model, dataset, explainer, masks, explain):
    if explain not in ("true", "predicted"):
        raise UmsrepError(
            f"explain='{explain}': choose 'true' or 'predicted', the class "
            "whose map is to be judged."
        )
    spec = spec_of(model, dataset, explainer.task)
    by_class = masks
    if isinstance(masks, str):
        by_class = dict.fromkeys(spec.classes, masks)
    unknown = set(by_class) - set(spec.classes)
    if unknown:
        raise UmsrepError(
            f"masks names the class '{sorted(unknown)[0]}', but task "
            f"'{spec.name}' has {spec.classes}. Use their names."
        )
    for name in set(by_class.values()):
        if dataset.task(name).kind != "mask":
            raise UmsrepError(
                f"masks names '{name}', which is no mask task of data set "
                f"'{dataset.name}'. Choose one that is."
            )
    return spec, by_class


def _metrics(grid, full_map, mask, tolerance):
    return {
        "peak_in_mask": attention.peak_in_mask(grid, mask),
        "peak_in_mask_chance": attention.peak_in_mask(0 * grid, mask),
        "peak_near_mask": attention.peak_in_mask(grid, mask, tolerance),
        "peak_near_mask_chance": attention.peak_in_mask(
            0 * grid, mask, tolerance
        ),
        "pointing_game": attention.pointing_game(full_map, mask),
        "energy_in_mask": attention.energy_in_mask(full_map, mask),
        "mask_share": attention.mask_share(mask),
    }
