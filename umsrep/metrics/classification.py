"""Metrics of a classifier over a set of images.

Shapes and conventions, the same for every function:

- `true`, `predicted`: class indices, shape `(images,)`. With two classes the
  positive one is the last (index 1).
- `probabilities`: shape `(images, classes)`, rows summing to 1.
- `weights`: how many times each image counts, shape `(images,)`, or
  `(resamples, images)` for many bootstrap resamples in one call. The result
  is a float, or an array of shape `(resamples,)`.
- A value that the data leave undefined is nan; each docstring says when.

scikit-learn computes one resample at a time, and a bootstrap of a dozen
metrics would take minutes. So everything here comes from weighted confusion
matrices and weighted ranks, and the tests hold each function equal to
scikit-learn's.
"""

import numpy as np

from umsrep.errors import UmsrepError


def accuracy(true, predicted, weights=None):
    """Share of images with the right class, in [0, 1]."""
    true, predicted = _indices(true, "true"), _indices(predicted, "predicted")
    _same_length(true, predicted)
    return _number(_mean(true == predicted, weights))


def f_score(true, predicted, classes=2, weights=None):
    """F1 in [0, 1]: of the positive class, or the mean over > 2 classes.

    A class that is neither present nor predicted has no F1: nan with two
    classes, left out of the mean with more.
    """
    matrix = confusion_matrix(true, predicted, classes, weights)
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    either = matrix.sum(-1) + matrix.sum(-2)
    scores = _ratio(2 * hits, either)
    return _number(scores[..., -1] if classes == 2 else _nanmean(scores))


def mcc(true, predicted, classes=2, weights=None):
    """Matthews correlation coefficient in [-1, 1] (Gorodkin 2004).

    0 when every prediction is the same class; nan when every image is of the
    same class, for then there is nothing to correlate with.
    """
    matrix = confusion_matrix(true, predicted, classes, weights)
    total = matrix.sum((-2, -1))
    hits = np.diagonal(matrix, axis1=-2, axis2=-1).sum(-1)
    of_true, of_predicted = matrix.sum(-1), matrix.sum(-2)
    both = hits * total - (of_true * of_predicted).sum(-1)
    spread_true = total**2 - (of_true**2).sum(-1)
    spread_predicted = total**2 - (of_predicted**2).sum(-1)
    value = _ratio(both, np.sqrt(spread_true * spread_predicted))
    value = np.where(spread_predicted == 0, 0.0, value)
    return _number(np.where(spread_true == 0, np.nan, value))


def sensitivity(true, predicted, classes=2, weights=None):
    """Recall of the positive class; with > 2 classes the mean recall.

    nan when no image is positive. With > 2 classes, absent ones are left out.
    """
    recall = _recall(confusion_matrix(true, predicted, classes, weights))
    return _number(recall[..., -1] if classes == 2 else _nanmean(recall))


def specificity(true, predicted, classes=2, weights=None):
    """Recall of the negative class; with > 2 classes one against the rest.

    Of class k: the share of images of other classes not taken for k; the
    mean over the classes. nan when no image is negative.
    """
    matrix = confusion_matrix(true, predicted, classes, weights)
    if classes == 2:
        return _number(_recall(matrix)[..., 0])
    of_true = matrix.sum(-1)
    wrongly = matrix.sum(-2) - np.diagonal(matrix, axis1=-2, axis2=-1)
    others = of_true.sum(-1, keepdims=True) - of_true
    return _number(_nanmean(1 - _ratio(wrongly, others)))


def balanced_accuracy(true, predicted, classes=2, weights=None):
    """Mean recall over the classes that are present, in [0, 1].

    nan when fewer than two classes are present.
    """
    matrix = confusion_matrix(true, predicted, classes, weights)
    present = (matrix.sum(-1) > 0).sum(-1)
    mean = _nanmean(_recall(matrix))
    return _number(np.where(present < 2, np.nan, mean))


def auc(true, probabilities, weights=None):
    """Area under the ROC curve in [0, 1]; ties count one half.

    With more than two classes the multi-class area of Hand & Till (2001):
    the mean over all pairs of classes, each pair ranked both ways. nan when a
    class has no image.
    """
    true, probabilities = _checked(true, probabilities)
    weights = _weights(weights, len(true))
    classes = probabilities.shape[1]
    if classes == 2:
        return _number(_rank_auc(true == 1, probabilities[:, 1], weights))
    pairs = []
    for a in range(classes):
        for b in range(a):
            rows = np.flatnonzero((true == a) | (true == b))
            for positive in (a, b):
                pairs.append(
                    _rank_auc(
                        true[rows] == positive,
                        probabilities[rows, positive],
                        weights[..., rows],
                    )
                )
    return _number(np.mean(pairs, axis=0))


def auc_per_class(true, probabilities, weights=None):
    """Area under the ROC curve of each class against the rest.

    Returns:
        Array `(classes,)`, or `(classes, resamples)`; nan for a class that no
        image, or every image, has.
    """
    true, probabilities = _checked(true, probabilities)
    weights = _weights(weights, len(true))
    return np.array(
        [
            _rank_auc(true == k, probabilities[:, k], weights)
            for k in range(probabilities.shape[1])
        ]
    )


def brier(true, probabilities, weights=None):
    """Brier score: mean squared error of the probabilities, 0 is perfect.

    Two classes: of the positive class, in [0, 1] (as scikit-learn). More: the
    sum over classes, in [0, 2] (Brier 1950).
    """
    true, probabilities = _checked(true, probabilities)
    classes = probabilities.shape[1]
    error = (probabilities - np.eye(classes)[true]) ** 2
    error = error[:, 1] if classes == 2 else error.sum(1)
    return _number(_mean(error, weights))


def expected_calibration_error(true, probabilities, bins=15, weights=None):
    """Expected calibration error in [0, 1] (Guo et al. 2017, Eq. 3).

    The likeliest class's probability is put into `bins` equal bins; the error
    is the mean distance between a bin's confidence and its accuracy. Biased
    upwards on few images: compare only equal numbers of images.
    """
    true, probabilities = _checked(true, probabilities)
    confidence = probabilities.max(1)
    correct = probabilities.argmax(1) == true
    # Bins are open on the left, as in the paper.
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.eye(bins)[index] * (correct - confidence)[:, None]
    weights = _weights(weights, len(true))
    return _number(_ratio(np.abs(weights @ gaps).sum(-1), weights.sum(-1)))


def label_metrics(true, predicted, probabilities, weights=None, names=None):
    """All of the above by name, as reported in metrics.json.

    Args:
        true: Class indices, `(images,)`.
        predicted: Class indices, `(images,)`; a decision threshold may have
            made them differ from the likeliest class.
        probabilities: `(images, classes)`.
        weights: See the module.
        names: Names of the classes; with more than two, `auc_<name>` of each
            is added.
    """
    classes = np.shape(probabilities)[1]
    of_class = {
        "accuracy": accuracy(true, predicted, weights),
        "balanced_accuracy": balanced_accuracy(
            true, predicted, classes, weights
        ),
        "f_score": f_score(true, predicted, classes, weights),
        "mcc": mcc(true, predicted, classes, weights),
        "sensitivity": sensitivity(true, predicted, classes, weights),
        "specificity": specificity(true, predicted, classes, weights),
    }
    each = {}
    if names is not None and classes > 2:
        areas = auc_per_class(true, probabilities, weights)
        each = {
            f"auc_{name}": _number(area)
            for name, area in zip(names, areas, strict=True)
        }
    return of_class | {
        "auc": auc(true, probabilities, weights),
        "brier": brier(true, probabilities, weights),
        "expected_calibration_error": expected_calibration_error(
            true, probabilities, weights=weights
        ),
        **each,
    }


def confusion_matrix(true, predicted, classes=2, weights=None):
    """Counts, shape `(..., classes, classes)`: rows true, columns predicted.

    Raises:
        UmsrepError: the lengths differ, or an index is not in
            `0 ... classes - 1`.
    """
    true = _indices(true, "true", classes)
    predicted = _indices(predicted, "predicted", classes)
    _same_length(true, predicted)
    weights = _weights(weights, len(true))
    cells = np.eye(classes * classes)[true * classes + predicted]
    return (weights @ cells).reshape(*weights.shape[:-1], classes, classes)


def _rank_auc(positive, scores, weights):
    """Weighted probability that a positive outranks a negative."""
    if len(scores) == 0:
        return np.full(weights.shape[:-1], np.nan)
    order = np.argsort(scores, kind="stable")
    scores, positive = scores[order], positive[order]
    weights = weights[..., order]
    # One entry per distinct score: images with the same score are tied.
    starts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])
    above = np.add.reduceat(weights * positive, starts, axis=-1)
    below = np.add.reduceat(weights * ~positive, starts, axis=-1)
    lower = np.cumsum(below, axis=-1) - below
    wins = (above * (lower + below / 2)).sum(-1)
    return _ratio(wins, above.sum(-1) * below.sum(-1))


def _recall(matrix):
    return _ratio(np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(-1))


def _ratio(above, below):
    """`above / below`, nan where `below` is 0."""
    above, below = np.broadcast_arrays(
        np.asarray(above, float), np.asarray(below, float)
    )
    empty = np.full(above.shape, np.nan)
    return np.divide(above, below, out=empty, where=below > 0)


def _nanmean(values):
    """Mean over the last axis without nan; nan where nothing is left."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0).sum(-1), known.sum(-1))


def _mean(values, weights):
    weights = _weights(weights, len(values))
    return _ratio(weights @ np.asarray(values, float), weights.sum(-1))


def _number(value):
    value = np.asarray(value, float)
    return value.item() if value.ndim == 0 else value


def _weights(weights, images):
    if weights is None:
        return np.ones(images)
    weights = np.asarray(weights, float)
    if weights.shape[-1] != images:
        raise UmsrepError(
            f"Got weights of shape {weights.shape} for {images} images. "
            "The last axis must be one weight per image."
        )
    return weights


def _indices(labels, name, classes=None):
    labels = np.asarray(labels)
    if labels.ndim != 1 or not (
        np.issubdtype(labels.dtype, np.integer) or labels.dtype == bool
    ):
        raise UmsrepError(
            f"Got {name} labels of shape {labels.shape} and type "
            f"{labels.dtype}; expected one integer class index per image. "
            "Take argmax of one-hot labels, drop images without a label."
        )
    labels = labels.astype(int)
    if classes is not None and len(labels):
        low, high = labels.min(), labels.max()
        if low < 0 or high >= classes:
            raise UmsrepError(
                f"Got {name} labels from {low} to {high}; expected indices "
                f"0 to {classes - 1}. Check the order of the classes, and "
                "drop images without a label."
            )
    return labels


def _same_length(true, predicted):
    if len(true) != len(predicted):
        raise UmsrepError(
            f"Got {len(true)} true labels and {len(predicted)} predictions. "
            "Pass one of each per image, in the same order."
        )


def _checked(true, probabilities):
    probabilities = np.asarray(probabilities, float)
    if probabilities.ndim != 2 or probabilities.shape[1] < 2:
        raise UmsrepError(
            f"Got probabilities of shape {probabilities.shape}; expected "
            "(images, classes) with at least 2 classes. For one sigmoid "
            "output p, pass the columns 1 - p and p."
        )
    true = _indices(true, "true", probabilities.shape[1])
    _same_length(true, probabilities)
    if not (
        np.isfinite(probabilities).all()
        and (probabilities >= 0).all()
        and np.allclose(probabilities.sum(1), 1, atol=1e-2)
    ):
        raise UmsrepError(
            "Got probabilities that are not in [0, 1] or do not sum to 1 "
            "per image. Pass the softmax output, not logits, and look for "
            "images on which the model gives nan."
        )
    return true, probabilities
