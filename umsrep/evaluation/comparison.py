"""Paired tests between two evaluations of the same images.

McNemar's test asks whether one of two classifiers is right more often on the
same images (Zamzmi et al. 2021 use it with p < 0.05). For masks there is no
pixel-level test here: the pixels of one image are not independent, and a test
that treats a million of them so finds everything significant. A mask counts
as right when its Dice reaches a threshold; a Wilcoxon signed-rank test
compares the Dice values themselves.

Both tests take images as independent. Where patients have several images, the
interval of the difference (a bootstrap over patients) is the safer reading.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats import contingency_tables, multitest

from umsrep import tasks
from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.evaluation import table_metrics
from umsrep.evaluation.folder import Evaluation
from umsrep.evaluation.pairing import aligned, paired
from umsrep.metrics import catalogue
from umsrep.tasks.base import MCNEMAR, WILCOXON

# Below this number of discordant images the chi-squared form is too rough.
EXACT_BELOW = 25


@dataclass(frozen=True)
class PairedTest:
    """One test of A against B on one task.

    Attributes:
        task: The task's name.
        test: Name of the test, with its form.
        metric: What `a` and `b` are the means of.
        a, b: The metric of A and of B.
        difference, difference_ci95: a - b with its patient-clustered
            bootstrap interval [low, high].
        images, patients: Numbers compared.
        a_better, b_better: Discordant images: right in A only, in B only;
            for Wilcoxon, of higher Dice in A, in B.
        p: Two-sided p-value; takes images as independent.
        p_holm: p adjusted by Holm (1979) for all tests made together.
        p_patients: Two-sided p-value of the same difference that takes
            patients as independent: A and B are exchanged for all images of a
            patient together (a sign-flip permutation test). Where patients
            have several images, this is the one to go by.
        p_patients_holm: The same, adjusted as `p_holm`.
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
    a_better: int
    b_better: int
    p: float
    p_holm: float
    p_patients: float
    p_patients_holm: float


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
        seed: Seed of the interval's bootstrap.

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
        **paired(right_a, right_b, table_metrics.patients_of(rows_a), seed),
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
    a, b = (kind.values(rows, column) for rows in (rows_a, rows_b))
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
        ),
    )


def compare(
    table_a: pd.DataFrame,
    table_b: pd.DataFrame,
    specs: Iterable[TaskSpec],
    dice_threshold: float = 0.95,
    seed: int = 0,
) -> list[PairedTest]:
    """`paired_tests` with p-values adjusted for all of them together."""
    return holm(paired_tests(table_a, table_b, specs, dice_threshold, seed))


def paired_tests(
    table_a: pd.DataFrame,
    table_b: pd.DataFrame,
    specs: Iterable[TaskSpec],
    dice_threshold: float = 0.95,
    seed: int = 0,
) -> list[PairedTest]:
    """Every test of every task, not adjusted.

    Args:
        table_a, table_b: Data frames with the columns of predictions.csv.
        specs: `TaskSpec`s that both tables have.
        dice_threshold: See `mcnemar`.
        seed: Seed of the intervals' bootstrap.

    Returns:
        A list of `PairedTest`: those that suit each task's kind
        (`TaskKind.paired`). A task with no labelled image is left out.
    """
    tests = []
    for task in specs:
        if table_metrics.labelled(table_a, task).empty and (
            table_metrics.labelled(table_b, task).empty
        ):
            continue
        for suited in tasks.get(task.kind).paired:
            tests.append(
                mcnemar(table_a, table_b, task, dice_threshold, seed)
                if suited.test == MCNEMAR
                else wilcoxon(table_a, table_b, task, seed, suited.column)
            )
    return tests


def holm(tests: Sequence[PairedTest]) -> list[PairedTest]:
    """The tests with p-values adjusted for all of them together."""
    if not tests:
        return []
    by_image, by_patient = (
        multitest.multipletests(values, method="holm")[1]
        for values in ([t.p for t in tests], [t.p_patients for t in tests])
    )
    return [
        replace(test, p_holm=float(p), p_patients_holm=float(p_patients))
        for test, p, p_patients in zip(tests, by_image, by_patient, strict=True)
    ]


def to_frame(tests: Iterable[PairedTest]) -> pd.DataFrame:
    """One row per test, the columns of `PairedTest`."""
    return pd.DataFrame([asdict(test) for test in tests])


def common_tasks(
    evaluation_a: Evaluation, evaluation_b: Evaluation
) -> list[TaskSpec]:
    """The tasks that two evaluation folders share.

    Raises:
        UmsrepError: they share none, or one differs in kind or classes.
    """
    others = {task.name: task for task in evaluation_b.tasks}
    common = [task for task in evaluation_a.tasks if task.name in others]
    if not common:
        names = [
            ", ".join(task.name for task in evaluation.tasks) or "none"
            for evaluation in (evaluation_a, evaluation_b)
        ]
        raise UmsrepError(
            f"{evaluation_a.path} and {evaluation_b.path} share no task "
            f"(they have {names[0]} and {names[1]}). Compare evaluations of "
            "the same tasks."
        )
    for task in common:
        if task != others[task.name]:
            raise UmsrepError(
                f"Task '{task.name}' differs between {evaluation_a.path} "
                f"({tasks.of(task).words()}) and {evaluation_b.path} "
                f"({tasks.of(others[task.name]).words()}). "
                "Evaluate both runs on the same prepared data."
            )
    return common
