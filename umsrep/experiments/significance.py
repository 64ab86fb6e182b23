"""Tests over repeated trainings."""

import functools

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats import multitest

from umsrep import tasks
from umsrep.evaluation import comparison, crossed_tests, table_metrics
from umsrep.experiments.repeats import folders

# Column of the sign flips by patient.
PATIENTS = "p by patient"


def mann_whitney(frame, pairs, metrics):
    """Mann-Whitney tests over repeats.

    Beside them a one-way analysis of variance, as in GG-CAM's paper, which
    assumes normal values of one spread.

    With 5 repeats each the smallest possible p is 0.008. A repeat is a
    training, not a patient: the test says whether training again would give
    the same order, not whether other patients would
    (`over_patients_and_trainings`).

    Args:
        frame: As returned by `repeats.run_repeats`.
        pairs: [(network, network)].
        metrics: [(task, metric)]; what a network does not have is left out.

    Returns:
        Data frame: a, b, task, metric, median_a, median_b, p, p_anova (nan
        where neither varies), p_holm (of p, over all rows). Values with fewer
        than 3 repeats each are left out.
    """

    def values(network, task, metric):
        part = frame[
            (frame["network"] == network)
            & (frame["task"] == task)
            & (frame["metric"] == metric)
        ]
        return part["value"].dropna().to_numpy(float)

    rows = []
    for pair in pairs:
        for task, metric in metrics:
            a, b = (values(name, task, metric) for name in pair)
            if min(len(a), len(b)) < 3:
                continue
            rows.append(
                {
                    "a": pair[0],
                    "b": pair[1],
                    "task": task,
                    "metric": metric,
                    "median_a": np.median(a),
                    "median_b": np.median(b),
                    "p": stats.mannwhitneyu(a, b).pvalue,
                    "p_anova": anova(a, b),
                }
            )
    table = pd.DataFrame(rows)
    if rows:
        table["p_holm"] = multitest.multipletests(table["p"], method="holm")[1]
    return table


def over_patients_and_trainings(measured, pairs, metrics, repeats):
    """Tests of each pair for other patients and for other trainings.

    See `crossed_tests`; five trainings each can show what `mann_whitney` of
    as many cannot.

    Args:
        measured: A function of (network, repeat, task), to what
            `crossed_tests.of_predictions` or `of_values` gives, or to None.
        pairs, metrics: As in `mann_whitney`; what a network does not have is
            left out, and so is a metric that it has only with all patients.
        repeats: How many there are; a single one has no test.

    Returns:
        Data frame: a, b, task, metric, mean_a, mean_b, difference, low and
        high (95 %), patients, p, p_holm (over all rows).
    """
    rows = []
    if repeats < 2:
        return pd.DataFrame(rows)

    @functools.cache
    def of(network, task):
        return [measured(network, repeat, task) for repeat in range(repeats)]

    for a, b in pairs:
        for task, metric in metrics:
            sides = of(a, task), of(b, task)
            if any(one is None for side in sides for one in side):
                continue
            found = crossed_tests.crossed_test(*sides, metric)
            if found is None:
                continue
            means = [np.mean([m.values[metric] for m in s]) for s in sides]
            rows.append(
                {
                    "a": a,
                    "b": b,
                    "task": task,
                    "metric": metric,
                    "mean_a": means[0],
                    "mean_b": means[1],
                    "difference": found.difference,
                    "low": found.low,
                    "high": found.high,
                    "patients": found.patients,
                    "p": found.p,
                }
            )
    table = pd.DataFrame(rows)
    if rows:
        # Without an error to compare with there is no test.
        tested = table["p"].notna()
        table["p_holm"] = np.nan
        table.loc[tested, "p_holm"] = multitest.multipletests(
            table.loc[tested, "p"], method="holm"
        )[1]
    return table


def measured_by(out, specs):
    """For `over_patients_and_trainings`, of the evaluations of an experiment.

    Args:
        out: Folder of the experiment.
        specs: `TaskSpec`s; a network that lacks one has nothing measured.
    """
    known = {spec.name: spec for spec in specs}

    def measured(network, repeat, task):
        _, evaluation = folders(out, network, repeat)
        return read_measured(evaluation, known[task])

    return measured


def read_measured(evaluation, spec):
    """`crossed_tests.Measured` of an evaluation's folder, or None.

    Args:
        evaluation: The folder.
        spec: `TaskSpec`; None is returned where it was not predicted.
    """
    table = table_metrics.read_predictions(evaluation / "predictions.csv")
    reference = f"{spec.name}_{tasks.get(spec.kind).reference}"
    if reference not in table or table[reference].isna().all():
        return None
    return crossed_tests.of_predictions(table, spec)


def anova(*groups):
    """The p-value of a one-way analysis of variance (`scipy.stats.f_oneway`).

    Args:
        groups: The values of each network.

    Returns:
        nan where no group varies: there is no variance to compare with.
    """
    if not any(np.ptp(group) > 0 for group in groups):
        return float("nan")
    return float(stats.f_oneway(*groups).pvalue)


def paired_over_repeats(out, group, specs, repeats, right_dice):
    """McNemar's and Wilcoxon's tests of each pair, combined over repeats.

    Both tests take images as independent, of which a patient may have several;
    the sign flips beside them take patients as independent.

    Args:
        out: Folder of the experiment.
        group: {strategy: `Candidate`}; every pair is tested, in this order.
        specs: `TaskSpec`s of the tasks.
        repeats: How many there are.
        right_dice: A mask counts as right for McNemar's test from this Dice
            on.

    Returns:
        Data frame, a row per task, pair and test: medians over the repeats,
        combined p-values (`combined_p`), and these adjusted by Holm (1979)
        over all rows.
    """
    predictions = {
        strategy: [
            table_metrics.read_predictions(
                folders(out, candidate.name, repeat)[1] / "predictions.csv"
            )
            for repeat in range(repeats)
        ]
        for strategy, candidate in group.items()
    }
    return paired_tests(predictions, specs, right_dice)


def paired_tests(predictions, specs, right_dice):
    """As `paired_over_repeats`, of predictions that are read.

    Args:
        predictions: {strategy: [table of a repeat or fold]}, or one table of
            all folds together.
        specs, right_dice: As of `paired_over_repeats`.
    """
    names = list(predictions)
    pairs = [
        (a, b) for number, a in enumerate(names) for b in names[number + 1 :]
    ]
    rows = []
    for spec in specs:
        if table_metrics.labelled(predictions[names[0]][0], spec).empty:
            continue
        for a, b in pairs:
            found = [
                comparison.paired_tests(
                    first,
                    second,
                    [spec],
                    comparison.Asked(dice_threshold=right_dice),
                )
                for first, second in zip(
                    predictions[a], predictions[b], strict=True
                )
            ]
            rows += [
                _combined(spec, a, b, tests)
                for tests in zip(*found, strict=True)
            ]
    table = pd.DataFrame(rows)
    for p in ("p", PATIENTS) if len(table) else ():
        adjusted = multitest.multipletests(table[p], method="holm")[1]
        table[f"{p} (Holm)"] = adjusted
    return table.round(4)


def _combined(spec, a, b, tests):
    return {
        "Task": spec.name,
        "A": a,
        "B": b,
        "Test": tests[0].test.split(" (")[0],
        "Metric": tests[0].metric,
        "A's": float(np.median([test.a for test in tests])),
        "B's": float(np.median([test.b for test in tests])),
        "A − B, 95 % by patient": " to ".join(
            f"{np.median([test.difference_ci95[end] for test in tests]):.3f}"
            for end in (0, 1)
        ),
        "Repeats with p < 0.05": sum(test.p < 0.05 for test in tests),
        "p": combined_p([test.p for test in tests]),
        PATIENTS: combined_p([test.p_patients for test in tests]),
    }


def combined_p(values):
    """One p-value of several that depend on each other in any way.

    The repeats test the same images, so their p-values are not independent,
    and pooling the images would count each several times. n / k times the
    k-th smallest of n p-values is a p-value under any dependence (Rueger
    1978; Vovk and Wang, "Combining p-values via averaging", 2020); k is the
    middle.

    Args:
        values: p-values of the repeats.

    Returns:
        A p-value, at most 1.
    """
    values = np.sort(np.asarray(values, float))
    middle = (len(values) + 1) // 2
    return float(min(1.0, len(values) / middle * values[middle - 1]))
