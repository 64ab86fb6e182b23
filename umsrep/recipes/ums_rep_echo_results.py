"""UMS-Rep's Tables 7 to 10 on Doppler strips, from prepared data to files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from statsmodels.stats import multitest

from umsrep import data as data_package
from umsrep import figures
from umsrep.data import storage
from umsrep.evaluation import comparison, table_metrics
from umsrep.experiments import repeats as repeated
from umsrep.experiments import tables as results
from umsrep.experiments.repeats import REPRESENTATION
from umsrep.recipes import ums_rep_echo
from umsrep.recipes.ums_rep_echo import (
    BASELINE,
    HETEROGENEOUS,
    HOMOGENEOUS,
    STRATEGIES,
)
from umsrep.recipes.ums_rep_echo_derived import derived_tables, read_truth

LABEL = {"accuracy": "Accuracy", "f_score": "F-score", "mcc": "MCC"}
# The F-score of pixels is the Dice coefficient.
MASK = {"accuracy": "Accuracy", "dice": "F-score", "iou": "IoU"}
# A mask counts as right for McNemar's test from this Dice on.
RIGHT_DICE = 0.9
# The number in the paper of each set's table of results, and of costs.
# Of the sign flips by patient; McNemar's and Wilcoxon's tests, the paper's,
# take images as independent, of which a patient may have several.
PATIENTS = "p by patient"
NUMBERS = {HETEROGENEOUS: (7, 8), HOMOGENEOUS: (9, 10)}


def run(
    data,
    out,
    preset,
    flow="flow",
    truth=None,
    strategies=STRATEGIES,
    repeats=5,
    seed=0,
    say=print,
):
    """Constructs, fine-tunes, evaluates; writes tables and figures.

    Args:
        data: Prepared strips with a label task of the flow and others.
        out: Folder; interrupted work goes on where it was.
        preset: `ums_rep_echo.Preset`.
        flow: Name of the flow's task.
        truth: phantom.json of synthetic strips, whose velocities are known;
            None compares with what is measured in the reference masks.
        strategies: Some of `ums_rep_echo.STRATEGIES`.
        repeats, seed: As of `repeats.run_repeats`.
        say: Called with a line per step.

    Returns:
        {title: data frame in the paper's layout}.

    Raises:
        UmsrepError: data without the tasks, see `ums_rep_echo.Tasks.of`.
    """
    out = Path(out)
    dataset = data_package.load(data)
    tasks = ums_rep_echo.Tasks.of(dataset, flow)
    # A wrong file is told before the trainings.
    known = read_truth(truth, dataset, flow) if truth else None
    sets = ums_rep_echo.candidates(tasks, preset.target, strategies)
    construction = replace(preset.construction, task=flow)
    frame = repeated.run_repeats(
        data,
        [one for group in sets.values() for one in group.values()],
        out,
        repeats,
        seed,
        say,
        construction,
    )
    storage.write_csv(out / "repeats.csv", frame)
    table = repeated.median_and_spread(frame)
    tables = {}
    for which, group in sets.items():
        performance, cost = NUMBERS[which]
        specs = [dataset.task(name) for name in group[BASELINE].tasks]
        tables[f"Table {performance}: {which} tasks"] = _performance(
            table, group, specs
        )
        tables[f"Table {cost}: cost of the {which} tasks"] = _cost(table, group)
        tables[f"McNemar and Wilcoxon, {which} tasks"] = _tests(
            out, group, specs, repeats
        )
        _curves(out, group)
    say("derived tasks")
    tables |= derived_tables(
        data, out, sets[HETEROGENEOUS], flow, known, repeats
    )
    results.write(
        "UMS-Rep on Doppler strips",
        *(out, tables, data, preset.target, repeats, seed),
        construction=construction,
    )
    return tables


def _performance(table, group, specs):
    """Strategies by tasks, as Tables 7 and 9."""
    rows = []
    for strategy, candidate in group.items():
        of_network = table[table["network"] == candidate.name]
        for spec in specs:
            values = of_network[of_network["task"] == spec.name]
            metrics = MASK if spec.kind == "mask" else LABEL
            rows.append(
                {
                    "Method": _method(strategy),
                    "Strategy": _words(strategy),
                    "Task": _task(spec),
                    **{
                        heading: repeated.cell(
                            values.set_index("metric"), metric
                        )
                        for metric, heading in metrics.items()
                    },
                }
            )
    return pd.DataFrame(rows).fillna("–")


def _cost(table, group):
    """Seconds and trained parameters of every part, as Tables 8 and 10."""
    medians = table.set_index(["network", "task", "metric"])["median"]

    def row(method, part, seconds, parameters):
        return {
            "Method": method,
            "Part": part,
            "Seconds": f"{seconds:,.{0 if seconds >= 10 else 1}f}",
            "Trained parameters": f"{parameters:,.0f}",
        }

    construction = [
        medians[REPRESENTATION, "", metric]
        for metric in ("seconds", "trainable_parameters")
    ]
    rows = [row("Proposed", "representation", *construction)]
    baseline = [
        medians[group[BASELINE].name, "", metric]
        for metric in ("seconds", "trainable_parameters")
    ]
    for strategy, candidate in group.items():
        if strategy == BASELINE:
            continue
        name = candidate.name
        own = [
            medians[name, "", metric]
            for metric in ("seconds", "trainable_parameters")
        ]
        if strategy == "independent":
            parts = [
                (
                    task,
                    medians[name, task, "training_seconds"],
                    medians[name, task, "training_parameters"],
                )
                for task in candidate.tasks
            ]
            features = own[0] - sum(part[1] for part in parts)
            rows += [
                row("Proposed", f"{task}, independent", *cost)
                for task, *cost in parts
            ]
            rows.append(
                row("Proposed", "features of the frozen encoder", features, 0)
            )
        rows.append(row("Proposed", f"all tasks, {strategy}", *own))
        both = np.add(construction, own)
        rows.append(
            row("Proposed", f"representation and all tasks, {strategy}", *both)
        )
    name = group[BASELINE].name
    rows += [
        row(
            "Baseline",
            f"separate model, {task}",
            medians[name, task, "training_seconds"],
            medians[name, task, "training_parameters"],
        )
        for task in group[BASELINE].tasks
    ]
    rows.append(row("Baseline", "all separate models", *baseline))
    return pd.DataFrame(rows)


def _tests(out, group, specs, repeats):
    """Every strategy against the baseline, and against each other."""
    names = list(group)
    pairs = [
        (a, b) for number, a in enumerate(names) for b in names[number + 1 :]
    ]
    tables = {
        (strategy, repeat): table_metrics.read_predictions(
            repeated.folders(out, group[strategy].name, repeat)[1]
            / "predictions.csv"
        )
        for strategy in names
        for repeat in range(repeats)
    }
    rows = []
    for spec in specs:
        # All tables are of the same test images.
        if table_metrics.labelled(tables[names[0], 0], spec).empty:
            continue
        for a, b in pairs:
            found = [
                _test(tables[a, repeat], tables[b, repeat], spec)
                for repeat in range(repeats)
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


def _test(one, other, spec):
    tests = [comparison.mcnemar(one, other, spec, RIGHT_DICE)]
    if spec.kind == "mask":
        tests.append(comparison.wilcoxon(one, other, spec))
    return tests


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


def _curves(out, group):
    for candidate in group.values():
        folder, _ = repeated.folders(out, candidate.name, 0)
        curves = figures.training_curves(pd.read_csv(folder / "history.csv"))
        figures.save(curves, out / f"curves-{folder.name[:-2]}.svg")


def _method(strategy):
    return "Baseline" if strategy == BASELINE else "Proposed"


def _words(strategy):
    return "separate models" if strategy == BASELINE else strategy


def _task(spec):
    if spec.kind == "label" and len(spec.classes) == 2:
        return f"{spec.name} ({' / '.join(spec.classes)})"
    return spec.name
