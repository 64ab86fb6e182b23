"""What reporting guidelines ask beside the metrics (CLAIM, STARD-AI).

Who was studied, how a label was decided, which images failed, and what makes
rows of a table incomparable.
"""

import numpy as np

from umsrep import tasks as task_kinds
from umsrep.evaluation import summary, table_metrics
from umsrep.metrics import catalogue, classification

# Images named as failures, per task and strategy.
WORST = 5
# Settings that must agree between rows of one table for a fair comparison.
SETTINGS = (
    "seed",
    "split_seed",
    "epochs",
    "batch_size",
    "fractions",
    "classifier",
)


def cohorts(infos):
    """Participants and exclusions, once for all that share them.

    Args:
        infos: [(name, run.json or evaluation.json)].

    Returns:
        [{"names", "rows", "exclusions"}].
    """
    groups = {}
    for name, info in infos:
        rows = info.get("cohort")
        if not rows:
            continue
        steps = info.get("exclusions") or []
        key = repr((rows, steps))
        entry = groups.setdefault(
            key, {"names": [], "rows": _grouped(rows), "exclusions": steps}
        )
        if name not in entry["names"]:
            entry["names"].append(name)
    return [
        group | {"names": ", ".join(group["names"])}
        for group in groups.values()
    ]


def _grouped(rows):
    """Rows of one side together, for cells that span them."""
    sides = {}
    for row in rows:
        if not row["images"]:
            continue
        side = sides.setdefault(
            row["side"],
            {k: row[k] for k in ("images", "patients")}
            | {"side": row["side"].replace("_", " "), "tasks": []},
        )
        side["tasks"].append(row)
    return list(sides.values())


def decisions(task, members):
    """Confusion matrix, threshold, prevalence and calibration per strategy."""
    if not task_kinds.get(task.kind).calibrated:
        return []
    kind = task_kinds.of(task)
    found = []
    for name, evaluation, rows in _labelled(task, members):
        true, predicted, _ = kind.arrays(rows)
        count = len(task.classes)
        matrix = classification.confusion_matrix(true, predicted, count)
        metrics = (evaluation.metrics or {}).get(task.name) or {}
        fitted = (evaluation.info.get("calibration") or {}).get(task.name)
        found.append(
            {
                "name": name,
                "classes": task.classes,
                "matrix": matrix.astype(int).tolist(),
                "prevalence": [
                    (label, share)
                    for label, share in zip(
                        task.classes, matrix.sum(1) / len(true), strict=True
                    )
                ],
                "threshold": _threshold(task, fitted),
                "metrics": [
                    _with_interval(metrics, metric)
                    for metric in (
                        "sensitivity",
                        "specificity",
                        "brier",
                        "expected_calibration_error",
                    )
                ],
                "if_calibrated": _with_interval(
                    metrics, "expected_calibration_error_if_calibrated"
                ),
            }
        )
    return found


def _labelled(task, members):
    """(strategy, evaluation, rows with a reference) where there are any."""
    for name, evaluation in members:
        if evaluation.predictions is None or task not in evaluation.tasks:
            continue
        rows = table_metrics.labelled(evaluation.predictions, task)
        if not rows.empty:
            yield name, evaluation, rows


def _threshold(task, fitted):
    """How a label was decided, in a sentence."""
    if not fitted:
        return "How it was decided was not recorded."
    if fitted.get("folds"):
        return _thresholds_of_folds(task, fitted["folds"])
    temperature = fitted.get("temperature", 1.0)
    chosen_on = fitted.get("chosen_on") or "the validation images"
    sentence = "The likeliest class"
    if fitted.get("threshold") is not None:
        sentence = (
            f"{task.classes[-1]} from a probability of "
            f"{fitted['threshold']:.3f} on, of best sensitivity + specificity "
            f"on {chosen_on}"
        )
    sentence += f"; temperature {temperature:.2f}, fitted on the same"
    if fitted.get("temperature_at_bound"):
        sentence += " and at its bound: these images did not fix it"
    return f"{sentence}."


def _thresholds_of_folds(task, fitted):
    """As `_threshold`, of images that each was decided by another fold."""

    def ends(name):
        values = [fold[name] for fold in fitted if fold.get(name) is not None]
        return values and f"{min(values):.2f} to {max(values):.2f}"

    decided = "The likeliest class"
    if ends("threshold"):
        decided = (
            f"{task.classes[-1]} from a probability of {ends('threshold')} on, "
            "of best sensitivity + specificity"
        )
    return (
        f"{decided}; temperature {ends('temperature')}: each fold's own, of "
        "its validation images."
    )


def _with_interval(metrics, name):
    ends = summary.interval(metrics.get(f"{name}_ci95"))
    return {
        "heading": catalogue.metric(name).heading,
        "value": summary.number(metrics.get(name)),
        "interval": ends,
    }


def remarks(task, members):
    """[(strategy, what must be said of its results)]."""
    return [
        (name, remark)
        for name, evaluation in members
        for remark in ((evaluation.metrics or {}).get(task.name) or {}).get(
            "remarks", []
        )
    ]


def failures(task, members):
    """The worst images of each strategy: [(strategy, text)]."""
    kind = task_kinds.of(task)
    found = []
    for name, _, rows in _labelled(task, members):
        values, heading, lower = kind.ranking(rows)
        order = np.argsort(values if not lower else -values, kind="stable")
        images = rows["image"].to_numpy()
        listed = ", ".join(
            f"{images[place]} ({values[place]:.3f})" for place in order[:WORST]
        )
        found.append((name, f"{heading}: {listed}"))
    return found


def unequal(members):
    """What differs between the trainings of a table's rows, in words.

    A budget is equal where a task made as many steps with its labels, or saw
    as many labelled images, under every strategy.
    """
    runs = {name: e.run for name, e in members if e.run}
    said = []
    for setting in SETTINGS:
        values = {
            name: str(run["config"][setting])
            for name, run in runs.items()
            if setting in (run.get("config") or {})
        }
        said += _told(setting, values)
    tasks = dict.fromkeys(
        task for run in runs.values() for task in run.get("steps_by_task") or {}
    )
    for task in tasks:
        steps, labels = (
            {
                name: run[key][task]
                for name, run in runs.items()
                if task in (run.get(key) or {})
            }
            for key in ("steps_by_task", "labels_by_task")
        )
        if len(set(labels.values())) > 1:
            said += _told(f"steps with labels of {task}", steps)
    return said


def _told(what, values):
    if len(set(values.values())) < 2:
        return []
    return [f"{what} ({', '.join(f'{n}: {v}' for n, v in values.items())})"]


def worse(row):
    """Whether a denoiser made images worse, by any measure."""
    return any(
        row[f"noisy_{measure}"] > row[measure]
        for measure in ("psnr", "ssim", "ms_ssim")
    )
