"""Metrics of predicted numbers, in the unit of the numbers.

Shapes and conventions as in `classification`: `true` and `predicted` are
`(images,)`; `weights`, how often each image counts, are `(images,)`, or
`(resamples, images)` for many bootstrap resamples in one call. A value that
the data leave undefined is nan.
"""

import numpy as np
from numpy.typing import ArrayLike

from umsrep.errors import UmsrepError
from umsrep.metrics.weighted import Floats, Value, mean, number


def mae(
    true: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None
) -> Value:
    """Mean absolute error, at least 0."""
    actual, found = _checked(true, predicted)
    return number(mean(np.abs(found - actual), weights))


def rmse(
    true: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None
) -> Value:
    """Root mean squared error, at least the mean absolute error."""
    actual, found = _checked(true, predicted)
    return number(np.sqrt(mean((found - actual) ** 2, weights)))


def r2(
    true: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None
) -> Value:
    """Coefficient of determination: 1 - squared error / variance, at most 1.

    0 is the mean of the true values of these images, predicted for each. nan
    where all are equal.
    """
    actual, found = _checked(true, predicted)
    error = mean((found - actual) ** 2, weights)
    average = mean(actual, weights)
    # About the mean of each resample, without differences of large squares.
    centre = actual.mean() if len(actual) else 0.0
    variance = mean((actual - centre) ** 2, weights)
    variance = variance - (average - centre) ** 2
    # Above what rounding leaves of equal values.
    spread = variance > 1e-14 * np.square(actual).max(initial=0)
    ratio = np.full(error.shape, np.nan)
    np.divide(error, variance, out=ratio, where=spread)
    return number(1 - ratio)


def bias(
    true: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None
) -> Value:
    """Mean of predicted - true; above 0 where too much is predicted."""
    actual, found = _checked(true, predicted)
    return number(mean(found - actual, weights))


def regression_metrics(
    true: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None
) -> dict[str, Value]:
    """All of the above by name, as reported in metrics.json."""
    return {
        "mae": mae(true, predicted, weights),
        "rmse": rmse(true, predicted, weights),
        "r2": r2(true, predicted, weights),
        "bias": bias(true, predicted, weights),
    }


def _checked(true: ArrayLike, predicted: ArrayLike) -> tuple[Floats, Floats]:
    true, predicted = np.asarray(true, float), np.asarray(predicted, float)
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
