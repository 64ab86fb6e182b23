"""Whether an explanation's map tells what the model's answer hangs on.

Deletion and insertion (RISE, Petsiuk et al. 2018, Section 4.3): pixels are
taken away, or put back, in the order of the map, while the probability of the
class is watched. A faithful map makes it fall early (small area under the
deletion curve) and rise early (large area under the insertion curve).
"""

from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

from umsrep.errors import UmsrepError
from umsrep.evaluation.class_means import class_means
from umsrep.evaluation.interpretability import identity, pictures, spec_of
from umsrep.progress import Progress

BATCH_SIZE = 32
METRICS = ("deletion", "insertion", "deletion_random", "insertion_random")
# RISE blurs with a sigma of 5 pixels at 224.
BLUR_SHARE = 5 / 224


@dataclass(frozen=True)
class Curves:
    """Probability of the class while pixels change.

    Attributes:
        shares: (steps + 1,) share of pixels changed, from 0 to 1.
        deletion: (n, steps + 1): from the image to the baseline.
        insertion: (n, steps + 1): from the baseline to the image.
    """

    shares: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray

    def areas(self):
        """{"deletion", "insertion"}: (n,) areas under the curves, in [0, 1]."""
        return {
            name: np.trapezoid(getattr(self, name), self.shares, axis=1)
            for name in ("deletion", "insertion")
        }


def perturbation_curves(
    model,
    task,
    images,
    maps,
    classes=None,
    steps=20,
    baseline="blur",
    numbers=None,
    seed=0,
):
    """Deletion and insertion curves of given maps.

    Args:
        model: A `MultiTaskModel`.
        task: A label task.
        images: (n, height, width, channels), grey levels in [0, 255].
        maps: (n, height, width); larger is more important. Equal pixels come
            in random order, so a constant map is the random control.
        classes: (n,) class to watch; None is each image's winning class.
        steps: Number of equal parts in which the pixels change.
        baseline: What replaces a pixel: "blur", the image blurred with a sigma
            of 5/224 of its longer side, or a grey level in [0, 255].
        numbers: (n,) number of each image, which with `seed` fixes the random
            order; default 0, 1, ...
        seed: A non-negative integer.

    Returns:
        `Curves`.
    """
    images, maps = np.asarray(images, np.float32), np.asarray(maps, np.float64)
    if images.ndim != 4 or maps.shape != images.shape[:3]:
        raise UmsrepError(
            f"images of shape {images.shape} and maps of {maps.shape}: "
            "expected (n, height, width, channels) and (n, height, width). "
            "Enlarge the maps to the images (Explainer.enlarge)."
        )
    if not np.isfinite(maps).all():
        raise UmsrepError(
            "maps has values that are not finite, which have no order. Leave "
            "such images out."
        )
    if int(steps) != steps or not 1 <= steps <= maps[0].size:
        raise UmsrepError(
            f"steps={steps}: expected a whole number from 1 to the number of "
            f"pixels, {maps[0].size}."
        )
    # A new view would be compiled anew.
    view = model if model.tasks == (task,) else model.view(task)

    def predict(batch):
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
    counts = np.rint(shares * maps[0].size)[:, None, None, None]
    curves = {"deletion": [], "insertion": []}
    for image, one, index, number in zip(
        images, maps, classes, numbers, strict=True
    ):
        rank = _ranks(one, np.random.default_rng([seed, number]))
        changed = rank[None, ..., None] < counts
        other = _baseline(image, baseline)
        for name, before, after in (
            ("deletion", image, other),
            ("insertion", other, image),
        ):
            probabilities = predict(np.where(changed, after, before))
            curves[name].append(probabilities[:, index])
    return Curves(shares, **{k: np.stack(v) for k, v in curves.items()})


def faithfulness_table(
    model,
    dataset,
    explainer,
    explain="predicted",
    steps=20,
    baseline="blur",
    seed=0,
    progress=False,
):
    """Areas under the curves of each image, with a random control.

    Args:
        model: A `MultiTaskModel` or `finetuning.SeparateModels`.
        dataset: A `data.Dataset` with the explainer's task.
        explainer: A `derived.Explainer`.
        explain: Class to watch: the "predicted" one, or the "true" one, which
            leaves out images without a label.
        steps, baseline, seed: As `perturbation_curves`.
        progress: Show a progress bar.

    Returns:
        A data frame: image, patient, split, class (the true one, empty where
        unknown), explained, deletion and insertion (areas), and
        deletion_random and insertion_random, the same for pixels in random
        order.
    """
    if explain not in ("true", "predicted"):
        raise UmsrepError(
            f"explain='{explain}': choose 'predicted' or 'true', the class "
            "whose probability is watched."
        )
    task = explainer.task
    model = model.view(task)
    spec = spec_of(model, dataset, task)
    labels = dataset.labels(task)
    chosen = np.arange(len(dataset))
    if explain == "true":
        chosen = np.flatnonzero(labels >= 0)
    if len(chosen) == 0:
        raise UmsrepError(
            f"Data set '{dataset.name}' has no image with a label of "
            f"'{task}'. Pass explain='predicted', or other images."
        )
    rows = []
    with Progress("delete and insert", len(chosen), enabled=progress) as bar:
        for start in range(0, len(chosen), BATCH_SIZE):
            part = chosen[start : start + BATCH_SIZE]
            images = pictures(model, dataset.subset(part))
            explained = labels[part]
            if explain == "predicted":
                outputs = np.asarray(model.predict_on_batch(images)[task])
                explained = outputs.argmax(axis=-1)
            maps = explainer(model, images, explained)
            areas = {}
            for suffix, ordered in (("", maps), ("_random", 0 * maps)):
                curves = perturbation_curves(
                    *(model, task, images, ordered, explained, steps, baseline),
                    numbers=dataset.rows[part],
                    seed=seed,
                )
                for name, values in curves.areas().items():
                    areas[name + suffix] = values
            for i, index in enumerate(part):
                label = labels[index]
                rows.append(
                    identity(dataset, index)
                    | {
                        "class": spec.classes[label] if label >= 0 else "",
                        "explained": spec.classes[explained[i]],
                    }
                    | {name: float(areas[name][i]) for name in METRICS}
                )
            bar.advance(len(part))
    return pd.DataFrame(rows)


def faithfulness_summary(table, resamples=1000, seed=0):
    """Means over all images and by true class, with intervals by patient.

    Args:
        table: As of `faithfulness_table`.
        resamples, seed: Of the bootstrap.

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


def _ranks(one, rng):
    """0 for the most important pixel, 1 for the next; ties at random."""
    flat = one.ravel()
    order = np.lexsort((rng.permutation(flat.size), -flat))
    ranks = np.empty(flat.size, np.int64)
    ranks[order] = np.arange(flat.size)
    return ranks.reshape(one.shape)


def _baseline(image, baseline):
    if baseline == "blur":
        sigma = BLUR_SHARE * max(image.shape[:2])
        return cv2.GaussianBlur(image, (0, 0), sigma).reshape(image.shape)
    if isinstance(baseline, str) or not 0 <= baseline <= 255:
        raise UmsrepError(
            f"baseline={baseline!r}: expected 'blur', or a grey level from 0 "
            "to 255."
        )
    return np.full_like(image, baseline)
