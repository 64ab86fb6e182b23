"""The formulas behind `intervals`, each with its source."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from umsrep.evaluation.patients import People
from umsrep.metrics.weighted import Floats

# Areas so close to 0 or 1 are those of the ends.
EDGE = 1e-9


def placement_values(
    positive: NDArray[np.bool_], scores: Floats
) -> tuple[Floats, float]:
    """Each image's share of the other class on its right side, and the area.

    The area is the mean over either class (DeLong et al. 1988: V10, V01).
    """
    ranks = stats.rankdata(scores)
    values = np.empty(len(scores))
    for side, sign in ((positive, 1), (~positive, -1)):
        within = stats.rankdata(scores[side])
        share = (ranks[side] - within) / (len(scores) - side.sum())
        values[side] = share if sign > 0 else 1 - share
    return values, float(values[positive].mean())


def wilson(share: float, trials: float, z: float) -> tuple[float, float]:
    """Wilson's (1927) score interval of a share of so many trials."""
    middle = share + z * z / (2 * trials)
    half = z * math.sqrt(
        share * (1 - share) / trials + z * z / (4 * trials * trials)
    )
    below = 1 + z * z / trials
    # At 0 and 1 the end is exact, and rounding must not move it inside.
    low = 0.0 if share <= 0 else max(0.0, (middle - half) / below)
    high = 1.0 if share >= 1 else min(1.0, (middle + half) / below)
    return float(low), float(high)


def area_variance(area: float, positives: float, negatives: float) -> float:
    """Newcombe's (2006) method 5 of Hanley & McNeil's (1982) variance."""
    others = max((positives + negatives) / 2 - 1, 0.0)
    inner = (1 - area) / (2 - area) + area / (1 + area)
    return area * (1 - area) / (positives * negatives) * (1 + others * inner)


def delong(
    centred: Floats, positive: NDArray[np.bool_], people: People
) -> float:
    """Variance of the area over patients (Obuchowski 1997); nan for few."""
    total, sides = 0.0, []
    for side in (positive, ~positive):
        count = people.of(side).count
        if count < 2:
            return math.nan
        sums = people.sums(np.where(side, centred / side.sum(), 0.0))
        total += count / (count - 1) * float((sums**2).sum())
        sides.append(sums)
    both = 2 * people.count / (people.count - 1)
    return total + both * float((sides[0] * sides[1]).sum())


def roots(beyond: Callable[[float], float], area: float) -> tuple[float, float]:
    """Where `beyond` is 0 on either side of `area`, within [0, 1]."""
    low, high = 0.0, 1.0
    if area > EDGE and beyond(EDGE) > 0:
        low = optimize.brentq(beyond, EDGE, min(area, 1 - EDGE))
    if area < 1 - EDGE and beyond(1 - EDGE) > 0:
        high = optimize.brentq(beyond, max(area, EDGE), 1 - EDGE)
    return float(low), float(high)
