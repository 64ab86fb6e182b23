"""Whether an explanation's map shows what the model's answer depends on.

Deletion and insertion (RISE, Petsiuk et al. 2018, Section 4.3): pixels are
taken away, or put back, in the order of the map, while the probability of the
class is watched. A faithful map makes it fall early (small area under the
deletion curve) and rise early (large area under the insertion curve).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from umsrep.data import Dataset
from umsrep.derived import Explainer
from umsrep.errors import UmsrepError
from umsrep.evaluation.class_means import class_means
from umsrep.evaluation.interpretability import (
    covered,
    identity,
    pictures,
    spec_of,
)
from umsrep.finetuning import SeparateModels
from umsrep.model import MultiTaskModel
from umsrep.progress import Progress

BATCH_SIZE = 32
METRICS = ("deletion", "insertion", "deletion_random", "insertion_random")
# RISE blurs with a sigma of 5 pixels at 224.
BLUR_SHARE = 5 / 224

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]


@dataclass(frozen=True)
class Curves:
    """Probability of the class while pixels change.

    Attributes:
        shares: (steps + 1,) share of pixels changed, from 0 to 1.
        deletion: (n, steps + 1): from the image to the baseline.
        insertion: (n, steps + 1): from the baseline to the image.
    """

    shares: Floats
    deletion: Floats
    insertion: Floats

    def areas(self) -> dict[str, Floats]:
        """{"deletion", "insertion"}: (n,) areas under the curves, in [0, 1]."""
        return {
            name: np.trapezoid(getattr(self, name), self.shares, axis=1)
            for name in ("deletion", "insertion")
        }


def perturbation_curves(
    model: MultiTaskModel,
    task: str,
    images: ArrayLike,
    maps: ArrayLike,
    classes: Iterable[int] | None = None,
    steps: int = 20,
    baseline: str | float = "blur",
    numbers: Iterable[int] | None = None,
    seed: int = 0,
) -> Curves:
    """Deletion and insertion curves of given maps.

    Args:
        model: The model.
        task: A label task.
        images: (n, height, width, channels), grey levels in [0, 255].
        maps: (n, height, width); larger is more important. Equal pixels come
            in random order, so a constant map is the random control. What is
            no part of the picture, as padding, is -inf and never changes.
        classes: (n,) class to watch; None is each image's likeliest class.
        steps: Number of equal parts in which the pixels change.
        baseline: What replaces a pixel: "blur", the image blurred with a sigma
            of 5/224 of its longer side, or a grey level in [0, 255].
        numbers: (n,) number of each image, which with `seed` determines the
            random order; default 0, 1, ...
        seed: A non-negative integer.
    """
    images, maps = np.asarray(images, np.float32), np.asarray(maps, np.float64)
    if images.ndim != 4 or maps.shape != images.shape[:3]:
        raise UmsrepError(
            f"images of shape {images.shape} and maps of {maps.shape}: "
            "expected (n, height, width, channels) and (n, height, width). "
            "Enlarge the maps to the images (Explainer.enlarge)."
        )
    parts = ~np.isneginf(maps)
    if not np.isfinite(maps[parts]).all() or not parts.any(axis=(1, 2)).all():
        raise UmsrepError(
            "maps has values that are not finite, which have no order, or a "
            "map that is -inf everywhere. Leave such images out."
        )
    if int(steps) != steps or not 1 <= steps <= maps[0].size:
        raise UmsrepError(
            f"steps={steps}: expected a whole number from 1 to the number of "
            f"pixels, {maps[0].size}."
        )
    # A new view would be compiled again.
    view = model if model.tasks == (task,) else model.view(task)

    def predict(batch: NDArray) -> Floats:
        parts = [
            np.asarray(view.predict_on_batch(batch[i : i + BATCH_SIZE])[task])
            for i in range(0, len(batch), BATCH_SIZE)
        ]
        return np.concatenate(parts)

    if classes is None:
        classes = predict(images).argmax(axis=-1)
    if numbers is None:
        numbers = range(len(images))
    shares = np.linspace(0, 1, steps + 1)
    curves: dict[str, list[Floats]] = {"deletion": [], "insertion": []}
    for image, ordered, part, index, number in zip(
        images, maps, parts, classes, numbers, strict=True
    ):
        rank = _ranks(ordered, np.random.default_rng([seed, number]))
        counts = np.rint(shares * part.sum())[:, None, None, None]
        changed = rank[None, ..., None] < counts
        other = np.where(part[..., None], _baseline(image, baseline), image)
        for name, before, after in (
            ("deletion", image, other),
            ("insertion", other, image),
        ):
            probabilities = predict(np.where(changed, after, before))
            curves[name].append(probabilities[:, index])
    return Curves(shares, **{k: np.stack(v) for k, v in curves.items()})


def faithfulness_table(
    model: MultiTaskModel | SeparateModels,
    dataset: Dataset,
    explainer: Explainer,
    explain: str = "predicted",
    steps: int = 20,
    baseline: str | float = "blur",
    seed: int = 0,
    progress: bool = False,
) -> pd.DataFrame:
    """Areas under the curves of each image, with a random control.

    Args:
        model: The model.
        dataset: Images of the explainer's task.
        explainer: What draws the maps.
        explain: Class to watch: the "predicted" one, or the "true" one, which
            leaves out images without a label.
        steps, baseline, seed: As in `perturbation_curves`.
        progress: Show a progress bar.

    Returns:
        image, patient, split, class (the true one, empty where unknown),
        explained, deletion and insertion (areas), and deletion_random and
        insertion_random, the same for pixels in random order. Padding beside
        a picture (`Dataset.frame`) never changes.
    """
    if explain not in ("true", "predicted"):
        raise UmsrepError(
            f"explain='{explain}': choose 'predicted' or 'true', the class "
            "whose probability is watched."
        )
    task = explainer.task
    view = model.view(task)
    spec = spec_of(view, dataset, task)
    labels = dataset.labels(task)
    chosen = np.arange(len(dataset))
    if explain == "true":
        chosen = np.flatnonzero(labels >= 0)
    if len(chosen) == 0:
        raise UmsrepError(
            f"Data set '{dataset.name}' has no image with a label of "
            f"'{task}'. Pass explain='predicted', or other images."
        )
    curves = partial(
        perturbation_curves,
        view,
        task,
        steps=steps,
        baseline=baseline,
        seed=seed,
    )
    rows = []
    with Progress("delete and insert", len(chosen), enabled=progress) as bar:
        for start in range(0, len(chosen), BATCH_SIZE):
            part = chosen[start : start + BATCH_SIZE]
            images = pictures(view, dataset.subset(part))
            explained = labels[part]
            if explain == "predicted":
                outputs = np.asarray(view.predict_on_batch(images)[task])
                explained = outputs.argmax(axis=-1)
            covers = np.stack([covered(dataset, index) for index in part])
            nothing = np.where(covers, 0.0, -np.inf)
            maps = explainer(view, images, explained) + nothing
            options = {"classes": explained, "numbers": dataset.rows[part]}
            areas = curves(images, maps, **options).areas()
            control = curves(images, nothing, **options).areas()
            for i, index in enumerate(part):
                label = labels[index]
                rows.append(
                    identity(dataset, index)
                    | {
                        "class": spec.classes[label] if label >= 0 else "",
                        "explained": spec.classes[explained[i]],
                    }
                    | {name: float(areas[name][i]) for name in areas}
                    | {f"{n}_random": float(control[n][i]) for n in control}
                )
            bar.advance(len(part))
    return pd.DataFrame(rows)


def faithfulness_summary(
    table: pd.DataFrame, resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Means over all images and by true class, with intervals by patient.

    Args:
        table: What `faithfulness_table` returned.
        resamples: Resamples of patients for the intervals.
        seed: Seed of the resamples.

    Returns:
        As `class_means.class_means`, with two more metrics: deletion_gain and
        insertion_gain, by how much the map beats the random order of the same
        image (positive is better in both).
    """
    table = table.assign(
        deletion_gain=table["deletion_random"] - table["deletion"],
        insertion_gain=table["insertion"] - table["insertion_random"],
    )
    metrics = (*METRICS, "deletion_gain", "insertion_gain")
    return class_means(table, metrics, resamples, seed)


def _ranks(values: Floats, rng: np.random.Generator) -> Ints:
    """0 for the most important pixel, 1 for the next; ties at random."""
    flat = values.ravel()
    order = np.lexsort((rng.permutation(flat.size), -flat))
    ranks = np.empty(flat.size, np.int64)
    ranks[order] = np.arange(flat.size)
    return ranks.reshape(values.shape)


def _baseline(image: Floats, baseline: str | float) -> Floats:
    if baseline == "blur":
        sigma = BLUR_SHARE * max(image.shape[:2])
        return cv2.GaussianBlur(image, (0, 0), sigma).reshape(image.shape)
    if isinstance(baseline, str) or not 0 <= baseline <= 255:
        raise UmsrepError(
            f"baseline={baseline!r}: expected 'blur', or a grey level from 0 "
            "to 255."
        )
    return np.full_like(image, baseline)
