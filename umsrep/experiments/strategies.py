"""Tables of strategies beside separate models (UMS-Rep's Tables 7 to 10)."""

import numpy as np
import pandas as pd

from umsrep.evaluation.summary import BASELINE
from umsrep.experiments.repeats import REPRESENTATION
from umsrep.experiments.tables import cell

LABEL = {"accuracy": "Accuracy", "f_score": "F-score", "mcc": "MCC"}
# The F-score of pixels is the Dice coefficient.
BUDGET = {
    "training_steps": "Steps per task",
    "training_labels": "Labelled images seen per task",
}
MASK = {"accuracy": "Accuracy", "dice": "F-score", "iou": "IoU"}


def performance(medians, group, specs):
    """Strategies by tasks, as Tables 7 and 9.

    Args:
        medians: As returned by `tables.median_and_spread`.
        group: {strategy: `Candidate`}; the last one is the baseline.
        specs: `TaskSpec`s of the tasks.

    Returns:
        Data frame of text, a row per strategy and task.
    """
    rows = []
    for strategy, candidate in group.items():
        of_network = medians[medians["network"] == candidate.name]
        for spec in specs:
            values = of_network[of_network["task"] == spec.name]
            metrics = MASK if spec.kind == "mask" else LABEL
            rows.append(
                {
                    "Method": _method(strategy),
                    "Strategy": words(strategy),
                    "Task": _task(spec),
                    **{
                        heading: cell(values.set_index("metric"), metric)
                        for metric, heading in metrics.items()
                    },
                }
            )
    return pd.DataFrame(rows).fillna("–")


def cost(medians, group):
    """Cost of every part, as Tables 8 and 10, with the budget of its tasks.

    Args:
        medians, group: As in `performance`.

    Returns:
        Data frame of text, a row per part.
    """
    medians = medians.set_index(["network", "task", "metric"])["median"]

    def whole(network):
        metrics = ("seconds", "trainable_parameters")
        return np.array([medians[network, "", metric] for metric in metrics])

    def part(network, task):
        metrics = ("training_seconds", "training_parameters")
        return np.array([medians[network, task, metric] for metric in metrics])

    def budget(network, tasks):
        """{heading: text} of the tasks' steps and labelled images."""
        found = {}
        for metric, heading in BUDGET.items():
            counts = [medians.get((network, task, metric)) for task in tasks]
            known = [f"{count:,.0f}" for count in counts if count is not None]
            # Once, where it is the same for all.
            found[heading] = " / ".join(dict.fromkeys(known)) or "–"
        return found

    construction = whole(REPRESENTATION)
    rows = [("Proposed", "representation", construction, {})]
    for strategy, candidate in group.items():
        name, tasks = candidate.name, candidate.tasks
        own = whole(name)
        if strategy == BASELINE:
            rows += [
                (
                    "Baseline",
                    f"separate model, {task}",
                    part(name, task),
                    budget(name, [task]),
                )
                for task in tasks
            ]
            rows.append(
                ("Baseline", "all separate models", own, budget(name, tasks))
            )
            continue
        if strategy == "independent":
            parts = [part(name, task) for task in tasks]
            rows += [
                (
                    "Proposed",
                    f"{task}, independent",
                    found,
                    budget(name, [task]),
                )
                for task, found in zip(tasks, parts, strict=True)
            ]
            features = own[0] - sum(seconds for seconds, _ in parts)
            rows.append(
                (
                    "Proposed",
                    "features of the frozen encoder",
                    (features, 0),
                    {},
                )
            )
        both = f"representation and all tasks, {strategy}"
        rows += [
            ("Proposed", f"all tasks, {strategy}", own, budget(name, tasks)),
            ("Proposed", both, construction + own, {}),
        ]
    return pd.DataFrame(
        [
            {
                "Method": method,
                "Part": name,
                "Seconds": f"{seconds:,.{0 if seconds >= 10 else 1}f}",
                "Trained parameters": f"{parameters:,.0f}",
                **steps,
            }
            for method, name, (seconds, parameters), steps in rows
        ]
    ).fillna("–")


def _method(strategy):
    return "Baseline" if strategy == BASELINE else "Proposed"


def words(strategy):
    """How a strategy is called in a table."""
    return "separate models" if strategy == BASELINE else strategy


def _task(spec):
    if spec.kind == "label" and len(spec.classes) == 2:
        return f"{spec.name} ({' / '.join(spec.classes)})"
    return spec.name
