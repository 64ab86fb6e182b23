"""Classes of unequal numbers of images, in training."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from umsrep.errors import UmsrepError

if TYPE_CHECKING:
    from umsrep.data.dataset import Dataset
    from umsrep.data.prepared import TaskSpec

METHODS = ("sampling", "weights")
Labels = NDArray[np.int_]
Floats = NDArray[np.float64]

# The shares of classes agree to this; they rarely take a hundred rounds.
ROUNDS, TOLERANCE = 2000, 1e-3


@dataclass(frozen=True)
class ClassBalance:
    """How the classes of label tasks are given equal say in training.

    Probabilities that a network learns so are those of a population in which
    the classes are equally frequent: rare classes come out too likely for the
    patients at hand. The temperature that is fitted on validation images does
    not undo that (it moves no class against another); the threshold chosen
    there does, for decisions. Where probabilities are read as risks, train
    without a balance. Validation losses, and so the best epoch, are those of
    the images as they are.

    Args:
        method: "sampling": images are drawn, some several times, such that
            every class is expected equally often in a batch; or "weights":
            each image is in an epoch once, with a weight by its class, of
            mean 1 over the task's labels. Missing labels weigh 0 as ever.
        beta: "weights" only: a class of n images weighs
            (1 - beta) / (1 - beta^n), the inverse of its effective number
            (Cui et al. 2019, Equation 2), between equal weights (0) and
            the inverse of n (towards 1). None is the inverse of n.

    Raises:
        UmsrepError: an unknown method, or a beta that is none.
    """

    method: str = "sampling"
    beta: float | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UmsrepError(
                f"class_balance='{self.method}' is unknown. Choose one of "
                f"{', '.join(METHODS)}, or leave it out."
            )
        if self.beta is None:
            return
        if self.method != "weights":
            raise UmsrepError(
                f"beta={self.beta} with class_balance='{self.method}': only "
                "weights go by effective numbers. Pass "
                "class_balance='weights', or leave beta out."
            )
        if not 0 <= self.beta < 1:
            raise UmsrepError(
                f"beta={self.beta}: expected a number from 0 to below 1, such "
                "as 0.999, or None for the inverse of the numbers of images."
            )

    def check(self, specs: Sequence["TaskSpec"]) -> None:
        """Raises unless one of some tasks has classes to balance.

        Args:
            specs: `data.TaskSpec`s, or specs of other kinds.
        """
        if not any(getattr(spec, "classes", ()) for spec in specs):
            raise UmsrepError(
                f"class_balance='{self.method}', but none of "
                f"{', '.join(spec.name for spec in specs)} is a label task "
                "with classes. Leave it out."
            )

    def applied(
        self,
        dataset: "Dataset",
        tasks: Iterable[str],
        weights: Mapping[str, NDArray[np.float32]],
    ) -> tuple[dict[str, dict[str, dict[str, Any]]], Floats | None]:
        """Gives the classes of label tasks equal say.

        Args:
            dataset: The training images.
            tasks: Names of tasks; those without classes are passed over.
            weights: {task: (n,) weight of each image}, changed in place where
                the method is weights.

        Returns:
            {task: `counts`}, and with sampling the `shares` of the images,
            else None.
        """
        labels: dict[str, Labels] = {
            task: dataset.labels(task)
            for task in tasks
            if dataset.task(task).classes
        }
        counted = {}
        for task, values in labels.items():
            counted[task] = self.counts(values, dataset.task(task).classes)
            if self.method == "weights":
                given = np.append(self.weights(values), 0.0)  # Last: none.
                weights[task][:] *= given[values].astype(np.float32)
        sampled = labels and self.method == "sampling"
        return counted, self.shares(labels) if sampled else None

    def weights(self, labels: Labels) -> Floats:
        """The weight of each class, in the order of the classes.

        Args:
            labels: (n,) class indices, -1 where missing.

        Returns:
            (classes,) such that the mean over labelled images is 1; 0 for a
            class without images.
        """
        counts = np.bincount(labels[labels >= 0]).astype(float)
        there = counts > 0
        weights = np.zeros(len(counts))
        if self.beta is None:
            weights[there] = 1 / counts[there]
        else:
            weights[there] = (1 - self.beta) / (1 - self.beta ** counts[there])
        return weights * counts.sum() / (weights * counts).sum()

    @staticmethod
    def shares(labels: Mapping[str, Labels]) -> Floats:
        """How often each image is drawn, as shares of sum 1.

        Among the images with a label of a task, its classes are equally
        frequent, for all tasks at once: the shares of classes are scaled to
        be equal, task after task, until all are (iterative proportional
        fitting, Deming and Stephan 1940). Images without a label of the task
        keep their share of the whole.

        Args:
            labels: {task: (n,) class indices, -1 where missing}.

        Raises:
            UmsrepError: the tasks cannot be balanced together, as where the
                images of a class all have the same class of another task.
        """
        count = len(next(iter(labels.values())))
        shares = np.full(count, 1 / count)
        for _ in range(ROUNDS):
            off = 0.0
            for known in labels.values():
                has = known >= 0
                sums = np.bincount(known[has], shares[has])
                there = sums > 0
                equal = sums.sum() / there.sum()
                off = max(off, np.abs(sums[there] / equal - 1).max())
                factors = np.where(there, equal / np.where(there, sums, 1), 1)
                shares[has] *= factors[known[has]]
            if off < TOLERANCE:
                return shares / shares.sum()
        raise UmsrepError(
            f"The classes of {', '.join(labels)} cannot all be equally "
            "frequent: some class of one occurs only together with some of "
            "another. Pass class_balance='weights', or train the tasks by a "
            "strategy that does not share batches."
        )

    def counts(
        self, labels: Labels, classes: tuple[str, ...]
    ) -> dict[str, dict[str, Any]]:
        """{class: {"images": n, "weight" or "share": value}}, for run.json."""
        numbers = np.bincount(labels[labels >= 0], minlength=len(classes))
        if self.method == "weights":
            name = "weight"
            values = np.zeros(len(classes))
            given = self.weights(labels)
            values[: len(given)] = given
        else:
            name, values = "share", (numbers > 0) / (numbers > 0).sum()
        return {
            each: {"images": int(number), name: float(value)}
            for each, number, value in zip(
                classes, numbers, values, strict=True
            )
        }
