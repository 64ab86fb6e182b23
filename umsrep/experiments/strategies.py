"""Tables of strategies beside separate models (UMS-Rep's Tables 7 to 10)."""

import numpy as np
import pandas as pd

from umsrep.evaluation.summary import BASELINE
from umsrep.experiments.repeats import REPRESENTATION
from umsrep.experiments.tables import cell

LABEL = {"accuracy": "Accuracy", "f_score": "F-score", "mcc": "MCC"}
BUDGET = {
    "training_steps": "Steps per task",
    "training_labels": "Labelled images seen per task",
}
# The F-score of pixels is the Dice coefficient.
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
            metrics = metrics_of(spec)
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


def metrics_of(spec):
    """{metric: heading} of a task, as in the paper's tables."""
    return MASK if spec.kind == "mask" else LABEL


def denoising(metrics):
    """The paper's Table 2: restored images by noise, and the noisy ones.

    Args:
        metrics: metrics.json of a construction by denoising.

    Returns:
        Data frame of text, a row per noise.
    """
    rows = []
    # {task: {noise: metrics}} of the one task that there is.
    ((_, by_noise),) = metrics.items()
    for noise, found in by_noise.items():
        rows.append(
            {
                "Noise": noise.replace("_", " "),
                "PSNR, dB": f"{found['psnr']:.2f}",
                "SSIM": f"{found['ssim']:.3f}",
                "MS-SSIM": f"{found['ms_ssim']:.3f}",
                "PSNR of the noisy image": f"{found['noisy_psnr']:.2f}",
            }
        )
    return pd.DataFrame(rows)


def whole_cost(medians, network):
    """(seconds, trained parameters) of a whole network.

    Args:
        medians: As returned by `tables.median_and_spread`.
        network: Its name.
    """
    return _whole(
        medians.set_index(["network", "task", "metric"])["median"], network
    )


def paper_cost(medians, group, construction):
    """Cost in the layout and with the sums of the paper's Tables 4 and 6.

    The separate model that denoises counts in the baseline: it costs what the
    shared source does, for it is the same network. Seconds are of one fold.

    Args:
        medians: As returned by `tables.median_and_spread`.
        group: {strategy: `Candidate`}; the last one is the baseline.
        construction: (seconds, parameters) of the shared source.

    Returns:
        Data frame of text, a row per part.
    """
    medians = medians.set_index(["network", "task", "metric"])["median"]
    rows = [_row("Proposed", "Shared source", construction)]
    for strategy, candidate in group.items():
        name, tasks = candidate.name, candidate.tasks
        whole, budget = _whole(medians, name), _budget(medians, name, tasks)
        if strategy in ("independent", BASELINE):
            parts = _parts(medians, name, tasks)
        if strategy == BASELINE:
            rows.append(
                _row("Baseline", "Separate denoising model", construction)
            )
            rows += [
                _row("Baseline", f"Separate model, {task}", *part)
                for task, part in parts.items()
            ]
            title = f"{len(tasks) + 1} separate end-to-end models"
            rows.append(_row("Baseline", title, construction + whole, budget))
            continue
        if strategy == "independent":
            rows += [
                _row("Proposed", f"Head, {task}, independent", *part)
                for task, part in parts.items()
            ]
        rows += [
            _row("Proposed", f"{len(tasks)} heads, {strategy}", whole, budget),
            _row(
                "Proposed",
                f"Shared source & {len(tasks)} lightweight heads, {strategy}",
                construction + whole,
            ),
        ]
    return pd.DataFrame(rows)


def cost(medians, group):
    """Cost of every part, as Tables 8 and 10, with the budget of its tasks.

    Args:
        medians, group: As in `performance`.

    Returns:
        Data frame of text, a row per part.
    """
    medians = medians.set_index(["network", "task", "metric"])["median"]
    construction = _whole(medians, REPRESENTATION)
    rows = [_row("Proposed", "representation", construction)]
    for strategy, candidate in group.items():
        name, tasks = candidate.name, candidate.tasks
        own, budget = _whole(medians, name), _budget(medians, name, tasks)
        if strategy == BASELINE:
            rows += [
                _row("Baseline", f"separate model, {task}", *part)
                for task, part in _parts(medians, name, tasks).items()
            ]
            rows.append(_row("Baseline", "all separate models", own, budget))
            continue
        if strategy == "independent":
            parts = _parts(medians, name, tasks)
            rows += [
                _row("Proposed", f"{task}, independent", *part)
                for task, part in parts.items()
            ]
            features = own[0] - sum(found[0] for found, _ in parts.values())
            title = "features of the frozen encoder"
            rows.append(_row("Proposed", title, (features, 0)))
        both = f"representation and all tasks, {strategy}"
        rows += [
            _row("Proposed", f"all tasks, {strategy}", own, budget),
            _row("Proposed", both, construction + own),
        ]
    return pd.DataFrame(rows)


def _whole(medians, network):
    """Seconds and trained parameters of a whole network."""
    metrics = ("seconds", "trainable_parameters")
    return np.array([medians[network, "", metric] for metric in metrics])


def _parts(medians, network, tasks):
    """{task: (the same of its part of the network, its budget)}."""
    metrics = ("training_seconds", "training_parameters")
    return {
        task: (
            np.array([medians[network, task, metric] for metric in metrics]),
            _budget(medians, network, [task]),
        )
        for task in tasks
    }


def _budget(medians, network, tasks):
    """{heading: text}: the tasks' steps and labelled images, once if equal."""
    found = {}
    for metric, heading in BUDGET.items():
        counts = [medians.get((network, task, metric)) for task in tasks]
        known = [f"{count:,.0f}" for count in counts if count is not None]
        found[heading] = " / ".join(dict.fromkeys(known)) or "–"
    return found


def _row(method, part, cost, budget=None):
    """A row of the table of costs; `cost` is (seconds, parameters)."""
    seconds, parameters = cost
    return {
        "Method": method,
        "Part": part,
        "Seconds": f"{seconds:,.{0 if seconds >= 10 else 1}f}",
        "Trained parameters": f"{parameters:,.0f}",
        **(budget or dict.fromkeys(BUDGET.values(), "–")),
    }


def _method(strategy):
    return "Baseline" if strategy == BASELINE else "Proposed"


def words(strategy):
    """How a strategy is called in a table."""
    return "separate models" if strategy == BASELINE else strategy


def _task(spec):
    if spec.kind == "label" and len(spec.classes) == 2:
        return f"{spec.name} ({' / '.join(spec.classes)})"
    return spec.name
