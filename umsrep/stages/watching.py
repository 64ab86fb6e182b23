"""What is watched while a representation is constructed.

A watch is a function of the number of an epoch that returns {name: number},
columns of the history; `watches` makes all of them. After the training,
`remarks` says in words what went wrong.
"""

import sys
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep import tasks as task_kinds
from umsrep.data import Dataset
from umsrep.evaluation import probes
from umsrep.evaluation.frozen_features import Reader
from umsrep.metrics import features as feature_metrics
from umsrep.model import MultiTaskModel

Watch = Callable[[int], dict[str, float]]

# Images whose features are watched.
MOST_IMAGES = 256
PROBED = ("linear_auc", "knn_auc", "cell_dice")
# Epochs from one probe to the next: a probe takes seconds.
PROBE_EVERY = 5
# Below these, features are the same for every image; a network that has learnt
# nothing yet has a spread of some 0.006 on pictures of one kind.
LEAST_SPREAD = 1e-3
LEAST_RANK = 1.05
# A loss that changes by less of itself is constant.
CONSTANT = 1e-6


def watches(
    model: MultiTaskModel, training: Dataset, validation: Dataset
) -> list[Watch]:
    """The watches of a construction; what else is to be watched goes here.

    Args:
        model: The model that is trained.
        training, validation: Its `data.Dataset`s.
    """
    return [
        FeatureStatistics(model, validation),
        ProbedTasks(model, training, validation),
    ]


class FeatureStatistics:
    """Whether images still have features of their own.

    Args:
        model: The model that is trained.
        dataset: Validation images, of which at most `MOST_IMAGES` are used.
    """

    def __init__(self, model: MultiTaskModel, dataset: Dataset) -> None:
        self.dataset = _some(dataset)
        self._reader = Reader(model.representation, cells=False)

    def __call__(self, epoch: int) -> dict[str, float]:
        """{"feature_spread", "feature_rank"} of the bottleneck."""
        features = self.averaged()
        return {
            "feature_spread": feature_metrics.spread(features),
            "feature_rank": feature_metrics.effective_rank(features),
        }

    def averaged(self) -> NDArray[np.float32]:
        """(images, channels): the bottleneck averaged over each image."""
        return self._reader.read(self.dataset)[0]


class ProbedTasks:
    """What the features tell of the labels and masks that the images have.

    A linear probe, nearest neighbours and a ridge regression per cell
    (`evaluation.probes`), fitted on training and judged on validation images,
    every `PROBE_EVERY` epochs. The training learns nothing from them.

    Args:
        model: The model that is trained.
        training, validation: Its `data.Dataset`s, of which at most
            `MOST_IMAGES` with a label or mask are used.
    """

    def __init__(
        self, model: MultiTaskModel, training: Dataset, validation: Dataset
    ) -> None:
        self.tasks = [
            task
            for task in training.tasks
            if task_kinds.of(training.task(task)).form in ("classes", "mask")
        ]
        self._probes = None
        self._parts = model.representation, training, validation

    def __call__(self, epoch: int) -> dict[str, float]:
        """{"probe_<task>_<metric>"} in every fifth epoch, else {}."""
        if not self.tasks or not epoch or epoch % PROBE_EVERY:
            return {}
        if self._probes is None:
            representation, *sides = self._parts
            sides = [_some(_labelled(side, self.tasks)) for side in sides]
            if not all(map(len, sides)):
                self.tasks = []
                return {}
            self._probes = probes.Probes(representation, *sides, self.tasks)
        return {
            f"probe_{task}_{metric}": found[metric]
            for task, found in self._probes().items()
            for metric in PROBED
            if found.get(metric) is not None
        }


def _some(dataset):
    """At most `MOST_IMAGES` of the images, from all over the set."""
    count = min(len(dataset), MOST_IMAGES)
    chosen = np.linspace(0, len(dataset) - 1, count).astype(int)
    return dataset.subset(np.unique(chosen))


def _labelled(dataset, tasks):
    known = [dataset.labelled(task) for task in tasks]
    return dataset.subset(np.any(known, axis=0))


def remarks(history: pd.DataFrame, tasks: Sequence[str]) -> list[str]:
    """Sentences about a construction that has learnt nothing.

    Args:
        history: As returned by `training.train`.
        tasks: Names of the tasks.
    """
    found = []
    for task in tasks:
        column = f"{task}_loss"
        values = (
            history[column] if column in history else pd.Series(dtype=float)
        )
        if not np.isfinite(values).all():
            found.append(
                f"The loss of '{task}' is not finite. Lower the learning rate."
            )
        elif len(values) > 1 and np.ptp(values) <= CONSTANT * abs(
            values.iloc[0]
        ):
            found.append(
                f"The loss of '{task}' is {values.iloc[0]:.4g} in every "
                "epoch: nothing is learnt. Check that images differ and have "
                "content (umsrep verify), or change the learning rate."
            )
    if "feature_spread" not in history or not len(history):
        return found
    last = history.iloc[-1]
    if last["feature_spread"] < LEAST_SPREAD:
        found.append(
            "The features have collapsed: validation images have the same "
            f"bottleneck (spread {last['feature_spread']:.2g} of 1). Do not "
            "use this representation; lower the learning rate, or choose "
            "another objective."
        )
    elif last["feature_rank"] < LEAST_RANK:
        found.append(
            "The features have collapsed to one direction: the bottleneck of "
            "validation images differs in one number (effective rank "
            f"{last['feature_rank']:.2f}). Do not use this representation; "
            "train longer, or choose another objective."
        )
    return found


def tell(found: Sequence[str]) -> None:
    """Says remarks on stderr."""
    for words in found:
        print(f"Warning: {words}", file=sys.stderr)
