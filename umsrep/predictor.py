"""The contract of what predicts: a run folder, or an exported file."""

from abc import ABC, abstractmethod

import numpy as np

from umsrep import tasks as task_kinds
from umsrep.data.focusing import Focusing
from umsrep.data.frame import Frame
from umsrep.errors import UmsrepError

# What is said of an image whose mask failed (`data.Focusing`).
NO_FOCUS = (
    "{task}: the predicted mask covers next to nothing, so what was classified "
    "is the whole image"
)


class Predictor(ABC):
    """Images as they are on disk in, results at their own size out.

    Attributes:
        specs: {task: TaskSpec}.
        thresholds: {task: float or None}; label tasks of two classes: the
            positive class is chosen from this calibrated probability on
            (None: the likeliest class); mask tasks: 0.5.
        image_size: (height, width) the network sees.
        fit: "stretch" or "pad".
        intensities: What the training images looked like (`data.intensities`),
            for warnings; None where it is not known.
        focus: By which mask labels and numbers are predicted (run.json's
            entry "focus"); None without a focus, or without that mask.
        needed: A task that was not asked for and that `remarks` need.
    """

    specs: dict
    thresholds: dict
    image_size: tuple
    fit: str
    intensities: dict | None
    focus: dict | None = None
    needed: str | None = None

    @abstractmethod
    def __call__(self, images):
        """Predicts every task.

        Args:
            images: Sequence of uint8 arrays (height, width), of any sizes.

        Returns:
            {task: results}: for a label task (n, classes) float32, calibrated
            probabilities; for a number task (n,) float32 in its unit; for a
            mask task a list of (height, width) float32, probabilities at
            each image's own size; for a map task a list of (height, width)
            float32, distributions of sum 1 at the same size.
        """

    def remarks(self, results):
        """What to know about these results: a list of texts per image.

        Args:
            results: What a call has returned.
        """
        count = len(next(iter(results.values())))
        if self.focus is None:
            return [[] for _ in range(count)]
        task, rule = self.focus["task"], Focusing.of(self.focus)
        found = []
        for mask in results[task]:
            frame = Frame(mask.shape, self.image_size, self.fit)
            prepared = frame.mask(mask > self.thresholds[task])
            failed = rule.failed(prepared.astype(np.uint8))
            found.append([NO_FOCUS.format(task=task)] * failed)
        return found

    def decide(self, task, probabilities):
        """Class indices (n,) of a label task, from (n, classes)."""
        threshold = self.thresholds.get(task)
        if threshold is None:
            return np.argmax(probabilities, axis=1)
        return (np.asarray(probabilities)[:, 1] >= threshold).astype(int)

    def explain(self, images, task, classes=None, method=None):
        """What speaks for a class, at each image's own size.

        Args:
            images: As in a call.
            task: A label task.
            classes: (n,) class indices to explain; None is the decision.
            method: Registered name of an explainer; None is the head's.

        Returns:
            List of (height, width) float32 in [0, 1].

        Raises:
            UmsrepError: this predictor has no features to explain with.
        """
        self.check_explainable(task, method)

    def check_explainable(self, task, method=None):
        """Raises unless `explain` can do this."""
        asked = f"--explain {method}" if method else f"Task '{task}'"
        raise UmsrepError(
            f"{asked}: an exported file gives results only, "
            "without the features and gradients that explain them. Pass the "
            "run folder it was exported from."
        )


def stacked(spec, results):
    """Results of one shape as an array, pictures of many sizes as a list."""
    if task_kinds.get(spec.kind).place == task_kinds.CELL:
        return np.stack(results)
    return results


def check_finite(name, results):
    """Raises unless one image's results {task: array} are numbers."""
    for task, values in results.items():
        if not np.isfinite(values).all():
            raise UmsrepError(
                f"{name}: the network's '{task}' is not finite. Look at the "
                "image; train with --precision float32 if it is an ordinary "
                "one."
            )


def check_images(images):
    """Raises unless these are uint8 arrays (height, width), at least one."""
    if not len(images):
        raise UmsrepError("No image was given. Pass at least one.")
    for image in images:
        if np.ndim(image) != 2 or getattr(image, "dtype", None) != np.uint8:
            raise UmsrepError(
                f"An image is {getattr(image, 'dtype', type(image))} of shape "
                f"{np.shape(image)}. Expected uint8 (height, width); read the "
                "file with umsrep.data.images.read_grey."
            )
