"""How often explanations point where they should.

GG-CAM (Zhu et al. 2022, Section 4.3): a classifier is interpretable if, for an
image of a disease, its map points at the organ of the disease.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep.cells import Cells
from umsrep.data import Dataset, TaskSpec
from umsrep.derived import Explainer
from umsrep.errors import UmsrepError
from umsrep.evaluation.class_means import class_means
from umsrep.finetuning import SeparateModels
from umsrep.metrics import attention
from umsrep.model import MultiTaskModel
from umsrep.progress import Progress

BATCH_SIZE = 32
METRICS = (
    "peak_in_mask",
    "peak_in_mask_chance",
    "peak_in_mask_mean_map",
    "peak_near_mask",
    "peak_near_mask_chance",
    "peak_near_mask_mean_map",
    "pointing_game",
    "pointing_game_chance",
    "pointing_game_mean_map",
    "energy_in_mask",
    "energy_in_mask_mean_map",
    "mask_share",
)

Floats = NDArray[np.floating]
Model = MultiTaskModel | SeparateModels
# An image's index in the data set, and the mask task of its class.
Chosen = tuple[int, str]


def interpretability_table(
    model: Model,
    dataset: Dataset,
    explainer: Explainer,
    masks: str | Mapping[str, str],
    explain: str = "true",
    tolerance: int = 1,
    progress: bool = False,
) -> pd.DataFrame:
    """One row per image that has a label and a mask.

    Args:
        model: The model.
        dataset: Images of the explainer's task, with masks.
        explainer: What draws the maps.
        masks: Name of the mask task in which the map should point; or {class:
            mask task} by the image's true class, and images of other classes
            are left out ({"cardiomegaly": "heart", "pneumonia": "lung"}).
        explain: Class to explain: the image's "true" one, as in the paper, or
            the "predicted" one.
        tolerance: Cells by which the peak may miss in `peak_near_mask`.
        progress: Show a progress bar.

    Returns:
        image, patient, split, class (the true one), predicted, explained, mask
        (its task), and the metrics of `metrics.attention`: peak_in_mask and
        peak_near_mask, where a cell counts that the mask only touches, and
        pointing_game, where the pixel at the peak cell's centre has to lie in
        the mask, each with `..._chance`, the score of a map that says nothing
        on the same cells; energy_in_mask at full size, where chance is
        mask_share. Padding beside a picture is cut off from maps and chance
        (`Dataset.frame`).
        `..._mean_map` is the score of the mean map of the other patients'
        images that were explained for the same class: a map that is the same
        for every image also knows where organs are, and only what exceeds its
        score follows the single image. Images without a label, without a
        mask, or with an empty one are left out: which rows there are does not
        depend on the model.

    Raises:
        UmsrepError: a task or class that does not exist, other classes in the
            model, or no image left.
    """
    view = model.view(explainer.task)
    spec, by_class = _check(view, dataset, explainer, masks, explain)
    chosen = _choose(dataset, spec, by_class)
    rows, grids = [], []
    with Progress("explain", len(chosen), enabled=progress) as bar:
        for start in range(0, len(chosen), BATCH_SIZE):
            part = chosen[start : start + BATCH_SIZE]
            for found in _explain(view, dataset, explainer, part, explain):
                rows.append(_row(dataset, spec, found, tolerance))
                grids.append(found.grid)
            bar.advance(len(part))
    table = pd.DataFrame(rows)
    means = _mean_maps(np.stack(grids), table)
    cells = explainer.cells(view, means.shape[1:])
    enlarged = (explainer.enlarge(view, mean[None])[0] for mean in means)
    scores = [
        _scores(grid, full_map, *_outlines(dataset, *one), tolerance, cells)
        for grid, full_map, one in zip(means, enlarged, chosen, strict=True)
    ]
    return table.join(pd.DataFrame(scores).add_suffix("_mean_map"))


@dataclass(frozen=True)
class _Explained:
    """An explained image: its classes and its maps."""

    index: int
    mask_task: str
    label: int
    predicted: int
    explained: int
    grid: Floats
    cells: Cells
    full_map: Floats


def _choose(
    dataset: Dataset, spec: TaskSpec, by_class: Mapping[str, str]
) -> list[Chosen]:
    """The images with a label and a mask that is not empty."""
    labels = dataset.labels(spec.name)
    chosen = []
    for index in np.flatnonzero(labels >= 0):
        name = by_class.get(spec.classes[labels[index]])
        mask = None if name is None else dataset.mask(name, index)
        if name is not None and mask is not None and mask.any():
            chosen.append((int(index), name))
    if not chosen:
        raise UmsrepError(
            f"Data set '{dataset.name}' has no image with both a label of "
            f"'{spec.name}' and a mask of {sorted(set(by_class.values()))}. "
            "Choose another mask task, or prepare the masks."
        )
    return chosen


def _explain(
    view: MultiTaskModel,
    dataset: Dataset,
    explainer: Explainer,
    part: Sequence[Chosen],
    explain: str,
) -> Iterator[_Explained]:
    """Explains one batch."""
    indices = np.array([index for index, _ in part])
    labels = dataset.labels(explainer.task)[indices]
    images = pictures(view, dataset.subset(indices))
    outputs = np.asarray(view.predict_on_batch(images)[explainer.task])
    predicted = outputs.argmax(axis=-1)
    explained = labels if explain == "true" else predicted
    grids = explainer.grids(view, images, explained)
    cells = explainer.cells(view, grids.shape[1:])
    maps = explainer.cut(view, images, explainer.enlarge(view, grids))
    for i, (index, name) in enumerate(part):
        yield _Explained(
            index,
            name,
            labels[i],
            predicted[i],
            explained[i],
            grids[i],
            cells,
            maps[i],
        )


def _row(
    dataset: Dataset, spec: TaskSpec, found: _Explained, tolerance: int
) -> dict[str, Any]:
    return (
        identity(dataset, found.index)
        | {
            "class": spec.classes[found.label],
            "predicted": spec.classes[found.predicted],
            "explained": spec.classes[found.explained],
            "mask": found.mask_task,
        }
        | _metrics(dataset, found, tolerance)
    )


def _mean_maps(grids: Floats, table: pd.DataFrame) -> Floats:
    """For each image the mean of other patients' maps of the same class."""
    positive = np.maximum(grids, 0)
    top = positive.max(axis=(1, 2), keepdims=True)
    shown = np.divide(positive, top, out=0 * positive, where=top > 0)
    classes = table["explained"].to_numpy()
    patients = table["patient"].to_numpy()
    result = np.zeros_like(shown)
    for number in range(len(shown)):
        others = (classes == classes[number]) & (patients != patients[number])
        # Without other patients, a map that says nothing.
        if others.any():
            result[number] = shown[others].mean(axis=0)
    return result


def interpretability_summary(
    table: pd.DataFrame, resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Means over all images and by true class, with intervals by patient.

    Args:
        table: What `interpretability_table` returned.
        resamples: Resamples of patients for the intervals.
        seed: Seed of the resamples.

    Returns:
        As `class_means.class_means`.
    """
    return class_means(table, METRICS, resamples, seed)


def pictures(model: Model, dataset: Dataset) -> NDArray[np.float32]:
    """All images as the model takes them."""
    channels = model.representation.image_shape[-1]
    return np.repeat(dataset.images.astype(np.float32), channels, axis=-1)


def identity(dataset: Dataset, index: int) -> dict[str, Any]:
    """The columns of a table that say which image a row is of."""
    row = dataset.table.iloc[index]
    return {name: row[name] for name in ("image", "patient", "split")}


def spec_of(model: MultiTaskModel, dataset: Dataset, task: str) -> TaskSpec:
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


def _check(
    model: MultiTaskModel,
    dataset: Dataset,
    explainer: Explainer,
    masks: str | Mapping[str, str],
    explain: str,
) -> tuple[TaskSpec, Mapping[str, str]]:
    if explain not in ("true", "predicted"):
        raise UmsrepError(
            f"explain='{explain}': choose 'true' or 'predicted', the class "
            "whose map is to be judged."
        )
    spec = spec_of(model, dataset, explainer.task)
    by_class = (
        dict.fromkeys(spec.classes, masks) if isinstance(masks, str) else masks
    )
    unknown = set(by_class) - set(spec.classes)
    if unknown:
        raise UmsrepError(
            f"masks names the class '{sorted(unknown)[0]}', but task "
            f"'{spec.name}' has {spec.classes}. Use their names."
        )
    for name in set(by_class.values()):
        if dataset.task(name).kind != "mask":
            raise UmsrepError(
                f"masks names '{name}', which is not a mask task of data set "
                f"'{dataset.name}'. Choose one that is."
            )
    return spec, by_class


def covered(dataset: Dataset, index: int) -> NDArray[np.bool_]:
    """(height, width): what the picture covers, the rest being padding."""
    area = np.zeros(dataset.image_size, bool)
    area[dataset.frame(index).content] = True
    return area


def _outlines(
    dataset: Dataset, index: int, mask_task: str
) -> tuple[NDArray, NDArray[np.bool_]]:
    """The mask of an image, and what its picture covers."""
    mask: Any = dataset.mask(mask_task, index)
    return mask, covered(dataset, index)


def _scores(
    grid: Floats,
    full_map: Floats,
    mask: NDArray,
    area: NDArray[np.bool_],
    tolerance: int,
    cells: Cells,
) -> dict[str, float]:
    """The metrics of one map."""

    def peak(distance: int) -> float:
        return attention.peak_in_mask(grid, mask, distance, cells, area)

    return {
        "peak_in_mask": peak(0),
        "peak_near_mask": peak(tolerance),
        "pointing_game": attention.pointing_game(
            grid, mask, cells=cells, area=area
        ),
        "energy_in_mask": attention.energy_in_mask(full_map, mask, area),
    }


def _metrics(
    dataset: Dataset, found: _Explained, tolerance: int
) -> dict[str, float]:
    """Those of an image's map, and of one that says nothing."""
    mask, area = _outlines(dataset, found.index, found.mask_task)
    rest = mask, area, tolerance, found.cells
    chance = _scores(0 * found.grid, 0 * found.full_map, *rest)
    share = chance.pop("energy_in_mask")
    return (
        _scores(found.grid, found.full_map, *rest)
        | {f"{name}_chance": value for name, value in chance.items()}
        | {"mask_share": share}
    )
