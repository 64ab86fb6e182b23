"""Metrics of predicted numbers, in the unit of the numbers.

Shapes and conventions as in `classification`: `true` and `predicted` are
`(images,)`; `weights`, how often each image counts, are `(images,)`, or
`(resamples, images)` for many bootstrap resamples in one call. A value that
the data leave undefined is nan.
"""

import numpy as np

from umsrep.errors import UmsrepError


def mae(true, predicted, weights=None):
    """Mean absolute error, at least 0."""
    true, predicted = _checked(true, predicted)
    return _number(_mean(np.abs(predicted - true), weights))


def rmse(true, predicted, weights=None):
    """Root mean squared error, at least the mean absolute error."""
    true, predicted = _checked(true, predicted)
    return _number(np.sqrt(_mean((predicted - true) ** 2, weights)))


def r2(true, predicted, weights=None):
    """Coefficient of determination: 1 - squared error / variance, at most 1.

    0 is the mean of the true values of these images, predicted for each. nan
    where all are equal.
    """
    true, predicted = _checked(true, predicted)
    error = np.asarray(_mean((predicted - true) ** 2, weights))
    mean = np.asarray(_mean(true, weights))
    # About the mean of each resample, without differences of large squares.
    centre = true.mean() if len(true) else 0.0
    variance = np.asarray(_mean((true - centre) ** 2, weights))
    variance = variance - (mean - centre) ** 2
    # Above what rounding leaves of equal values.
    spread = variance > 1e-14 * np.square(true).max(initial=0)
    ratio = np.full(error.shape, np.nan)
    np.divide(error, variance, out=ratio, where=spread)
    return _number(1 - ratio)


def bias(true, predicted, weights=None):
    """Mean of predicted - true; above 0 where too much is predicted."""
    true, predicted = _checked(true, predicted)
    return _number(_mean(predicted - true, weights))


def regression_metrics(true, predicted, weights=None):
    """All of the above by name, as reported in metrics.json."""
    return {
        "mae": mae(true, predicted, weights),
        "rmse": rmse(true, predicted, weights),
        "r2": r2(true, predicted, weights),
        "bias": bias(true, predicted, weights),
    }


def _checked(true, predicted):
    true, predicted = (np.asarray(x, float) for x in (true, predicted))
    if true.ndim != 1 or true.shape != predicted.shape:
        raise UmsrepError(
            f"Got true values of shape {true.shape} and predictions of shape "
            f"{predicted.shape}; expected one of each per image. Pass two "
            "arrays (images,), in the same order."
        )
    if not (np.isfinite(true).all() and np.isfinite(predicted).all()):
        raise UmsrepError(
            "Got values that are not finite; expected numbers. Drop images "
            "without a label, and look for images on which the model gives "
            "nan."
        )
    return true, predicted


def _mean(values, weights):
    weights = np.ones(len(values)) if weights is None else weights
    total = np.asarray(np.sum(weights, axis=-1), float)
    result = np.full(total.shape, np.nan)
    return np.divide(weights @ values, total, out=result, where=total > 0)


def _number(value):
    value = np.asarray(value, float)
    return value.item() if value.ndim == 0 else value
