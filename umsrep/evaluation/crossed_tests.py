"""Whether A and B differ for other patients and for other trainings.

Both are samples, and crossed: each training (repeat) of A and of B is tested
on the same patients. A test over repeats alone (Mann-Whitney) takes the
patients as given, and of five against five it cannot say less than p 0.008; a
test by patient takes the trainings as given.

That is the question of several readers and several cases, with trainings in
the place of readers, and its usual answer serves here (Dorfman, Berbaum and
Metz 1992, as in Hillis, Berbaum and Metz 2008): a metric's jackknife
pseudo-values of every patient and repeat, and an analysis of variance of the
differences d of A's and B's with both as random effects,

    Var(mean d) = (MS_R + max(MS_P - MS_RP, 0)) / (R P)

with the mean squares of R repeats, of P patients, and of what is left. Its
degrees of freedom are Satterthwaite's of both terms; Hillis (2007) leaves that
of patients out, which rejects too often of 20 patients or fewer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from umsrep import tasks
from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.evaluation import bootstrap, table_metrics
from umsrep.evaluation.patients import codes
from umsrep.tasks import columns

Floats = NDArray[np.float64]
# As `TaskKind.statistics` gives: weights (some, images) to {metric: (some,)}.
Statistics = Callable[[NDArray | None], dict[str, Any]]


@dataclass(frozen=True)
class Crossed:
    """A difference, for patients and trainings alike.

    Attributes:
        difference: Mean over the repeats of A's metric less B's.
        low, high: Its 95 % interval.
        p: Two-sided p-value; nan where nothing varies, so that there is no
            error to compare a difference with.
        repeats, patients: Numbers compared.
    """

    difference: float
    low: float
    high: float
    p: float
    repeats: int
    patients: int


@dataclass(frozen=True)
class Measured:
    """One training's metrics on its test images, all and by patient.

    Attributes:
        images: Names of the images, sorted.
        values: {metric: value}.
        pseudo_values: {metric: (patients,)}: P m - (P - 1) m_i, with the metric
            m_i without patient i; of a mean of one image each, its values.
    """

    images: tuple[str, ...]
    values: dict[str, float]
    pseudo_values: dict[str, Floats]


def of_predictions(table: pd.DataFrame, task: TaskSpec) -> Measured:
    """Of predictions.csv: every metric of a task.

    Args:
        table: Data frame with the columns of predictions.csv.
        task: A `TaskSpec`.

    Raises:
        UmsrepError: no image with a reference.
    """
    rows = table_metrics.labelled(table, task).sort_values("image")
    if rows.empty:
        raise UmsrepError(
            f"Task '{task.name}' has no labelled image to compare. Evaluate "
            "on data that has this task's labels."
        )
    return _measured(rows, tasks.of(task).statistics(rows))


def of_values(table: pd.DataFrame, metrics: Sequence[str]) -> Measured:
    """Of a table of values per image: their means.

    Args:
        table: image, patient, and a column of numbers per metric, nan where
            an image has none.
        metrics: Names of columns.
    """
    rows = table.sort_values("image")
    found = {name: rows[name].to_numpy(float) for name in metrics}

    def statistics(weights: NDArray | None) -> dict[str, Any]:
        if weights is None:
            weights = np.ones(len(rows))
        return {name: columns.mean(x, weights) for name, x in found.items()}

    return _measured(rows, statistics)


def crossed_test(
    ours: Sequence[Measured],
    theirs: Sequence[Measured],
    metric: str,
    level: float = 0.95,
) -> Crossed | None:
    """The test of one metric.

    Args:
        ours, theirs: Repeats of A and as many of B, of the same images. The
            repeats of one number may share a seed.
        metric: Its name.
        level: Coverage of the interval.

    Returns:
        None where a training has no such metric, or has it only with all of
        its patients (as a class of a single one), and with fewer than two
        patients.

    Raises:
        UmsrepError: other images in one of them, or another number of repeats.
    """
    _check(ours, theirs)
    sides = [[m.pseudo_values.get(metric) for m in s] for s in (ours, theirs)]
    if any(values is None for side in sides for values in side):
        return None
    values = np.array(sides[0], float) - np.array(sides[1], float)
    found = [
        a.values[metric] - b.values[metric]
        for a, b in zip(ours, theirs, strict=True)
    ]
    if not np.isfinite(values).all() or values.shape[1] < 2:
        return None
    return analysed(values, found, level)


def analysed(
    values: ArrayLike, differences: ArrayLike, level: float = 0.95
) -> Crossed:
    """The analysis of variance of this module.

    Args:
        values: (repeats, patients) pseudo-values of the difference, at least
            two patients. Of one repeat the error is that of patients alone.
        differences: (repeats,) the difference of each repeat. The mean
            pseudo-value, which is freer of bias but noisier, is moved there.
        level: Coverage of the interval.
    """
    d, each = np.asarray(values, float), np.asarray(differences, float)
    repeats, patients = d.shape
    d = d - d.mean(axis=1, keepdims=True) + each[:, None]
    mean = float(each.mean())
    by_patient = d.mean(axis=0)
    of_patients = repeats * by_patient.var(ddof=1)
    parts = [(of_patients, patients - 1)]
    if repeats > 1:
        rest = d - by_patient - each[:, None] + mean
        rest_freedom = (repeats - 1) * (patients - 1)
        of_patients -= (rest**2).sum() / rest_freedom
        parts = [
            (max(of_patients, 0.0), patients - 1),
            (patients * each.var(ddof=1), repeats - 1),
        ]
    total = sum(part for part, _ in parts)
    # What rounding leaves of differences that are all the same.
    if total <= (1e-12 * max(abs(mean), 1e-12)) ** 2 * d.size:
        p = 1.0 if mean == 0 else np.nan
        return Crossed(mean, mean, mean, p, repeats, patients)
    freedom = total**2 / sum(part**2 / number for part, number in parts)
    error = float(np.sqrt(total / d.size))
    reach = float(stats.t.ppf((1 + level) / 2, freedom)) * error
    return Crossed(
        mean,
        mean - reach,
        mean + reach,
        float(2 * stats.t.sf(abs(mean) / error, freedom)),
        repeats,
        patients,
    )


def _measured(rows: pd.DataFrame, statistics: Statistics) -> Measured:
    values = {k: float(v) for k, v in statistics(None).items()}
    index = codes(table_metrics.patients_of(rows))
    count = int(index.max()) + 1
    names = list(values)

    def stacked(weights: NDArray) -> Floats:
        found: Mapping[str, Any] = statistics(weights)
        shape = len(weights)
        return np.stack(
            [np.broadcast_to(found[name], shape) for name in names], axis=-1
        )

    without = np.full((count, len(names)), np.nan)
    if count > 1:
        without = bootstrap.jackknife(stacked, index)
    return Measured(
        tuple(rows["image"].astype(str)),
        values,
        {
            name: count * values[name] - (count - 1) * without[:, number]
            for number, name in enumerate(names)
        },
    )


def _check(ours: Sequence[Measured], theirs: Sequence[Measured]) -> None:
    if len(ours) != len(theirs) or not ours:
        raise UmsrepError(
            f"Got {len(ours)} repeats of A and {len(theirs)} of B. Expected as "
            "many of both, at least one; leave out what has no counterpart."
        )
    for one in (*ours, *theirs):
        if one.images != ours[0].images:
            raise UmsrepError(
                f"A training was tested on {len(one.images)} images and "
                f"another on {len(ours[0].images)} or on others. Evaluate all "
                "of them on the same images."
            )
