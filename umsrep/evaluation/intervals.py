"""Confidence intervals of every metric, over patients, that hold what they say.

A percentile bootstrap is too narrow on the few patients that a medical study
has, and of zero width where all of them are right. So each kind of metric has
the method that keeps its coverage there; `python -m benchmarks.coverage`
simulates those of labels and Dice (docs/statistics.md has the table).

Several images of one patient are alike; `patients.People` says how much less
they tell than as many patients.

Functions take one entry per image and the images' patients, and return an
`Interval`, which unpacks as (low, high).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from umsrep.errors import UmsrepError
from umsrep.evaluation import bootstrap
from umsrep.evaluation.interval_formulas import (
    EDGE,
    area_variance,
    delong,
    placement_values,
    roots,
    wilson,
)
from umsrep.evaluation.patients import (
    BELIEF,
    Patients,
    People,
    codes,
    ratio_error,
)
from umsrep.metrics import classification, estimates
from umsrep.metrics.weighted import Floats, rank_precision

# Assumed correlation of the scores of a patient's images.
ALIKE_RANKED = 0.5
RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes:
        low, high: Its ends; nan where it cannot be had.
        method: How it was made, in words; "" for none.
        note: What limits it, such as "3 patients"; "" for nothing.
    """

    low: float
    high: float
    method: str = ""
    note: str = ""

    def __iter__(self) -> Iterator[float]:
        return iter((self.low, self.high))


def proportion(
    hits: ArrayLike, patients: Patients, level: float = 0.95
) -> Interval:
    """Wilson's score interval with the design effect of the patients.

    Never of zero width, also where no image or every image is a hit (Wilson
    1927; Newcombe 1998; effective sample size as Korn & Graubard 1998, with
    Student's t where patients have several images).

    Args:
        hits: Whether each image is a hit.
        patients: Patient of each image.
        level: Coverage, between 0 and 1.
    """
    found = _booleans(hits, "hits")
    people = People(patients, len(found), level)
    if not len(found):
        return _nothing("no image")
    if people.clustered and people.count == 1:
        return _nothing("one patient only")
    share = float(found.mean())
    effective = len(found) / people.design_effect(found - share, share)
    if people.clustered:
        wider = stats.t.ppf((1 + level) / 2, max(people.effective - 1, 1))
        effective *= (people.normal / wider) ** 2
    low, high = wilson(share, effective, people.normal)
    method = "Wilson"
    if people.clustered:
        method += " with design effect"
    return Interval(low, high, method, people.note())


def f_score(
    hits: ArrayLike, either: ArrayLike, patients: Patients, level: float = 0.95
) -> Interval:
    """Interval of F1, which is a function of a share.

    F1 = 2s / (1 + s), s being the share of hits among the images that are or
    are called positive; the ends of `proportion` for s become those of F1.

    Args:
        hits: Positive images called positive.
        either: Images that are positive or are called so.
        patients, level: As for `proportion`.
    """
    either = _booleans(either, "either")
    inner = proportion(
        _booleans(hits, "hits")[either], codes(patients)[either], level
    )
    if not inner.method:
        return inner
    low, high = (2 * s / (1 + s) for s in inner)
    return Interval(low, high, f"{inner.method}, of F/(2 - F)", inner.note)


def mean_of_proportions(
    parts: Sequence[estimates.Proportion],
    patients: Patients,
    level: float = 0.95,
) -> Interval:
    """Interval of a mean of shares, such as balanced accuracy (MOVER).

    From the parts' own intervals (Zou & Donner 2008), so never of zero width.
    Taken as independent, which shares of one against the rest are not quite.
    """
    patients = codes(patients)
    count, below, above, centre, notes = len(parts), 0.0, 0.0, 0.0, []
    for part in parts:
        among = _among(part)
        inner = proportion(part.hits[among], patients[among], level)
        if not inner.method:
            return inner
        share = float(part.hits[among].mean())
        centre += share / count
        below += ((share - inner.low) / count) ** 2
        above += ((inner.high - share) / count) ** 2
        notes.append(inner.note)
    return Interval(
        max(0.0, centre - math.sqrt(below)),
        min(1.0, centre + math.sqrt(above)),
        "MOVER of Wilson",
        next(filter(None, notes), ""),
    )


def auc(
    labels: ArrayLike,
    scores: ArrayLike,
    patients: Patients,
    level: float = 0.95,
) -> Interval:
    """Score interval of the area under the ROC curve, by patient.

    The ends are the areas A for which the one found is z standard errors away,
    with the standard error that A itself would have (Newcombe 2006, method 5,
    after Hanley & McNeil 1982), scaled to DeLong's variance over patients
    (DeLong et al. 1988; Obuchowski 1997). Never of zero width: twenty
    patients in perfect order do not prove an area of 1. Near 1 it covers
    better than DeLong's interval of the logit, as the simulation shows.

    Args:
        labels: Whether each image is positive.
        scores: Higher for positive images.
        patients, level: As for `proportion`.
    """
    positive = _booleans(labels, "labels")
    scores = _numbers(scores, "scores")
    people = People(patients, len(scores), level)
    if not positive.any() or positive.all():
        return _nothing("one class only")
    placements, area = placement_values(positive, scores)
    sides = [people.of(positive), people.of(~positive)]
    sizes = [
        side.images / (1 + ALIKE_RANKED * (side.alike - 1)) for side in sides
    ]
    scale = 1.0
    variance = delong(placements - area, positive, people)
    if 0 < area < 1 and variance > 0:
        known = min(side.effective for side in sides)
        belief = known / (known + BELIEF)
        scale = (variance / area_variance(area, *sizes)) ** belief

    def beyond(value: float) -> float:
        spread = people.normal**2 * scale * area_variance(value, *sizes)
        return (area - value) ** 2 - spread

    low, high = roots(beyond, area)
    return Interval(
        low, high, "score with DeLong's variance", people.note(positive)
    )


def average_precision(
    labels: ArrayLike,
    scores: ArrayLike,
    patients: Patients,
    level: float = 0.95,
) -> Interval:
    """Wilson's interval on as many trials as there are positive patients.

    The binomial interval of Boyd, Eng & Page (2013), in Wilson's form instead
    of the logit's, which has no interval around 1.
    """
    positive = _booleans(labels, "labels")
    given = _numbers(scores, "scores")
    people = People(patients, len(positive), level)
    if not positive.any() or positive.all():
        return _nothing("one class only")
    value = rank_precision(positive, given, np.ones(len(given)))
    side = people.of(positive)
    effective = side.images / (1 + ALIKE_RANKED * (side.alike - 1))
    low, high = wilson(float(value), effective, people.normal)
    return Interval(low, high, "Wilson of positives", people.note(positive))


def mcc(
    true: ArrayLike,
    predicted: ArrayLike,
    num_classes: int,
    patients: Patients,
    level: float = 0.95,
) -> Interval:
    """Fisher's z interval of Matthews' correlation, jackknifed by patient.

    Two images, spread over all cells of the confusion matrix, are added, so
    that a perfect table has an interval too (after Agresti & Coull 1998).
    """
    true, predicted = np.asarray(true, int), np.asarray(predicted, int)
    people = People(patients, len(true), level)
    if people.count < 2 or len(np.unique(true)) < 2:
        return _nothing("one patient or class only")
    if len(np.unique(predicted)) < 2:
        return _nothing("every image is called the same")
    cells = np.arange(num_classes**2)
    added = np.full(len(cells), 2 / len(cells))
    all_true = np.r_[true, cells // num_classes]
    all_predicted = np.r_[predicted, cells % num_classes]

    def transformed(weights: Floats) -> Floats:
        weights = np.concatenate(
            [
                weights,
                np.broadcast_to(added, (*weights.shape[:-1], len(added))),
            ],
            axis=-1,
        )
        value = classification.mcc(
            all_true, all_predicted, num_classes, weights
        )
        return np.arctanh(np.clip(value, -1 + EDGE, 1 - EDGE))

    left_out = people.jackknife(transformed)
    spread = (people.count - 1) * np.mean((left_out - left_out.mean()) ** 2)
    centre = float(transformed(np.ones(len(true))))
    wider = stats.t.ppf((1 + level) / 2, max(people.effective - 1, 1))
    half = wider * math.sqrt(spread)
    value = float(classification.mcc(true, predicted, num_classes))
    low, high = math.tanh(centre - half), math.tanh(centre + half)
    if (true == predicted).all():
        # No error to learn the spread from: the correlation that the lowest
        # accuracy would give, errors being spread evenly.
        accuracy = proportion(true == predicted, patients, level).low
        low = min(low, (num_classes * accuracy - 1) / (num_classes - 1))
    return Interval(
        min(value, low),
        max(value, high),
        "Fisher's z, jackknife",
        people.note(true),
    )


def mean(
    values: ArrayLike,
    patients: Patients,
    level: float = 0.95,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Studentised bootstrap interval of a mean over images, by patient.

    Resamples patients and measures each resample's distance in its own
    standard errors (Efron 1981; Hall 1988), which follows the skewness of
    such as Dice, where a percentile interval is too short on the side of the
    few failures.

    Args:
        values: One per image; nan where there is none.
        patients, level: As for `proportion`.
        bounds: Range of the values; the interval stays inside.
        resamples: Number of resamples.
        seed: Seed of the resamples.
    """
    given = np.asarray(values, float)
    known = np.isfinite(given)
    found = given[known]
    if not len(found):
        return _nothing("no image")
    people = People(codes(patients)[known], len(found), level)
    if people.count < 2:
        return _nothing("one patient only")
    centre = float(found.mean())
    sums = people.sums(found - centre)
    error = ratio_error(sums, people.sizes)
    # Equal values differ by what rounding leaves.
    if error <= 1e-12 * max(1.0, abs(centre)):
        return _nothing("all values are equal")
    distances = np.concatenate(
        [
            _distances(counts, sums, people.sizes, error)
            for counts in bootstrap.patient_counts(
                people.count, resamples, seed
            )
        ]
    )
    shares = [(1 + level) / 2, (1 - level) / 2]
    upper, lower = np.quantile(distances, shares, method="inverted_cdf")
    low, high = centre - upper * error, centre - lower * error
    if np.isfinite(bounds).all():
        # Too many resamples of one value: no mean within bounds varies more
        # than that of the bounds themselves.
        span = bounds[1] - bounds[0]
        share = (centre - bounds[0]) / span
        widest = wilson(share, people.effective, people.normal)
        ends = [bounds[0] + span * end for end in widest]
        low = low if np.isfinite(low) else ends[0]
        high = high if np.isfinite(high) else ends[1]
    if not (np.isfinite(low) and np.isfinite(high)):
        return _nothing("too few different values")
    low, high = np.clip((low, high), *bounds)
    return Interval(
        min(float(low), centre),
        max(float(high), centre),
        "studentised bootstrap",
        people.note(),
    )


def _distances(
    counts: Floats, sums: Floats, sizes: Floats, error: float
) -> Floats:
    """How far resampled means lie away, in standard errors of their own.

    Infinitely far where all drawn patients have one value, up to rounding.
    """
    images = counts @ sizes
    moved = (counts @ sums) / images
    rest = sums - moved[:, None] * sizes
    errors = np.sqrt((counts * rest**2).sum(1)) / images
    errors *= math.sqrt(len(sizes) / (len(sizes) - 1))
    flat = errors <= 1e-9 * error
    far = np.where(
        np.abs(moved) <= 1e-9 * error, 0.0, np.copysign(np.inf, moved)
    )
    return np.where(flat, far, moved / np.where(flat, 1.0, errors))


def median(
    values: ArrayLike, patients: Patients, level: float = 0.95
) -> Interval:
    """Woodruff's (1952) interval of a median.

    The quantiles of the values at the ends of `proportion`'s interval around
    one half.
    """
    given = _numbers(values, "values")
    ordered = np.sort(given)
    count = len(ordered)
    if count < 2:
        return _nothing("no image" if not count else "one image only")
    middle = float(np.median(ordered))
    below = given <= middle
    inner = proportion(below, patients, level)
    if not inner.method:
        return inner
    centre = float(below.mean()) - 0.5
    first = max(math.floor((inner.low - centre) * count), 0)
    last = max(math.ceil((inner.high - centre) * count), 1) - 1
    return Interval(
        min(float(ordered[min(first, count - 1)]), middle),
        max(float(ordered[min(last, count - 1)]), middle),
        "Woodruff",
        inner.note,
    )


def statistic(
    function: Callable[[NDArray | None], ArrayLike],
    patients: Patients,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """BCa bootstrap interval of any statistic of weights, by patient.

    Bias-corrected and accelerated (Efron 1987), the acceleration by leaving
    out each patient. See `bootstrap.bca`.
    """
    people = People(patients, len(np.asarray(patients)), level)
    if people.count < 2:
        return _nothing("one patient only")
    low, high = bootstrap.bca(function, patients, resamples, seed, level)
    if np.isnan(low):
        return _nothing("undefined in most resamples")
    if low == high:
        return _nothing("equal in all resamples")
    return Interval(low, high, "BCa bootstrap", people.note())


def of_estimate(
    estimate: estimates.Estimate,
    patients: Patients,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """The interval that suits what a metric estimates."""
    patients = codes(patients)
    match estimate:
        case estimates.Proportion(hits):
            among = _among(estimate)
            return proportion(hits[among], patients[among], level)
        case estimates.FScore(hits, either):
            return f_score(hits, either, patients, level)
        case estimates.MeanOfProportions(parts):
            return mean_of_proportions(parts, patients, level)
        case estimates.RocArea(positive, scores):
            return auc(positive, scores, patients, level)
        case estimates.PrecisionArea(positive, scores):
            return average_precision(positive, scores, patients, level)
        case estimates.Correlation(true, predicted, count):
            return mcc(true, predicted, count, patients, level)
        case estimates.Median(values):
            return median(values, patients, level)
        case estimates.Mean(values, low, high):
            return mean(values, patients, level, (low, high), resamples, seed)
        case estimates.RootMean(values):
            inner = mean(
                values, patients, level, (0, math.inf), resamples, seed
            )
            return Interval(
                math.sqrt(inner.low),
                math.sqrt(inner.high),
                inner.method,
                inner.note,
            )
    return statistic(estimate.function, patients, level, resamples, seed)


def _numbers(values: ArrayLike, name: str) -> Floats:
    found = np.asarray(values, float)
    if not np.isfinite(found).all():
        raise UmsrepError(
            f"'{name}' holds values that are no finite numbers. Leave these "
            "images out."
        )
    return found


def _booleans(values: ArrayLike, name: str) -> NDArray[np.bool_]:
    return _numbers(values, name).astype(bool)


def _nothing(why: str) -> Interval:
    return Interval(math.nan, math.nan, "", why)


def _among(part: estimates.Proportion) -> NDArray[np.bool_]:
    if part.among is None:
        return np.ones(len(part.hits), bool)
    return part.among
