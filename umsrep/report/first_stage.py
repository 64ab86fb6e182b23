"""What the runs that learn a representation reached."""

from umsrep import tasks as task_kinds
from umsrep.evaluation import summary
from umsrep.metrics import catalogue
from umsrep.report import diagnostics
from umsrep.report.embedding import embedded

# Columns of the table of representations that were learnt with labels.
CONSTRUCTION = ("accuracy", "f_score", "mcc", "auc")


def reconstruction(run, name):
    """What a reconstruction restores: measures by noise, and triplets."""
    noises = (run.metrics or {}).get(run.pretrained_task)
    noises = noises if isinstance(noises, dict) else {}
    rows = [
        {"noise": noise_name(noise)}
        | {
            column: summary.number(values.get(column))
            for measure in ("psnr", "ssim", "ms_ssim")
            for column in (f"noisy_{measure}", measure)
        }
        for noise, values in noises.items()
        if isinstance(values, dict)
    ]
    for row in rows:
        row["worse"] = diagnostics.worse(row)
    denoises = run.objective == "denoising"
    words = ("noisy", "denoised") if denoises else ("input", "output")
    triplets = [
        {
            "noise": noise_name(triplet["noise"]),
            "first": triplet["noise"]
            not in [other["noise"] for other in run.triplets[:index]],
            "images": [
                (said, embedded(triplet[part]))
                for part, said in zip(
                    ("noisy", "denoised", "clean"),
                    (*words, "clean"),
                    strict=True,
                )
            ],
        }
        for index, triplet in enumerate(run.triplets)
    ]
    return {
        "name": name,
        "objective": run.objective,
        "denoises": denoises,
        "words": words,
        "rows": rows,
        "worse": [row["noise"] for row in rows if row["worse"]],
        "triplets": triplets,
    }


def construction(named):
    """What representations reached on the tasks that they were learnt on.

    Args:
        named: [(`Run`, its name)].

    Returns:
        {"headings": of the columns of "rows", which are {"name", "task",
        "images", "patients", "values"}}, or None without a run.
    """
    found = [
        (name, task, _of_task(run, task), run.info["task_specs"][task]["kind"])
        for run, name in named
        for task in run.tasks
        if run.info["task_specs"][task]["kind"] in task_kinds.names()
    ]
    columns = list(CONSTRUCTION)
    for _, _, _, kind in found:
        main = task_kinds.get(kind).main
        if main not in columns and kind != "label":
            columns.append(main)
    rows = [
        {
            "name": name,
            "task": task,
            "images": summary.number(values.get("images")),
            "patients": summary.number(values.get("patients")),
            "values": [summary.number(values.get(key)) for key in columns],
        }
        for name, task, values, _ in found
    ]
    headings = [catalogue.metric(key).heading for key in columns]
    return {"headings": headings, "rows": rows} if rows else None


def _of_task(run, task):
    values = (run.metrics or {}).get(task)
    return values if isinstance(values, dict) else {}


def features(named):
    """How the features of validation images differ, before and after.

    Args:
        named: [(`Run`, its name)].

    Returns:
        [{"name", "objective", "rows": [(when, epoch, spread, rank)],
        "probes": [(what, first, last)], "remarks"}] of the runs that were
        watched, or have a remark.
    """
    found = []
    for run, name in named:
        history = run.history
        watched = history is not None and "feature_rank" in history
        rows = []
        if watched:
            best = max((run.info.get("best_epochs") or {"": 0}).values())
            chosen = {"first": history.iloc[0], "last": history.iloc[-1]}
            for _, row in history[history["epoch"] == best].iterrows():
                chosen["kept"] = row
            rows = [
                (when, row["epoch"], row["feature_spread"], row["feature_rank"])
                for when, row in chosen.items()
            ]
        if rows or run.remarks:
            found.append(
                {
                    "name": name,
                    "objective": run.objective,
                    "rows": rows,
                    "probes": _probes(history) if watched else [],
                    "remarks": run.remarks,
                }
            )
    return found


def _probes(history):
    """[("task metric", first, last value)] of the probes in the history."""
    found = []
    for column in history.columns:
        values = history[column].dropna()
        if column.startswith("probe_") and len(values):
            words = column.removeprefix("probe_").replace("_", " ")
            found.append((words, values.iloc[0], values.iloc[-1]))
    return found


def noise_name(noise):
    """ "gaussian_25" -> "Gaussian, σ = 25/255"."""
    kind, _, level = str(noise).partition("_")
    if kind == "gaussian" and level:
        return f"Gaussian, σ = {level}/255"
    if kind == "downscale" and level:
        return f"Averaged down {level} times"
    return kind.capitalize() + (f" {level.replace('_', ' ')}" if level else "")
