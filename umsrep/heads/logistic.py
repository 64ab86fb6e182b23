"""Logistic regression on frozen features, its penalty chosen by patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

Floats = NDArray[np.float64]
Labels = NDArray[np.int_]

# Inverse strengths of the penalty (scikit-learn's C).
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
FOLDS = 5
# Where too few patients are there to choose by.
USUAL_PENALTY = 0.1
# Logit of a class without images, below those of all others.
ABSENT = -20.0


@dataclass(frozen=True)
class Logistic:
    """A fitted logistic regression.

    Attributes:
        centre, spread: (columns,) of the columns that it was fitted on. The
            spread is infinite where a column is the same in every image.
        kernel: (columns, classes) weights of the standardised columns.
        bias: (classes,).
        penalty: The chosen one of `PENALTIES`.
        loss: Mean cross-entropy on the images that it was fitted on.
    """

    centre: Floats
    spread: Floats
    kernel: Floats
    bias: Floats
    penalty: float
    loss: float

    def scores(self, columns: NDArray[np.floating]) -> Floats:
        """(n, classes) logits."""
        columns = (np.asarray(columns, float) - self.centre) / self.spread
        return columns @ self.kernel + self.bias


def fit(
    columns: NDArray[np.floating],
    labels: Labels,
    groups: NDArray[Any],
    num_classes: int | None = None,
    weights: Sequence[float] | None = None,
    seed: int = 0,
) -> Logistic:
    """Fits a logistic regression with a penalty on the squared weights.

    Columns are standardised. The penalty is the one of `PENALTIES` with the
    lowest loss on patients that are left out in turn.

    Args:
        columns: (n, columns) of frozen features.
        labels: (n,) class indices from 0, of at least two classes.
        groups: (n,) whose each image is; folds keep them together.
        num_classes: Number of classes; default: as the labels say. A class
            without images gets the least score.
        weights: Weight of an image by its class; default: 1.
        seed: Seed of the folds.
    """
    columns = np.asarray(columns, float)
    centre, spread = moments(columns)
    standardised = (columns - centre) / spread
    count = num_classes or int(labels.max()) + 1
    weight = np.ones(len(labels))
    if weights is not None:
        weight = np.asarray(weights, float)[labels]
    # Systems this small lose more to threads that wait than they gain.
    with threadpool_limits(1):
        rotated, directions = _rotated(standardised)
        penalty = _penalty(rotated, labels, weight, groups, seed)
        model = _logistic(penalty).fit(rotated, labels, weight)
        loss = _loss(model, rotated, labels, weight) / weight.sum()
    kernel = np.zeros((columns.shape[1], count))
    bias = np.full(count, ABSENT)
    known = np.unique(labels)
    slopes, offsets = model.coef_, model.intercept_
    if len(known) == 2:
        # scikit-learn has the score of the second class less the first.
        slopes = np.concatenate([-slopes, slopes]) / 2
        offsets = np.concatenate([-offsets, offsets]) / 2
    kernel[:, known] = directions @ slopes.T
    bias[known] = offsets
    return Logistic(centre, spread, kernel, bias, penalty, loss)


def moments(columns: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """(means, standard deviations) by which columns are standardised.

    A deviation is infinite where a column is the same in every image and says
    nothing, also up to a hundred roundings of float32, which may differ on
    another machine.
    """
    columns = np.asarray(columns, float)
    centre, spread = columns.mean(0), columns.std(0)
    spread[spread <= 1e-5 * (np.abs(centre) + 1e-5)] = np.inf
    return centre, spread


def _rotated(columns: Floats) -> tuple[Floats, Floats]:
    """The same fit in no more columns than images, and the way back.

    A penalty on the length of the weights does not see a rotation, and
    directions in which the images do not differ get no weight.
    """
    if columns.shape[1] <= columns.shape[0]:
        return columns, np.eye(columns.shape[1])
    *_, directions = np.linalg.svd(columns, full_matrices=False)
    return columns @ directions.T, directions.T


def _logistic(penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=penalty, max_iter=1000)


def _loss(model, columns, labels, weight):
    """Sum of the weighted cross-entropies."""
    from sklearn.metrics import log_loss

    return log_loss(
        labels,
        model.predict_proba(columns),
        labels=model.classes_,
        normalize=False,
        sample_weight=weight,
    )


def _penalty(columns, labels, weight, groups, seed) -> float:
    from sklearn.model_selection import StratifiedGroupKFold

    known = np.unique(labels)
    people = [len(set(groups[labels == k])) for k in known]
    count = min(FOLDS, *people)
    if count < 2:
        return USUAL_PENALTY
    folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    losses = np.zeros(len(PENALTIES))
    for fitted, held in folds.split(columns, labels, groups):
        if len(np.unique(labels[fitted])) < len(known):
            continue
        for number, penalty in enumerate(PENALTIES):
            model = _logistic(penalty).fit(
                columns[fitted], labels[fitted], weight[fitted]
            )
            losses[number] += _loss(
                model, columns[held], labels[held], weight[held]
            )
    if not losses.any():
        return USUAL_PENALTY
    return PENALTIES[int(np.argmin(losses))]
