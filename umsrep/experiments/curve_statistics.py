"""Points of a learning curve, their intervals, and what they are worth."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats import multitest

from umsrep import tasks
from umsrep.data.prepared import TaskSpec
from umsrep.evaluation import pairing, ranking_tests, table_metrics
from umsrep.evaluation.curve_folder import AT_ONCE, NEVER
from umsrep.evaluation.relative_improvement import headline
from umsrep.metrics import catalogue
from umsrep.tasks.base import MCNEMAR, RANKING, WILCOXON

KEY = ["candidate", "patients", "data", "task", "metric"]
# "Reaches": below any interpolation.


def shown(spec: TaskSpec) -> list[str]:
    """Metrics of a task in the tables, `headline` first."""
    kind = tasks.of(spec)
    paired = [test.column for test in kind.paired]
    return list(dict.fromkeys([headline(spec), kind.main, *paired]))


def interval(
    values: Sequence[float],
    ends: Sequence[tuple[float, float]],
    low: float = -np.inf,
    high: float = np.inf,
) -> tuple[float, float]:
    """A 95 % interval of a mean over repeats, for patients and repeats.

    The distances to the ends of each repeat's own interval by patient, on
    average, and Student's t distance of the mean over repeats are independent
    errors, so their squares add (MOVER, Zou and Donner 2008). All repeats see
    the same patients, so averaging does not make the former smaller. A single
    repeat has no spread: the interval is then of patients alone.

    Args:
        values: One per repeat.
        ends: The interval by patient of each.
        low, high: Range of the metric.

    Returns:
        (low, high); nan where no repeat has an interval.
    """
    found, sides = np.asarray(values, float), np.asarray(ends, float)
    known = np.isfinite(sides).all(1)
    if not known.any():
        return np.nan, np.nan
    mean, count = found.mean(), len(found)
    below = (found - sides[:, 0])[known].mean()
    above = (sides[:, 1] - found)[known].mean()
    half = 0.0
    if count > 1:
        half = stats.t.ppf(0.975, count - 1) * found.std(ddof=1)
        half /= np.sqrt(count)
    return (
        float(max(low, mean - np.hypot(below, half))),
        float(min(high, mean + np.hypot(above, half))),
    )


def difference(
    ours: Sequence[pd.DataFrame],
    theirs: Sequence[pd.DataFrame],
    spec: TaskSpec,
    metric: str,
    seed: int = 0,
) -> dict[str, float] | None:
    """One candidate less another, over the repeats, tested by patient.

    Repeat by repeat on the same images. Per-image values are averaged over
    the repeats, and the signs of the patients' differences turned; of a
    ranking, the ranks of a patient are exchanged in all repeats at once. So
    p asks whether other patients would show the same of these trainings.

    Args:
        ours, theirs: Tables of predictions of each repeat.
        spec: The task.
        metric: One of `shown`.
        seed: Seed of signs and exchanges.

    Returns:
        {"difference", "low", "high", "p", "better": repeats in which ours is
        better, "test_images", "test_patients"}; None where there is no test.
    """
    kind = tasks.of(spec)
    test = next(
        # Right and wrong at a Dice tells less than the Dice.
        (
            t.test
            for t in sorted(kind.paired, key=lambda t: t.test == MCNEMAR)
            if t.column == metric
        ),
        None,
    )
    pairs = [
        pairing.aligned(a, b, spec) for a, b in zip(ours, theirs, strict=True)
    ]
    # Every repeat in the order of images of the first.
    order = pairs[0][0].index
    pairs = [(a.loc[order], b.loc[order]) for a, b in pairs]
    patients = table_metrics.patients_of(pairs[0][0])
    about = catalogue.metric(metric)
    if test == RANKING:
        found = _of_rankings(kind, metric, pairs, patients, seed)
    elif test in (MCNEMAR, WILCOXON):
        found = _of_values(kind, test, about, pairs, patients, seed)
    else:
        found = None
    if found is None:
        return None
    sign = -1 if about.lower_is_better else 1
    each = found.pop("each")
    return {
        **found,
        "better": int((sign * np.asarray(each) > 0).sum()),
        "test_images": len(patients),
        "test_patients": len(set(patients)),
    }


def _of_values(kind, test, about, pairs, patients, seed):
    def values(rows):
        if test == MCNEMAR:
            return kind.right(rows, 0.5).astype(float)
        return kind.values(rows, about.name)

    a, b = (np.array([values(pair[side]) for pair in pairs]) for side in (0, 1))
    known = np.isfinite(a).all(0) & np.isfinite(b).all(0)
    if not known.any():
        return None
    a, b = a[:, known], b[:, known]
    width = about.high - about.low
    found = pairing.paired(
        a.mean(0),
        b.mean(0),
        patients[known],
        seed,
        about.lower_is_better,
        (-width, width),
    )
    low, high = found["difference_ci95"]
    return {
        "difference": found["difference"],
        "low": low,
        "high": high,
        "p": found["p_patients"],
        "each": a.mean(1) - b.mean(1),
    }


def _of_rankings(kind, metric, pairs, patients, seed):
    function = getattr(ranking_tests, metric)
    positive, ours, theirs = [], [], []
    for a, b in pairs:
        classes, scores = kind.rankings(a)
        _, others = kind.rankings(b)
        positive.append(classes)
        ours.append(scores)
        theirs.append(others)
    if positive[0].all(1).any() or not positive[0].any(1).all():
        return None
    # A repeat is as another class here: the mean is over all of them.
    a, b, test = ranking_tests.exchange_test(
        function,
        np.concatenate(positive),
        np.concatenate(ours),
        np.concatenate(theirs),
        patients,
        seed,
    )
    low, high = pairing.within(test, (-1.0, 1.0))

    def mean(classes, scores):
        rows = zip(classes, scores, strict=True)
        return np.mean([function(row, given) for row, given in rows])

    each = [
        mean(classes, mine) - mean(classes, other)
        for classes, mine, other in zip(positive, ours, theirs, strict=True)
    ]
    return {
        "difference": a - b,
        "low": low,
        "high": high,
        "p": test.p,
        "each": each,
    }


def with_holm(table: pd.DataFrame) -> pd.DataFrame:
    """The differences with adjusted p-values (Holm 1979).

    A family are the candidates and numbers of patients of one metric of one
    task on one test set. Metrics of one task say nearly the same, and what
    another test set asks is another question.
    """
    if table.empty:
        return table

    def adjusted(p):
        return multitest.multipletests(p, method="holm")[1]

    families = table.groupby(["data", "task", "metric"])["p"]
    return table.assign(p_holm=families.transform(adjusted))


def reached(
    summary: pd.DataFrame, baseline: str, headlines: Mapping[str, str]
) -> pd.DataFrame:
    """How many labels do what the baseline needs its largest number for.

    Means over the repeats, interpolated between two sizes on the logarithm of
    their number; of a curve that crosses several times, the first.

    Args:
        summary: Data frame with `KEY` and "mean".
        baseline: A candidate.
        headlines: {task: metric}.

    Returns:
        Data frame: candidate, data, task, metric, baseline_patients, target,
        patients (nan where not reached), words.
    """
    rows = []
    for (data, task, metric), part in summary.groupby(
        ["data", "task", "metric"], sort=False
    ):
        if headlines.get(task) != metric:
            continue
        theirs = part[part["candidate"] == baseline].sort_values("patients")
        if theirs.empty:
            continue
        most, target = theirs[["patients", "mean"]].iloc[-1]
        lower = catalogue.metric(metric).lower_is_better
        for name in part["candidate"].unique():
            curve = part[part["candidate"] == name].sort_values("patients")
            if name == baseline:
                continue
            found, words = crossing(
                curve["patients"], curve["mean"], target, lower
            )
            rows.append(
                {
                    "candidate": name,
                    "data": data,
                    "task": task,
                    "metric": metric,
                    "baseline_patients": int(most),
                    "target": target,
                    "patients": found,
                    "words": words,
                }
            )
    return pd.DataFrame(rows)


def crossing(
    sizes: Iterable[float],
    values: Iterable[float],
    target: float,
    lower_is_better: bool = False,
) -> tuple[float, str]:
    """Where a curve first reaches a target, and in words.

    Args:
        sizes: Increasing numbers of patients.
        values: One per size.
        target: What is to be reached.
        lower_is_better: Whether less is better.
    """
    x: NDArray = np.log(np.asarray(list(sizes), float))
    y = np.asarray(list(values), float)
    if lower_is_better:
        y, target = -y, -target
    good = np.flatnonzero(y >= target)
    if not len(good):
        return np.nan, NEVER
    first = int(good[0])
    if first == 0:
        return float(np.exp(x[0])), AT_ONCE
    share = (target - y[first - 1]) / (y[first] - y[first - 1])
    place = float(np.exp(x[first - 1] + share * (x[first] - x[first - 1])))
    return place, f"{place:.0f}"
