"""Metrics of a classifier over a set of images.

Shapes and conventions, the same for every function:

- `true`, `predicted`: class indices, shape `(images,)`. With two classes the
  positive one is the last (index 1).
- `probabilities`: shape `(images, classes)`, rows summing to 1.
- `num_classes`: number of classes.
- `weights`: how many times each image counts, shape `(images,)`, or
  `(resamples, images)` for many bootstrap resamples in one call. The result
  is a float, or an array of shape `(resamples,)`.
- A value that the data leave undefined is nan; each docstring says when.

scikit-learn computes one resample at a time, and a bootstrap of a dozen
metrics would take minutes. So everything here comes from weighted confusion
matrices and weighted ranks; the tests compare each function with
scikit-learn's.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from umsrep.metrics.class_labels import (
    check_lengths,
    check_probabilities,
    class_indices,
)
from umsrep.metrics.weighted import (
    Floats,
    Value,
    as_weights,
    mean,
    nan_mean,
    number,
    rank_auc,
    rank_precision,
    ratio,
)


def accuracy(
    true: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None
) -> Value:
    """Share of images with the right class, in [0, 1]."""
    true = class_indices(true, "true")
    predicted = class_indices(predicted, "predicted")
    check_lengths(true, predicted)
    return number(mean(true == predicted, weights))


def f_score(
    true: ArrayLike,
    predicted: ArrayLike,
    num_classes: int = 2,
    weights: ArrayLike | None = None,
) -> Value:
    """F1 in [0, 1]: of the positive class, or the mean over > 2 classes.

    A class that is neither present nor predicted has no F1: nan with two
    classes, left out of the mean with more.
    """
    matrix = confusion_matrix(true, predicted, num_classes, weights)
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    either = matrix.sum(-1) + matrix.sum(-2)
    scores = ratio(2 * hits, either)
    return number(scores[..., -1] if num_classes == 2 else nan_mean(scores))


def mcc(
    true: ArrayLike,
    predicted: ArrayLike,
    num_classes: int = 2,
    weights: ArrayLike | None = None,
) -> Value:
    """Matthews correlation coefficient in [-1, 1] (Gorodkin 2004).

    0 when every prediction is the same class; nan when every image is of the
    same class, for then there is nothing to correlate with.
    """
    matrix = confusion_matrix(true, predicted, num_classes, weights)
    total = matrix.sum((-2, -1))
    hits = np.diagonal(matrix, axis1=-2, axis2=-1).sum(-1)
    of_true, of_predicted = matrix.sum(-1), matrix.sum(-2)
    both = hits * total - (of_true * of_predicted).sum(-1)
    spread_true = total**2 - (of_true**2).sum(-1)
    spread_predicted = total**2 - (of_predicted**2).sum(-1)
    value = ratio(both, np.sqrt(spread_true * spread_predicted))
    value = np.where(spread_predicted == 0, 0.0, value)
    return number(np.where(spread_true == 0, np.nan, value))


def sensitivity(
    true: ArrayLike,
    predicted: ArrayLike,
    num_classes: int = 2,
    weights: ArrayLike | None = None,
) -> Value:
    """Recall of the positive class; with > 2 classes the mean recall.

    nan when no image is positive. With > 2 classes, absent ones are left out.
    """
    recall = _recall(confusion_matrix(true, predicted, num_classes, weights))
    return number(recall[..., -1] if num_classes == 2 else nan_mean(recall))


def specificity(
    true: ArrayLike,
    predicted: ArrayLike,
    num_classes: int = 2,
    weights: ArrayLike | None = None,
) -> Value:
    """Recall of the negative class; with > 2 classes, one against the rest.

    For class k, the share of images of other classes that are not predicted
    as k; then the mean over the classes. nan when no image is negative.
    """
    matrix = confusion_matrix(true, predicted, num_classes, weights)
    if num_classes == 2:
        return number(_recall(matrix)[..., 0])
    of_true = matrix.sum(-1)
    wrongly = matrix.sum(-2) - np.diagonal(matrix, axis1=-2, axis2=-1)
    others = of_true.sum(-1, keepdims=True) - of_true
    return number(nan_mean(1 - ratio(wrongly, others)))


def balanced_accuracy(
    true: ArrayLike,
    predicted: ArrayLike,
    num_classes: int = 2,
    weights: ArrayLike | None = None,
) -> Value:
    """Mean recall over the classes that are present, in [0, 1].

    nan when fewer than two classes are present.
    """
    matrix = confusion_matrix(true, predicted, num_classes, weights)
    present = (matrix.sum(-1) > 0).sum(-1)
    recall = nan_mean(_recall(matrix))
    return number(np.where(present < 2, np.nan, recall))


def auc(
    true: ArrayLike,
    probabilities: ArrayLike,
    weights: ArrayLike | None = None,
) -> Value:
    """Area under the ROC curve in [0, 1]; ties count one half.

    With more than two classes the multi-class area of Hand & Till (2001):
    the mean over all pairs of classes, each pair ranked both ways. nan when a
    class has no image.
    """
    true, probabilities = check_probabilities(true, probabilities)
    weights = as_weights(weights, len(true))
    num_classes = probabilities.shape[1]
    if num_classes == 2:
        return number(rank_auc(true == 1, probabilities[:, 1], weights))
    pairs = []
    for a in range(num_classes):
        for b in range(a):
            rows = np.flatnonzero((true == a) | (true == b))
            for positive in (a, b):
                pairs.append(
                    rank_auc(
                        true[rows] == positive,
                        probabilities[rows, positive],
                        weights[..., rows],
                    )
                )
    return number(np.mean(pairs, axis=0))


def average_precision(
    true: ArrayLike,
    probabilities: ArrayLike,
    weights: ArrayLike | None = None,
) -> Value:
    """Average precision in [0, 1]: area under precision over recall, in steps.

    Without interpolation, images of equal probability together, as
    scikit-learn's. Chance is the share of positive images. With more than two
    classes the mean over the classes, each against the rest. nan when a class
    has no image.
    """
    true, probabilities = check_probabilities(true, probabilities)
    weights = as_weights(weights, len(true))
    count = probabilities.shape[1]
    classes = (1,) if count == 2 else range(count)
    return number(
        np.mean(
            [
                rank_precision(true == k, probabilities[:, k], weights)
                for k in classes
            ],
            axis=0,
        )
    )


def auc_per_class(
    true: ArrayLike,
    probabilities: ArrayLike,
    weights: ArrayLike | None = None,
) -> Floats:
    """Area under the ROC curve of each class against the rest.

    Returns:
        Array `(classes,)`, or `(classes, resamples)`; nan for a class that no
        image, or every image, has.
    """
    true, probabilities = check_probabilities(true, probabilities)
    weights = as_weights(weights, len(true))
    return np.array(
        [
            rank_auc(true == k, probabilities[:, k], weights)
            for k in range(probabilities.shape[1])
        ]
    )


def brier(
    true: ArrayLike,
    probabilities: ArrayLike,
    weights: ArrayLike | None = None,
) -> Value:
    """Brier score: mean squared error of the probabilities, 0 is perfect.

    Two classes: of the positive class, in [0, 1] (as scikit-learn). More: the
    sum over classes, in [0, 2] (Brier 1950).
    """
    true, probabilities = check_probabilities(true, probabilities)
    num_classes = probabilities.shape[1]
    error = (probabilities - np.eye(num_classes)[true]) ** 2
    error = error[:, 1] if num_classes == 2 else error.sum(1)
    return number(mean(error, weights))


def expected_calibration_error(
    true: ArrayLike,
    probabilities: ArrayLike,
    bins: int = 15,
    weights: ArrayLike | None = None,
) -> Value:
    """Expected calibration error in [0, 1] (Guo et al. 2017, Eq. 3).

    The likeliest class's probability is put into `bins` equal bins; the error
    is the mean distance between a bin's confidence and its accuracy. Biased
    upwards on few images: compare only equal numbers of images.
    """
    true, probabilities = check_probabilities(true, probabilities)
    confidence = probabilities.max(1)
    correct = probabilities.argmax(1) == true
    # Bins are open on the left, as in the paper.
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.eye(bins)[index] * (correct - confidence)[:, None]
    weights = as_weights(weights, len(true))
    return number(ratio(np.abs(weights @ gaps).sum(-1), weights.sum(-1)))


def calibration_error_if_calibrated(
    probabilities: ArrayLike, draws: int = 200, seed: int = 0
) -> Floats:
    """The calibration error that perfect probabilities would show.

    Of a few images the expected calibration error is above 0 even where every
    probability is true. Here classes are drawn from the probabilities
    themselves (consistency resampling, Broecker & Smith 2007): an error no
    larger than most of these is no sign of bad calibration.

    Args:
        probabilities: `(images, classes)`.
        draws: Number of drawn sets of classes.
        seed: Seed of the draws.

    Returns:
        The errors of the draws, `(draws,)`.
    """
    given = np.asarray(probabilities, float)
    rng = np.random.default_rng(seed)
    edges = np.cumsum(given, axis=1)[:, :-1]
    return np.array(
        [
            expected_calibration_error(
                (rng.random((len(given), 1)) > edges).sum(1), given
            )
            for _ in range(draws)
        ]
    )


def label_metrics(
    true: ArrayLike,
    predicted: ArrayLike,
    probabilities: ArrayLike,
    weights: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> dict[str, Value]:
    """All of the above by name, as reported in metrics.json.

    Args:
        true: Class indices, `(images,)`.
        predicted: Class indices, `(images,)`; a decision threshold may have
            made them differ from the likeliest class.
        probabilities: `(images, classes)`.
        weights: How many times each image counts; see the module.
        names: Names of the classes; with more than two, `auc_<name>` of each
            is added.
    """
    num_classes = np.shape(probabilities)[1]
    of_class = {
        "accuracy": accuracy(true, predicted, weights),
        "balanced_accuracy": balanced_accuracy(
            true, predicted, num_classes, weights
        ),
        "f_score": f_score(true, predicted, num_classes, weights),
        "mcc": mcc(true, predicted, num_classes, weights),
        "sensitivity": sensitivity(true, predicted, num_classes, weights),
        "specificity": specificity(true, predicted, num_classes, weights),
    }
    each = {}
    if names is not None and num_classes > 2:
        areas = auc_per_class(true, probabilities, weights)
        each = {
            f"auc_{name}": number(area)
            for name, area in zip(names, areas, strict=True)
        }
    return of_class | {
        "auc": auc(true, probabilities, weights),
        "average_precision": average_precision(true, probabilities, weights),
        "brier": brier(true, probabilities, weights),
        "expected_calibration_error": expected_calibration_error(
            true, probabilities, weights=weights
        ),
        **each,
    }


def confusion_matrix(
    true: ArrayLike,
    predicted: ArrayLike,
    num_classes: int = 2,
    weights: ArrayLike | None = None,
) -> Floats:
    """Counts, shape `(..., classes, classes)`: rows true, columns predicted.

    Raises:
        UmsrepError: the lengths differ, or an index is not in
            `0 ... num_classes - 1`.
    """
    true = class_indices(true, "true", num_classes)
    predicted = class_indices(predicted, "predicted", num_classes)
    check_lengths(true, predicted)
    weights = as_weights(weights, len(true))
    cells = np.eye(num_classes * num_classes)[true * num_classes + predicted]
    return (weights @ cells).reshape(
        *weights.shape[:-1], num_classes, num_classes
    )


def _recall(matrix: Floats) -> Floats:
    return ratio(np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(-1))
