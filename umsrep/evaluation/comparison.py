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

from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats import contingency_tables, multitest

from umsrep.errors import UmsrepError
from umsrep.evaluation import table_metrics
from umsrep.evaluation.bootstrap import bootstrap_intervals

# Columns that Wilcoxon's test compares, by kind of task.
WILCOXON = {"mask": ("dice",), "map": ("kld", "cc")}
NAMES = {"dice": "Dice", "kld": "KLD", "cc": "CC"}
LOWER_IS_BETTER = ("kld",)
# Below this number of discordant images the chi-squared form is too rough.
EXACT_BELOW = 25
# Random signs of a test by patient.
FLIPS = 9999


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


def mcnemar(table_a, table_b, task, dice_threshold=0.95, seed=0):
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
    rows_a, rows_b = _aligned(table_a, table_b, task)
    if task.kind == "label":
        metric = "accuracy"
        right_a, right_b = (_right(rows, task) for rows in (rows_a, rows_b))
    else:
        _check_threshold(dice_threshold)
        metric = f"share with Dice >= {dice_threshold:g}"
        right_a, right_b = (
            table_metrics.pixel_values(rows, task) >= dice_threshold
            for rows in (rows_a, rows_b)
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
        metric=metric,
        p=float(p),
        p_holm=float(p),
        **_paired(right_a, right_b, table_metrics.patients_of(rows_a), seed),
    )


def wilcoxon(table_a, table_b, task, seed=0, column=None):
    """Wilcoxon signed-rank test of a mask or map task's per-image values.

    Equal values are left out (Wilcoxon's own rule); p is 1 if all are equal.
    Arguments, result and errors as for `mcnemar`.

    Args:
        column: "dice" of a mask (the default), "kld" of a map (the default),
            or another column of `table_metrics.COLUMNS`.
    """
    column = column or table_metrics.COLUMNS[task.kind][0]
    rows_a, rows_b = _aligned(table_a, table_b, task)
    a, b = (
        table_metrics.pixel_values(rows, task, column)
        for rows in (rows_a, rows_b)
    )
    p = stats.wilcoxon(a, b).pvalue if np.any(a != b) else 1.0
    return PairedTest(
        task=task.name,
        test="Wilcoxon signed-rank",
        metric=f"mean {NAMES.get(column, column)}",
        p=float(p),
        p_holm=float(p),
        **_paired(
            *(a, b, table_metrics.patients_of(rows_a), seed),
            lower_is_better=column in LOWER_IS_BETTER,
        ),
    )


def compare(table_a, table_b, tasks, dice_threshold=0.95, seed=0):
    """`paired_tests` with p-values adjusted for all of them together."""
    return holm(paired_tests(table_a, table_b, tasks, dice_threshold, seed))


def paired_tests(table_a, table_b, tasks, dice_threshold=0.95, seed=0):
    """Every test of every task, not adjusted.

    Args:
        table_a, table_b: Data frames with the columns of predictions.csv.
        tasks: `TaskSpec`s that both tables have.
        dice_threshold: See `mcnemar`.
        seed: Seed of the intervals' bootstrap.

    Returns:
        A list of `PairedTest`: McNemar for a label or mask task, Wilcoxon for
        a mask task (Dice) and a map task (KLD, CC). A task with no labelled
        image is left out.
    """
    tests = []
    for task in tasks:
        if table_metrics.labelled(table_a, task).empty and (
            table_metrics.labelled(table_b, task).empty
        ):
            continue
        if task.kind != "map":
            tests.append(mcnemar(table_a, table_b, task, dice_threshold, seed))
        for column in WILCOXON.get(task.kind, ()):
            tests.append(wilcoxon(table_a, table_b, task, seed, column))
    return tests


def holm(tests):
    """The tests with p-values adjusted for all of them together."""
    if not tests:
        return []
    by_image, by_patient = (
        multitest.multipletests(values, method="holm")[1]
        for values in ([t.p for t in tests], [t.p_patients for t in tests])
    )
    return [
        replace(test, p_holm=float(one), p_patients_holm=float(other))
        for test, one, other in zip(tests, by_image, by_patient, strict=True)
    ]


def to_frame(tests):
    """One row per test, the columns of `PairedTest`."""
    return pd.DataFrame([asdict(test) for test in tests])


def common_tasks(evaluation_a, evaluation_b):
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
                f"({task.kind} {task.classes}) and {evaluation_b.path} "
                f"({others[task.name].kind} {others[task.name].classes}). "
                "Evaluate both runs on the same prepared data."
            )
    return common


def _aligned(table_a, table_b, task):
    """Labelled rows of both, in the same order of images."""
    rows_a, rows_b = (
        table_metrics.labelled(table, task).set_index("image", drop=False)
        for table in (table_a, table_b)
    )
    for one, other, name in ((rows_a, rows_b, "B"), (rows_b, rows_a, "A")):
        missing = one.index.difference(other.index)
        if len(missing):
            raise UmsrepError(
                f"Task '{task.name}': {len(missing)} labelled image(s) are "
                f"missing from {name}, among them "
                f"{', '.join(map(str, missing[:3]))}. A paired test needs "
                "the same images; evaluate both runs on the same data and "
                "split."
            )
    if rows_a.empty:
        raise UmsrepError(
            f"Task '{task.name}' has no labelled image to compare. Evaluate "
            "on data that has this task's labels."
        )
    rows_b = rows_b.loc[rows_a.index]
    if task.kind == "label":
        column = f"{task.name}_true"
        differs = rows_a[column].astype(str) != rows_b[column].astype(str)
        if differs.any():
            raise UmsrepError(
                f"Task '{task.name}': the true class of image "
                f"'{differs.idxmax()}' differs between A and B. Evaluate "
                "both runs on the same prepared data."
            )
    return rows_a, rows_b


def _paired(a, b, patients, seed, lower_is_better=False):
    """What both tests report of the paired values `a` and `b`."""
    a, b = np.asarray(a, float), np.asarray(b, float)

    def mean(weights):
        return {"difference": weights @ (a - b) / weights.sum(-1)}

    interval = bootstrap_intervals(mean, patients, seed=seed)["difference"]
    sums = pd.Series(a - b).groupby(np.asarray(patients)).sum().to_numpy()
    p = sign_flips(sums, seed)
    return {
        "a": a.mean().item(),
        "b": b.mean().item(),
        "difference": (a - b).mean().item(),
        "difference_ci95": (interval.low, interval.high),
        "images": len(a),
        "patients": len(set(patients)),
        "p_patients": p,
        "p_patients_holm": p,
        "a_better": int(((a < b) if lower_is_better else (a > b)).sum()),
        "b_better": int(((b < a) if lower_is_better else (b > a)).sum()),
    }


def sign_flips(sums, seed=0):
    """Two-sided p-value of a sum of independent, symmetric parts.

    Where A and B do not differ, the sum of a patient's differences is as
    likely with the other sign.

    Args:
        sums: (patients,) sums of differences.
        seed: Of the random signs, where there are too many to try all.
    """
    # Those of no difference change nothing.
    sums = np.asarray(sums, float)
    sums = sums[sums != 0]
    if len(sums) < 2:
        return 1.0

    def total(values, others, axis):
        return np.sum(values - others, axis=axis)

    # Exchanging a value with 0 changes the sign of the difference.
    return float(
        stats.permutation_test(
            (sums, np.zeros_like(sums)),
            total,
            permutation_type="samples",
            vectorized=True,
            n_resamples=FLIPS,
            batch=1000,
            rng=np.random.default_rng(seed),
        ).pvalue
    )


def _right(rows, task):
    true, predicted, _ = table_metrics.label_arrays(rows, task)
    return true == predicted


def _check_threshold(dice_threshold):
    if not 0 < dice_threshold <= 1:
        raise UmsrepError(
            f"Got a Dice threshold of {dice_threshold}. Choose one above 0 "
            "and at most 1, for example 0.95."
        )
