"""One number for several tasks: how much better than a baseline.

Metrics of different tasks cannot be averaged, their relative differences can:

    Delta m = 100 % / T  sum_i  (-1)^l_i (M_i - B_i) / B_i

with M_i and B_i the metric of task i of a model and of the baseline, usually
one network per task, and l_i = 1 where lower is better (Maninis, Radosavovic &
Kokkinos 2019, "Attentive Single-Tasking of Multiple Tasks", Equation 4;
Vandenhende et al. 2021, Section 4.1). A Delta m hides which task gained: the
tasks' own differences, and their tests, are to be shown beside it.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep import tasks
from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.evaluation import bootstrap, comparison, table_metrics
from umsrep.evaluation.folder import Evaluation
from umsrep.evaluation.pairing import aligned
from umsrep.evaluation.patients import People
from umsrep.metrics import catalogue
from umsrep.tasks.base import RANKING

Function = Callable[[NDArray | None], NDArray]


@dataclass(frozen=True)
class TaskImprovement:
    """A task's part of a Delta m.

    Attributes:
        task, metric: Names.
        value, baseline: The metric, means over repeats.
        percent: The relative difference, positive where it is better; nan
            where the baseline is not above 0.
    """

    task: str
    metric: str
    value: float
    baseline: float
    percent: float


@dataclass(frozen=True)
class RelativeImprovement:
    """A Delta m and its parts.

    Attributes:
        percent: The mean of the tasks' `percent`; nan where one is nan.
        ci95: Its 95 % interval, a BCa bootstrap of patients (Efron 1987), the
            same ones of both sides and of all tasks; nan where there is none.
        tasks: A `TaskImprovement` of each.
        images, patients: Numbers with a reference of any of the tasks.
        note: What the interval rests on, where that is little.
        remarks: Why there is no number, in words.
        name, baseline: What is compared with what.
    """

    percent: float
    ci95: tuple[float, float]
    tasks: tuple[TaskImprovement, ...]
    images: int
    patients: int
    note: str = ""
    remarks: tuple[str, ...] = ()
    name: str = "A"
    baseline: str = "B"


def headline(spec: TaskSpec) -> str:
    """The metric that stands for a task among several.

    That of the ranking, where there is one: a threshold is chosen on few
    images, and its accuracy tells less than the order of images.
    """
    kind = tasks.of(spec)
    ranked = [test.column for test in kind.paired if test.test == RANKING]
    return ranked[0] if ranked else kind.main


def relative_improvement(
    ours: pd.DataFrame | Sequence[pd.DataFrame],
    baseline: pd.DataFrame | Sequence[pd.DataFrame],
    specs: Iterable[TaskSpec],
    resamples: int = 1000,
    seed: int = 0,
) -> RelativeImprovement:
    """Delta m of one model, or of repeats of its training, over a baseline.

    Of repeats, each is compared with the baseline's of the same number, and
    Delta m is the mean; all see the same test images.

    Args:
        ours, baseline: Data frames with the columns of predictions.csv, or as
            many repeats of each.
        specs: `TaskSpec`s that both have, at least two with a labelled image.
        resamples: Resamples of patients; 0 for no interval.
        seed: Seed of the resamples.

    Raises:
        UmsrepError: fewer than two tasks, or tables of different images.
    """
    sides = [
        [side] if isinstance(side, pd.DataFrame) else list(side)
        for side in (ours, baseline)
    ]
    pairs = list(zip(*sides, strict=True))
    known = [s for s in specs if _labelled(pairs[0], s)]
    if len(known) < 2:
        raise UmsrepError(
            f"Delta m of {len(known)} task(s) with labelled images: expected "
            "at least two; of one, its own metric says it. Compare "
            "evaluations that share several tasks."
        )
    rows = {spec: [aligned(a, b, spec) for a, b in pairs] for spec in known}
    images, people = _images(rows.values())
    parts = {s: _Part(s, found, images) for s, found in rows.items()}

    def delta(weights: NDArray | None) -> NDArray:
        return np.mean([p.percent(weights) for p in parts.values()], axis=0)

    found = tuple(part.improvement() for part in parts.values())
    remarks = [part.remark() for part in parts.values()]
    percent = float(np.mean([each.percent for each in found]))
    ends = (np.nan, np.nan)
    if resamples and np.isfinite(percent):
        ends = bootstrap.bca(delta, people, resamples, seed)
    return RelativeImprovement(
        percent=percent,
        ci95=ends,
        tasks=found,
        images=len(images),
        patients=len(set(people)),
        note=People(people, len(people), 0.95).note(),
        remarks=tuple(filter(None, remarks)),
    )


def improvements(
    evaluations: Mapping[str, Evaluation], resamples: int = 1000, seed: int = 0
) -> list[RelativeImprovement]:
    """Delta m of every pair that shares several tasks; the later is the base.

    Args:
        evaluations: {name: evaluation}.
        resamples, seed: As of `relative_improvement`.
    """
    found = []
    for (name, a), (other, b) in itertools.combinations(evaluations.items(), 2):
        if a.predictions is None or b.predictions is None:
            continue
        pair = a.predictions, b.predictions
        shared = {t.name for t in a.tasks} & {t.name for t in b.tasks}
        if len(shared) < 2:
            continue
        specs = comparison.common_tasks(a, b)
        if sum(_labelled(pair, spec) for spec in specs) < 2:
            continue
        one = relative_improvement(*pair, specs, resamples, seed)
        found.append(replace(one, name=name, baseline=other))
    return found


def _labelled(pair: Sequence[pd.DataFrame], spec: TaskSpec) -> bool:
    return any(not table_metrics.labelled(t, spec).empty for t in pair)


def _images(
    rows: Iterable[Sequence[tuple[pd.DataFrame, pd.DataFrame]]],
) -> tuple[dict[str, int], list[str]]:
    """({image: its place}, patient of each) of all tasks together."""
    people: dict[str, str] = {}
    for pairs in rows:
        first = pairs[0][0]
        patients = table_metrics.patients_of(first)
        people |= dict(zip(first["image"], patients, strict=True))
    return {image: n for n, image in enumerate(people)}, list(people.values())


class _Part:
    """One task of a Delta m, for any weights of the images."""

    def __init__(
        self,
        spec: TaskSpec,
        pairs: Sequence[tuple[pd.DataFrame, pd.DataFrame]],
        images: Mapping[str, int],
    ) -> None:
        self.spec = spec
        self.metric = headline(spec)
        self.about = catalogue.metric(self.metric)
        kind = tasks.of(spec)
        # Every repeat in the order of images of the first.
        order = pairs[0][0].index
        self.places = np.array([images[image] for image in order])
        self.functions = [
            tuple(kind.statistics(side.loc[order]) for side in pair)
            for pair in pairs
        ]

    def _values(self, weights: NDArray | None) -> tuple[NDArray, NDArray]:
        """(repeats, ...) of ours and of the baseline."""
        chosen = None if weights is None else weights[:, self.places]
        sides = [
            np.array([pair[s](chosen)[self.metric] for pair in self.functions])
            for s in (0, 1)
        ]
        return sides[0].astype(float), sides[1].astype(float)

    def percent(self, weights: NDArray | None) -> NDArray:
        """The relative difference, a mean over repeats."""
        ours, base = self._values(weights)
        sign = -1 if self.about.lower_is_better else 1
        base = np.where(base > 0, base, np.nan)
        return 100 * sign * ((ours - base) / base).mean(axis=0)

    def improvement(self) -> TaskImprovement:
        ours, base = self._values(None)
        return TaskImprovement(
            self.spec.name,
            self.metric,
            float(ours.mean()),
            float(base.mean()),
            float(self.percent(None)),
        )

    def remark(self) -> str:
        ours, base = self._values(None)
        if not np.isfinite([ours, base]).all():
            return (
                f"{self.spec.name}: no {self.about.words} on these images, so "
                "no Delta m."
            )
        if (base > 0).all():
            return ""
        return (
            f"{self.spec.name}: the baseline's {self.about.words} is "
            f"{base.min():.3g}; a relative difference needs one above 0, so "
            "there is no Delta m."
        )
