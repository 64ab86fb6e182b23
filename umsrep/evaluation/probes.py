"""Linear probes and nearest neighbours on frozen features.

How much of a task a representation tells before anything is fine-tuned, in
seconds: a logistic regression and the nearest neighbours on means and standard
deviations of features for a label, and a ridge regression per cell for a mask.
Fitted on some images, judged on others; nothing is written.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from umsrep import tasks as task_kinds
from umsrep.data import Dataset
from umsrep.data.owners import owners
from umsrep.evaluation import cell_probe, intervals, probing
from umsrep.evaluation.frozen_features import Reader
from umsrep.heads import logistic
from umsrep.heads.linear import usual_features

if TYPE_CHECKING:
    from umsrep.cells import Cells
    from umsrep.representations import Representation

Floats = NDArray[np.floating]
Found = dict[str, dict[str, Any]]

# Images of a class, at least, to learn from and to be judged on.
FEWEST_TRAINING, FEWEST_JUDGED = 2, 5
NEIGHBOURS = 20
# Of the similarity in a vote (Wu et al. 2018, "Unsupervised feature learning
# via non-parametric instance discrimination").
TEMPERATURE = 0.07


def probe(
    representation: "Representation",
    training: Dataset,
    validation: Dataset,
    tasks: Iterable[str] | None = None,
    feature: str | tuple[str, ...] | None = None,
    seed: int = 0,
) -> Found:
    """What frozen features tell of tasks.

    Called again and again on one representation, as while it trains, a
    `Probes` that is made once spares the tracing of the network.

    Args:
        representation: A `Representation`.
        training: Images to fit on.
        validation: Images to judge on; of other patients.
        tasks: Names of tasks; None is all of `training`.
        feature: The feature, or several, whose means and deviations tell
            labels; None are those that a `heads.LinearHead` reads.
        seed: Seed of folds and resamples.

    Returns:
        {task: {"linear_auc", "knn_auc": areas under the ROC curve on the
        validation images (of several classes the mean over them), or
        "cell_dice": mean Dice at the resolution of the cells; each with
        "<metric>_ci95" by patient; "images", "patients": how many it was
        judged on}}, or {task: {"skipped": why}}.
    """
    return Probes(representation, training, validation, tasks, feature)(seed)


class Probes:
    """The probes of one representation on two sides; call it to measure.

    Args:
        representation, training, validation, tasks, feature: As in `probe`.
    """

    def __init__(
        self,
        representation: "Representation",
        training: Dataset,
        validation: Dataset,
        tasks: Iterable[str] | None = None,
        feature: str | tuple[str, ...] | None = None,
    ) -> None:
        self.tasks = tuple(training.tasks if tasks is None else tasks)
        self.sides = training, validation
        masks = any(training.task(t).kind == "mask" for t in self.tasks)
        self._reader = reader(representation, feature, cells=masks)

    def __call__(self, seed: int = 0) -> Found:
        """What the weights of now tell; returns as `probe`."""
        fitted, judged = (
            Side.read(self._reader, side, self.tasks) for side in self.sides
        )
        return measure(fitted, judged, self.tasks, seed)


def reader(
    representation: "Representation",
    feature: str | tuple[str, ...] | None = None,
    cells: bool = True,
) -> Reader:
    """What reads the columns that labels are probed on.

    Args:
        representation, feature: As in `probe`.
        cells: Also read what masks are probed on.
    """
    names = usual_features(representation) if feature is None else feature
    return Reader(representation, names, deviations=True, cells=cells)


@dataclass(frozen=True)
class Side:
    """Features and targets of some images.

    Attributes:
        dataset: The images.
        pooled: (n, columns) means of a feature.
        cells: (n, rows, columns, channels), or None.
        masks: {mask task: (n, rows, columns) bool on the cells, and (n,)
            which images have it}.
        groups: (n,) whose each image is.
    """

    dataset: Dataset
    pooled: Floats
    cells: NDArray | None
    masks: dict[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]
    groups: NDArray

    @classmethod
    def read(
        cls, reader: Reader, dataset: Dataset, tasks: Iterable[str]
    ) -> "Side":
        """Reads features and the tasks' targets of a data set."""
        pooled, cells = reader.read(dataset)
        masks = {}
        for task in tasks:
            known = task in dataset.tasks
            if known and reader.cells and dataset.task(task).kind == "mask":
                masks[task] = _masks(dataset, task, reader.cells)
        return cls(dataset, pooled, cells, masks, owners(dataset))

    def subset(self, chosen: Dataset) -> "Side":
        """The same of some of its images, without reading them again."""
        at = np.flatnonzero(np.isin(self.dataset.rows, chosen.rows))
        return Side(
            self.dataset.subset(at),
            self.pooled[at],
            None if self.cells is None else self.cells[at],
            {name: (m[at], k[at]) for name, (m, k) in self.masks.items()},
            self.groups[at],
        )


def _masks(
    dataset: Dataset, task: str, cells: "Cells"
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    known = dataset.labelled(task)
    inside = np.zeros((len(dataset), *cells.grid), bool)
    for row in np.flatnonzero(known):
        inside[row] = cells.average(dataset.target(task, int(row))) >= 0.5
    return inside, known


def measure(
    fitted: Side, judged: Side, tasks: Iterable[str], seed: int = 0
) -> Found:
    """Probes of tasks on features that are read already.

    Args:
        fitted, judged: Images to fit on, and others to judge on.
        tasks: Names of tasks.
        seed: Seed of folds and resamples.

    Returns:
        As `probe`.
    """
    # Systems this small lose more to threads that wait than they gain.
    with threadpool_limits(1):
        return _measured(fitted, judged, tasks, seed)


def _measured(
    fitted: Side, judged: Side, tasks: Iterable[str], seed: int
) -> Found:
    found = {}
    for task in tasks:
        kind = task_kinds.of(fitted.dataset.task(task))
        if task not in judged.dataset.tasks:
            found[task] = _skipped(f"'{judged.dataset.name}' lacks it")
        elif kind.name == "mask":
            found[task] = _of_mask(fitted, judged, task, seed)
        elif kind.form == "classes":
            found[task] = _of_label(fitted, judged, task, seed)
        else:
            found[task] = _skipped(f"there is no probe of a {kind.name}")
    return found


def _skipped(why: str) -> dict[str, Any]:
    return {"skipped": why}


def _of_label(
    fitted: Side, judged: Side, task: str, seed: int
) -> dict[str, Any]:
    learnt, asked = (side.dataset.labels(task) for side in (fitted, judged))
    classes = fitted.dataset.task(task).classes
    counts = [
        np.bincount(labels[labels >= 0], minlength=len(classes))
        for labels in (learnt, asked)
    ]
    kept = (counts[0] >= FEWEST_TRAINING) & (counts[1] >= FEWEST_JUDGED)
    if kept.sum() < 2:
        return _skipped(
            f"fewer than two classes with {FEWEST_TRAINING} images to fit on "
            f"and {FEWEST_JUDGED} to judge on"
        )
    number = np.where(kept, np.cumsum(kept) - 1, -1)
    learnt, asked = (
        np.where(labels >= 0, number[labels], -1) for labels in (learnt, asked)
    )
    here, there = learnt >= 0, asked >= 0
    scores = {
        "linear_auc": linear_probe(
            fitted.pooled[here],
            learnt[here],
            fitted.groups[here],
            judged.pooled[there],
            seed,
        ),
        "knn_auc": nearest_neighbours(
            fitted.pooled[here], learnt[here], judged.pooled[there]
        ),
    }
    asked, groups = asked[there], judged.groups[there]
    entry: dict[str, Any] = {}
    for name, values in scores.items():
        entry[name] = float(probing.auc(asked, values))
        entry[f"{name}_ci95"] = list(
            probing.auc_interval(asked, values, groups, seed)
        )
    return entry | _size(groups)


def _of_mask(
    fitted: Side, judged: Side, task: str, seed: int
) -> dict[str, Any]:
    cells, others = fitted.cells, judged.cells
    if cells is None or others is None:
        return _skipped("the representation has no feature with cells")
    (inside, here), (true, there) = fitted.masks[task], judged.masks[task]
    if not inside[here].any() or not there.any():
        return _skipped("no mask to fit on, or none to judge on")
    fit = cell_probe.fit(cells[here], inside[here], fitted.groups[here], seed)
    values = cell_probe.dice(true[there], fit.inside(others[there]))
    groups = judged.groups[there]
    ends = intervals.mean(values, groups, bounds=(0, 1), seed=seed)
    return {
        "cell_dice": float(values.mean()),
        "cell_dice_ci95": list(ends),
        **_size(groups),
    }


def _size(groups: NDArray) -> dict[str, int]:
    return {"images": len(groups), "patients": len(set(groups))}


def linear_probe(
    features: Floats,
    labels: NDArray[np.int_],
    groups: NDArray,
    others: Floats,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Scores of a logistic regression on frozen features.

    The one that a `heads.LinearHead` is solved by (`heads.logistic.fit`).

    Args:
        features: (n, columns) to fit on.
        labels: (n,) class indices from 0, at least two of them.
        groups: (n,) whose each image is: folds keep them together.
        others: (m, columns) to score.
        seed: Seed of the folds.

    Returns:
        (m, classes) decision values, higher for the class.
    """
    return logistic.fit(features, labels, groups, seed=seed).scores(others)


def nearest_neighbours(
    features: Floats,
    labels: NDArray[np.int_],
    others: Floats,
    neighbours: int = NEIGHBOURS,
) -> NDArray[np.float64]:
    """Votes of the nearest neighbours by cosine similarity.

    Of standardised columns: features of a ReLU all point the same way. A
    neighbour's vote is exp(similarity / 0.07) (Wu et al. 2018).

    Args:
        features: (n, columns) to look among.
        labels: (n,) class indices from 0.
        others: (m, columns) to score.
        neighbours: How many vote; at most half of the n, at least one.

    Returns:
        (m, classes) shares of the votes.
    """
    from sklearn.neighbors import KNeighborsClassifier

    centre, spread = logistic.moments(features)
    fitted, scored = ((x - centre) / spread for x in (features, others))
    model = KNeighborsClassifier(
        int(np.clip(neighbours, 1, max(len(fitted) // 2, 1))),
        weights=lambda distances: np.exp(-distances / TEMPERATURE),
        metric="cosine",
    )
    return model.fit(fitted, labels).predict_proba(scored)
