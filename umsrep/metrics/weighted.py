"""Weighted means, ratios and ranks, for all bootstrap resamples at once."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from umsrep.errors import UmsrepError

Floats = NDArray[np.float64]
# A number, or one per resample.
Value = float | Floats


def rank_auc(
    positive: NDArray[np.bool_], scores: Floats, weights: Floats
) -> Floats:
    """Weighted probability that a positive outranks a negative.

    Ties count one half.
    """
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
    return ratio(wins, above.sum(-1) * below.sum(-1))


def rank_precision(
    positive: NDArray[np.bool_], scores: Floats, weights: Floats
) -> Floats:
    """Weighted mean, over the positives, of the precision at their score."""
    if len(scores) == 0:
        return np.full(weights.shape[:-1], np.nan)
    order = np.argsort(-scores, kind="stable")
    scores, positive = scores[order], positive[order]
    weights = weights[..., order]
    starts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])
    hits = np.add.reduceat(weights * positive, starts, axis=-1)
    called = np.cumsum(np.add.reduceat(weights, starts, axis=-1), axis=-1)
    # Where nothing counts yet, no positive does.
    precision = np.nan_to_num(ratio(np.cumsum(hits, axis=-1), called))
    return ratio((hits * precision).sum(-1), hits.sum(-1))


def ratio(above: ArrayLike, below: ArrayLike) -> Floats:
    """`above / below`, nan where `below` is 0."""
    above, below = np.broadcast_arrays(
        np.asarray(above, float), np.asarray(below, float)
    )
    empty = np.full(above.shape, np.nan)
    return np.divide(above, below, out=empty, where=below > 0)


def nan_mean(values: Floats) -> Floats:
    """Mean over the last axis without nan; nan where nothing is left."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0).sum(-1), known.sum(-1))


def mean(values: NDArray, weights: ArrayLike | None) -> Floats:
    """Weighted mean over the last axis; nan where all weights are 0."""
    weights = as_weights(weights, len(values))
    return ratio(weights @ np.asarray(values, float), weights.sum(-1))


def number(value: ArrayLike) -> Value:
    """`value` as a float, or as an array if it has axes."""
    value = np.asarray(value, float)
    return value.item() if value.ndim == 0 else value


def as_weights(weights: ArrayLike | None, images: int) -> Floats:
    """`weights` as an array, checked; without any, each image counts once."""
    if weights is None:
        return np.ones(images)
    weights = np.asarray(weights, float)
    if weights.shape[-1] != images:
        raise UmsrepError(
            f"Got weights of shape {weights.shape} for {images} images. "
            "Expected one weight per image along the last axis."
        )
    return weights
