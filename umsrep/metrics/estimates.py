"""What a metric estimates, so that the right interval can be put around it.

A metric of a set of images is a share, a mean, an area under a curve. Which
one it is decides how its confidence interval is made
(`umsrep.evaluation.intervals`); the value itself comes from the other files
of this package. Every array has one entry per image, `(images,)`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from umsrep.metrics import classification
from umsrep.metrics.weighted import Floats


@dataclass(frozen=True)
class Proportion:
    """Share of `hits` (bool) among the images of `among` (bool; None: all)."""

    hits: NDArray[np.bool_]
    among: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class FScore:
    """F1, from the images that are or are called positive, and the hits."""

    hits: NDArray[np.bool_]
    either: NDArray[np.bool_]


@dataclass(frozen=True)
class MeanOfProportions:
    """The mean of several shares, such as balanced accuracy."""

    parts: tuple[Proportion, ...]


@dataclass(frozen=True)
class RocArea:
    """Area under the ROC curve of `scores` for `positive` (bool)."""

    positive: NDArray[np.bool_]
    scores: Floats


@dataclass(frozen=True)
class PrecisionArea:
    """Average precision of `scores` for `positive` (bool)."""

    positive: NDArray[np.bool_]
    scores: Floats


@dataclass(frozen=True)
class Correlation:
    """Matthews correlation of class indices."""

    true: NDArray[np.int_]
    predicted: NDArray[np.int_]
    num_classes: int


@dataclass(frozen=True)
class Mean:
    """Mean of `values`; nan where an image has none.

    Attributes:
        values: One per image.
        low, high: The values' range, which their mean cannot leave.
    """

    values: Floats
    low: float = -np.inf
    high: float = np.inf


@dataclass(frozen=True)
class RootMean:
    """Square root of the mean of `values`, at least 0."""

    values: Floats


@dataclass(frozen=True)
class Median:
    """Median of `values`."""

    values: Floats


@dataclass(frozen=True)
class Statistic:
    """Anything else: `function(weights)`, see `TaskKind.statistics`."""

    function: Callable[[NDArray | None], ArrayLike]


Estimate = (
    Proportion
    | FScore
    | MeanOfProportions
    | RocArea
    | PrecisionArea
    | Correlation
    | Mean
    | RootMean
    | Median
    | Statistic
)


def of_labels(
    true: NDArray[np.int_],
    predicted: NDArray[np.int_],
    probabilities: Floats,
    names: Sequence[str],
) -> dict[str, Estimate]:
    """What the metrics of `classification.label_metrics` estimate.

    The expected calibration error is not among them: its plug-in value is
    biased upwards, and by another amount in every resample, so that no
    interval around it means anything. What to compare it with says
    `classification.calibration_error_if_calibrated`.
    """
    count = probabilities.shape[1]
    recalls = tuple(
        Proportion(predicted == k, true == k)
        for k in range(count)
        if (true == k).any()
    )
    error = (probabilities - np.eye(count)[true]) ** 2
    found: dict[str, Estimate] = {
        "accuracy": Proportion(true == predicted),
        "mcc": Correlation(true, predicted, count),
        "brier": Mean(
            error[:, 1] if count == 2 else error.sum(1),
            0.0,
            1.0 if count == 2 else 2.0,
        ),
    }
    if len(recalls) > 1:
        found["balanced_accuracy"] = MeanOfProportions(recalls)
    if count == 2:
        positive = true == 1
        found |= {
            "f_score": FScore(
                positive & (predicted == 1), positive | (predicted == 1)
            ),
            "sensitivity": Proportion(predicted == 1, positive),
            "specificity": Proportion(predicted == 0, ~positive),
            "auc": RocArea(positive, probabilities[:, 1]),
            "average_precision": PrecisionArea(positive, probabilities[:, 1]),
        }
        return found

    decided: dict[str, Callable[[NDArray | None], ArrayLike]] = {
        "f_score": lambda w: classification.f_score(true, predicted, count, w),
        "auc": lambda w: classification.auc(true, probabilities, w),
        "average_precision": lambda w: classification.average_precision(
            true, probabilities, w
        ),
    }

    found["sensitivity"] = MeanOfProportions(recalls)
    found["specificity"] = MeanOfProportions(
        tuple(
            Proportion(predicted != k, true != k)
            for k in range(count)
            if (true != k).any()
        )
    )
    found |= {name: Statistic(value) for name, value in decided.items()}
    for k, name in enumerate(names):
        found[f"auc_{name}"] = RocArea(true == k, probabilities[:, k])
    return found
