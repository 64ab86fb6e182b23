"""Paired tests of metrics of a ranking: AUC, average precision and the like.

Such a metric is no mean over images, so no test of per-image values applies.
Under the null hypothesis that A and B rank equally well, the ranks that they
give to a patient's images may be exchanged (Venkatraman & Begg 1996; Bandos,
Rockette & Gur 2005); ranks, because the scores of two models need not have
the same scale. The interval of the difference is as wide as what the same
exchanges do not reject, around what was found: p and interval agree.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from umsrep.errors import UmsrepError
from umsrep.evaluation.pairing import Difference
from umsrep.metrics.weighted import Floats

EXCHANGES = 1999
# Values held at a time: bounds memory at a few tens of megabytes.
_CELLS = 2_000_000

# (positive (images,), scores (..., images)) -> (...)
Ranking = Callable[[NDArray[np.bool_], Floats], Floats]


def auc(positive: NDArray[np.bool_], scores: Floats) -> Floats:
    """Area under the ROC curve of each row of scores; ties count one half."""
    ranks = stats.rankdata(scores, axis=-1)
    count = positive.sum()
    lowest = count * (count + 1) / 2
    return (ranks[..., positive].sum(-1) - lowest) / (count * (~positive).sum())


def average_precision(positive: NDArray[np.bool_], scores: Floats) -> Floats:
    """Average precision of each row of scores, equal scores together."""
    order = np.argsort(-scores, axis=-1, kind="stable")
    ordered = np.take_along_axis(scores, order, -1)
    hits = positive[order]
    size = scores.shape[-1]
    # The place of the last image of equal score, for each image.
    last = np.broadcast_to(np.arange(size), ordered.shape).copy()
    last[..., :-1][ordered[..., :-1] == ordered[..., 1:]] = size
    last = np.minimum.accumulate(last[..., ::-1], axis=-1)[..., ::-1]
    found = np.take_along_axis(np.cumsum(hits, axis=-1), last, -1)
    return (hits * found / (last + 1)).sum(-1) / positive.sum()


def sensitivity_at(specificity: float) -> Ranking:
    """The best sensitivity whose specificity is at least this."""
    _check(specificity, "specificity")

    def function(positive: NDArray[np.bool_], scores: Floats) -> Floats:
        below = np.sort(scores[..., ~positive], axis=-1)
        # Called positive is what lies above the threshold.
        place = int(np.ceil(specificity * below.shape[-1] - 1e-9)) - 1
        threshold = below[..., [place]]
        return (scores[..., positive] > threshold).mean(-1)

    return function


def specificity_at(sensitivity: float) -> Ranking:
    """The best specificity whose sensitivity is at least this."""
    _check(sensitivity, "sensitivity")
    mirrored = sensitivity_at(sensitivity)
    return lambda positive, scores: mirrored(~positive, -scores)


def exchange_test(
    metric: Ranking,
    positive: ArrayLike,
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    patients: Sequence[Hashable] | NDArray,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float, Difference]:
    """Whether A ranks better than B, by exchanging them per patient.

    Args:
        metric: One of this module's functions.
        positive: Whether each image is positive, (images,), or is of each
            class, (classes, images), for the mean over classes.
        scores_a, scores_b: Scores of the same shape, higher for positive
            images.
        patients: Patient of each image.
        seed: Seed of the exchanges.
        level: Coverage of the interval.

    Returns:
        (metric of A, metric of B, p and interval of A - B).

    Raises:
        UmsrepError: all images are of one class; a score that is no number.
    """
    classes = np.atleast_2d(np.asarray(positive, bool))
    if any(one_side.all() or not one_side.any() for one_side in classes):
        raise UmsrepError(
            "All images are of one class, or none of one; a ranking needs "
            "both. Compare on images of every class."
        )
    given = [np.asarray(s, float) for s in (scores_a, scores_b)]
    if not all(np.isfinite(s).all() for s in given):
        raise UmsrepError(
            "A score is no finite number. Look for images on which a model "
            "gives nan."
        )
    # Of the same scale, and equal scores stay equal.
    a, b = (stats.rankdata(np.atleast_2d(scores), axis=-1) for scores in given)

    def mean(first: Floats, second: Floats, swapped: NDArray) -> Floats:
        values = [
            metric(positive, np.where(swapped, theirs, ours))
            for positive, ours, theirs in zip(
                classes, first, second, strict=True
            )
        ]
        return np.mean(values, axis=0)

    stay = np.zeros(a.shape[-1], bool)
    value_a, value_b = float(mean(a, b, stay)), float(mean(b, a, stay))
    difference = value_a - value_b
    found = [
        mean(a, b, swapped) - mean(b, a, swapped)
        for swapped in _exchanges(patients, seed)
    ]
    sizes = np.abs(np.concatenate(found))
    p = float(np.mean(sizes >= abs(difference) - 1e-12))
    # Rejected are differences beyond this, so these are not inside.
    reach = float(np.quantile(sizes, level, method="higher"))
    if np.mean(sizes >= sizes.max() - 1e-12) > 1 - level and sizes.max() > 0:
        # Not even the largest difference that these exchanges give is rejected.
        reach = np.inf
    return (
        value_a,
        value_b,
        Difference(
            p, max(-1.0, difference - reach), min(1.0, difference + reach)
        ),
    )


def _exchanges(
    patients: Sequence[Hashable] | NDArray, seed: int
) -> Iterator[NDArray[np.bool_]]:
    """Blocks of (some, images): which images A and B are exchanged for."""
    index, names = pd.factorize(np.asarray(patients, object))
    count = len(names)
    if 2**count <= EXCHANGES + 1:
        every = (np.arange(2**count)[:, None] >> np.arange(count)) & 1 == 1
        yield every[:, index]
        return
    rng = np.random.default_rng(seed)
    block = max(1, _CELLS // len(index))
    # That of the data, which is one of them.
    yield np.zeros((1, len(index)), bool)
    for start in range(0, EXCHANGES, block):
        rows = min(block, EXCHANGES - start)
        yield (rng.random((rows, len(names))) < 0.5)[:, index]


def _check(share: float, name: str) -> None:
    if not 0 < share <= 1:
        raise UmsrepError(
            f"Got a {name} of {share}. Choose one above 0 and at most 1, such "
            "as 0.9."
        )
