"""Paired tests between evaluations of the same images.

McNemar's test asks whether one of two classifiers is right more often on the
same images (Zamzmi et al. 2021 use it with p < 0.05). For masks there is no
pixel-level test here: the pixels of one image are not independent, and a test
that treats a million of them so finds everything significant. A mask counts
as right when its Dice reaches a threshold; a Wilcoxon signed-rank test
compares the Dice values themselves.

Both take images as independent, which the images of one patient are not: with
several each, Wilcoxon's test finds a difference that is none in a third of the
cases at p < 0.05. So every comparison also has a p-value by patient, from
sign flips of the patients' differences or, for a metric of the ranking, from
exchanged ranks, and the interval of the difference holds what the same test
does not reject. It is the p-value to report; tables show no other.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import pandas as pd
from statsmodels.stats import multitest

from umsrep import tasks
from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.evaluation import table_metrics
from umsrep.evaluation.folder import Evaluation
from umsrep.evaluation.paired_tests import (
    PairedTest,
    mcnemar,
    ranking,
    wilcoxon,
)
from umsrep.evaluation.pairing import aligned
from umsrep.tasks import columns
from umsrep.tasks.base import MCNEMAR, RANKING


@dataclass(frozen=True)
class Asked:
    """What the tests are asked beyond their kinds' defaults.

    Attributes:
        dice_threshold: A mask counts as right from this Dice on, in (0, 1].
        at_specificity: Also test the sensitivity at this specificity.
        at_sensitivity: Also test the specificity at this sensitivity.
        seed: Seed of random signs and exchanges.
    """

    dice_threshold: float = 0.95
    at_specificity: float | None = None
    at_sensitivity: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("at_specificity", "at_sensitivity"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise UmsrepError(
                    f"{name}={value}: expected a rate above 0 and at most 1, "
                    "such as 0.9."
                )


def compare(
    table_a: pd.DataFrame,
    table_b: pd.DataFrame,
    specs: Iterable[TaskSpec],
    dice_threshold: float = 0.95,
    seed: int = 0,
) -> list[PairedTest]:
    """`paired_tests` with p-values adjusted for all of them together."""
    asked = Asked(dice_threshold=dice_threshold, seed=seed)
    return holm(paired_tests(table_a, table_b, specs, asked))


def compare_all(
    evaluations: Mapping[str, Evaluation],
    asked: Asked = Asked(),
    strict: bool = False,
) -> tuple[list[PairedTest], list[str]]:
    """Every pair of evaluations on the tasks they share, adjusted once.

    Args:
        evaluations: {name: evaluation}, at least two.
        asked: See `Asked`.
        strict: Raise for a pair that cannot be tested or shares no task.

    Returns:
        (tests, the pairs that cannot be tested with the reason).

    Raises:
        UmsrepError: a pair that cannot be tested, if `strict`.
    """
    tests, untested = [], []
    for (name_a, a), (name_b, b) in itertools.combinations(
        evaluations.items(), 2
    ):
        if a.predictions is None or b.predictions is None:
            continue
        shared = {t.name for t in a.tasks} & {t.name for t in b.tasks}
        if not (shared or strict):
            continue
        try:
            found = paired_tests(
                a.predictions, b.predictions, common_tasks(a, b), asked
            )
        except UmsrepError as error:
            if strict:
                raise
            reason = str(error)
            for folder, name in ((a.path, name_a), (b.path, name_b)):
                reason = reason.replace(str(folder), f"'{name}'")
            untested.append(f"{name_a} and {name_b}: {reason}")
            continue
        tests += [replace(t, name_a=name_a, name_b=name_b) for t in found]
    return holm(tests), untested


def paired_tests(
    table_a: pd.DataFrame,
    table_b: pd.DataFrame,
    specs: Iterable[TaskSpec],
    asked: Asked = Asked(),
) -> list[PairedTest]:
    """Every test of every task, not adjusted.

    Args:
        table_a, table_b: Data frames with the columns of predictions.csv.
        specs: `TaskSpec`s that both tables have.
        asked: See `Asked`.

    Returns:
        A list of `PairedTest`: those that suit each task's kind
        (`TaskKind.paired`). A task with no labelled image is left out, and a
        metric that no image of either table has.
    """
    return [
        test
        for task in specs
        if not _unlabelled(table_a, table_b, task)
        for test in _tests_of(table_a, table_b, task, asked)
    ]


def _unlabelled(
    table_a: pd.DataFrame, table_b: pd.DataFrame, task: TaskSpec
) -> bool:
    return (
        table_metrics.labelled(table_a, task).empty
        and table_metrics.labelled(table_b, task).empty
    )


def _tests_of(
    table_a: pd.DataFrame,
    table_b: pd.DataFrame,
    task: TaskSpec,
    asked: Asked,
) -> Iterator[PairedTest]:
    kind = tasks.of(task)
    tables = table_a, table_b
    ranked: list[tuple[str, float | None]] = []
    for suited in kind.paired:
        if suited.test == MCNEMAR:
            yield mcnemar(*tables, task, asked.dice_threshold, asked.seed)
        elif suited.test == RANKING:
            ranked.append((suited.column, None))
        elif _share(*tables, task, suited.column):
            yield wilcoxon(*tables, task, asked.seed, suited.column)
    if not ranked:
        return
    rows, _ = aligned(*tables, task)
    positive, _ = kind.rankings(rows)
    if positive.all(1).any() or not positive.any(1).all():
        # A class is missing: nothing to rank it against.
        return
    asked_for = (asked.at_specificity, asked.at_sensitivity)
    if len(positive) > 1 and asked_for != (None, None):
        raise UmsrepError(
            f"Task '{task.name}' has more than two classes; a rate at a given "
            "other needs two. Leave out --at-specificity and "
            "--at-sensitivity."
        )
    if len(positive) == 1:
        ranked += [
            (metric, at)
            for metric, at in (
                ("sensitivity", asked.at_specificity),
                ("specificity", asked.at_sensitivity),
            )
            if at is not None
        ]
    for metric, at in ranked:
        yield ranking(*tables, task, metric, at, asked.seed)


def _share(
    table_a: pd.DataFrame, table_b: pd.DataFrame, task: TaskSpec, column: str
) -> bool:
    """Whether any image has a value of the metric in both."""
    name = f"{task.name}_{column}"
    known = [
        set(table["image"][columns.filled(table[name])])
        for table in (table_a, table_b)
        if name in table
    ]
    return len(known) == 2 and bool(known[0] & known[1])


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
