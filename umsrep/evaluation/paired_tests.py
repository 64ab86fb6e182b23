"""The paired tests: two tables, one task, one metric each.

`comparison` chooses those that suit a task and explains the two p-values.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats import contingency_tables

from umsrep import tasks
from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.evaluation import ranking_tests, table_metrics
from umsrep.evaluation.pairing import aligned, paired, within
from umsrep.evaluation.patients import People
from umsrep.metrics import catalogue
from umsrep.tasks import columns
from umsrep.tasks.base import WILCOXON

# Below this number of discordant images the chi-squared form is too rough.
EXACT_BELOW = 25
SIGN_FLIPS = "sign flips"


@dataclass(frozen=True)
class PairedTest:
    """One test of A against B on one task.

    Attributes:
        name_a, name_b: What is compared, such as two strategies.
        task: The task's name.
        test: Name of the test by image, with its form.
        metric: What `a` and `b` are the means of.
        a, b: The metric of A and of B.
        difference, difference_ci95: a - b with the interval [low, high] of
            differences that the test by patient does not reject; infinite or
            the metric's range where it can reject none, as of five patients.
        images, patients: Numbers compared.
        a_better, b_better: Discordant images: right in A only, in B only;
            for Wilcoxon, better in A, in B; None for a ranking.
        p: Two-sided p-value; takes images as independent. For the record.
        p_holm: p adjusted by Holm (1979) for all tests made together.
        p_patients: Two-sided p-value of the same difference that takes
            patients as independent: A and B are exchanged for all images of a
            patient together (a permutation test). The one to go by.
        p_patients_holm: The same, adjusted as `p_holm`.
        note: What limits the comparison, such as "12 patients".
        test_patients: Name of the test by patient. With one image each, that
            of right and wrong is McNemar's exact test.
    """

    task: str
    test: str
    metric: str
    a: float
    b: float
    difference: float
    difference_ci95: tuple[float, float]
    images: int
    patients: int
    a_better: int | None
    b_better: int | None
    p: float
    p_holm: float
    p_patients: float
    p_patients_holm: float
    test_patients: str = SIGN_FLIPS
    note: str = ""
    name_a: str = "A"
    name_b: str = "B"


def mcnemar(
    table_a: pd.DataFrame,
    table_b: pd.DataFrame,
    task: TaskSpec,
    dice_threshold: float = 0.95,
    seed: int = 0,
) -> PairedTest:
    """McNemar's test, exact with fewer than 25 discordant images.

    With more, the chi-squared form with continuity correction.

    Args:
        table_a, table_b: Data frames with the columns of predictions.csv.
        task: A `TaskSpec`. A label is right or wrong; a mask is right when
            its Dice is at least `dice_threshold`.
        dice_threshold: In (0, 1]; mask tasks only.
        seed: Seed of random signs.

    Returns:
        A `PairedTest` with `p_holm` equal to `p`.

    Raises:
        UmsrepError: the tables hold different images or different references.
    """
    rows_a, rows_b = aligned(table_a, table_b, task)
    kind = tasks.of(task)
    right_a, right_b = (
        kind.right(rows, dice_threshold) for rows in (rows_a, rows_b)
    )
    counts = np.zeros((2, 2), int)
    np.add.at(counts, (right_a.astype(int), right_b.astype(int)), 1)
    discordant = counts[0, 1] + counts[1, 0]
    exact = discordant < EXACT_BELOW
    p = 1.0
    if discordant:
        p = contingency_tables.mcnemar(
            counts, exact=bool(exact), correction=True
        ).pvalue
    form = "exact" if exact else "chi-squared"
    return PairedTest(
        task=task.name,
        test=f"McNemar ({form})",
        metric=kind.right_in_words(dice_threshold),
        p=float(p),
        p_holm=float(p),
        **paired(
            right_a,
            right_b,
            table_metrics.patients_of(rows_a),
            seed,
            bounds=(-1.0, 1.0),
        ),
    )


def wilcoxon(
    table_a: pd.DataFrame,
    table_b: pd.DataFrame,
    task: TaskSpec,
    seed: int = 0,
    column: str | None = None,
) -> PairedTest:
    """Wilcoxon signed-rank test of a task's per-image values.

    Equal values are left out (Wilcoxon's own rule); p is 1 if all are equal.
    Arguments, result and errors as for `mcnemar`.

    Args:
        column: A per-image metric of the task's kind; None is the first that
            the kind compares so ("dice" of a mask, "kld" of a map).
    """
    kind = tasks.of(task)
    if column is None:
        column = next(t.column for t in kind.paired if t.test == WILCOXON)
    metric = catalogue.metric(column)
    rows_a, rows_b = aligned(table_a, table_b, task)
    rows_a, rows_b = _with_values(rows_a, rows_b, f"{task.name}_{column}")
    a, b = (kind.values(rows, column) for rows in (rows_a, rows_b))
    width = metric.high - metric.low
    p = stats.wilcoxon(a, b).pvalue if np.any(a != b) else 1.0
    return PairedTest(
        task=task.name,
        test="Wilcoxon signed-rank",
        metric=f"mean {metric.words}",
        p=float(p),
        p_holm=float(p),
        **paired(
            a,
            b,
            table_metrics.patients_of(rows_a),
            seed,
            metric.lower_is_better,
            bounds=(-width, width),
        ),
    )


def ranking(
    table_a: pd.DataFrame,
    table_b: pd.DataFrame,
    task: TaskSpec,
    metric: str = "auc",
    at: float | None = None,
    seed: int = 0,
) -> PairedTest:
    """A test of AUC, average precision, or one rate at a given other.

    By exchanging ranks, see `ranking_tests`. With more than two classes, the
    mean over the classes, each against the rest.

    Args:
        table_a, table_b: Data frames with the columns of predictions.csv.
        task: A `TaskSpec` of a label.
        metric: "auc", "average_precision", "sensitivity" (at a specificity of
            at least `at`) or "specificity" (at a sensitivity of at least
            `at`).
        at: The given rate, above 0 and at most 1.
        seed: Seed of the exchanges.

    Raises:
        UmsrepError: as `mcnemar`; a class without images; an unknown metric,
            or one without the rate that it needs.
    """
    function, words = _ranking(metric, at)
    rows_a, rows_b = aligned(table_a, table_b, task)
    kind = tasks.of(task)
    positive, scores_a = kind.rankings(rows_a)
    _, scores_b = kind.rankings(rows_b)
    patients = table_metrics.patients_of(rows_a)
    a, b, by_patient = ranking_tests.exchange_test(
        function, positive, scores_a, scores_b, patients, seed
    )
    by_image = by_patient
    if len(set(patients)) < len(patients):
        *_, by_image = ranking_tests.exchange_test(
            function, positive, scores_a, scores_b, range(len(patients)), seed
        )
    if len(positive) > 1:
        words += " (mean of each class against the rest)"
    return PairedTest(
        task=task.name,
        test="exchanged ranks",
        test_patients="exchanged ranks",
        note=People(patients, len(patients), 0.95).note(
            positive.argmax(0) if len(positive) > 1 else positive[0]
        ),
        metric=words,
        a=a,
        b=b,
        difference=a - b,
        difference_ci95=within(by_patient, (-1.0, 1.0)),
        images=len(patients),
        patients=len(set(patients)),
        a_better=None,
        b_better=None,
        p=by_image.p,
        p_holm=by_image.p,
        p_patients=by_patient.p,
        p_patients_holm=by_patient.p,
    )


def _ranking(
    metric: str, at: float | None
) -> tuple[ranking_tests.Ranking, str]:
    if metric in ("auc", "average_precision"):
        return getattr(ranking_tests, metric), catalogue.metric(metric).words
    others = {"sensitivity": "specificity", "specificity": "sensitivity"}
    if metric not in others or at is None:
        raise UmsrepError(
            f"Cannot rank by {metric!r} at {at}. Choose auc or "
            "average_precision, or sensitivity or specificity with the rate "
            "of the other, such as at=0.9."
        )
    function = getattr(ranking_tests, f"{metric}_at")(at)
    return function, f"{metric} at {others[metric]} {at:g}"


def _with_values(
    rows_a: pd.DataFrame, rows_b: pd.DataFrame, column: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows in which both have the column: not all have fixations."""
    if column not in rows_a or column not in rows_b:
        return rows_a, rows_b
    known = columns.filled(rows_a[column]) & columns.filled(rows_b[column])
    return rows_a[known], rows_b[known]
