"""Several networks, each trained several times, on one split.

A repeat has its own seed for weights, order and augmentation; the split is
the same for all, so that what differs is the training. Everything is kept in
run and evaluation folders, and what is there is not done again.
"""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from umsrep import runs
from umsrep.data import storage
from umsrep.experiments.budget import equal_steps
from umsrep.stages.construction import construct
from umsrep.stages.evaluation import evaluate_run
from umsrep.stages.finetuning import finetune
from umsrep.stages.settings import FinetuneSettings

# Resamples of an evaluation's intervals.
BOOTSTRAP = 200
# Name of the constructed representation among the networks of a table.
REPRESENTATION = "representation"


@dataclass(frozen=True)
class Candidate:
    """One network to be trained.

    Attributes:
        name: Name of its column in the tables and of its folders.
        tasks: Names of the tasks it learns.
        settings: `FinetuneSettings`; the seeds are set for each repeat.
        constructed: Whether it starts from the representation, where one is
            constructed first; a baseline does not, and only leaves the same
            patients out.
    """

    name: str
    tasks: tuple
    settings: FinetuneSettings
    constructed: bool = True


def run_repeats(
    data, candidates, out, repeats=5, seed=0, say=print, construction=None
):
    """Trains and evaluates every candidate `repeats` times.

    Candidates that share a task are compared at an equal budget: each task
    makes the same number of optimizer steps in all of them (`equal_steps`),
    unless a candidate's settings name its own.

    Args:
        data: A prepared data set.
        candidates: `Candidate`s.
        out: Folder; interrupted work goes on where it was.
        repeats: Trainings of each, with the seeds seed, seed + 1, ...
        seed: Seed of the split, and of the first repeat.
        say: Called with a line per step.
        construction: `ConstructionSettings`: in each repeat a representation
            is constructed first. None: all weights are new.

    Returns:
        Data frame, one row per network, repeat, task and metric: network,
        repeat, seed, task, metric, value (of the test images). The
        constructed representation (network `REPRESENTATION`) is measured on
        its own test images, which are the target tasks' images.
    """
    out = Path(out)
    rows = []
    total = len(candidates) * repeats
    # Repeats outside: after the first round every network has a number.
    for repeat in range(repeats):
        seeds = {"seed": seed + repeat, "split_seed": seed}
        source = None
        if construction is not None:
            source, _ = folders(out, REPRESENTATION, repeat)
            say(f"{REPRESENTATION}, repeat {repeat + 1}")
            construct([data], source, replace(construction, **seeds), True)
            rows += cost_rows(REPRESENTATION, repeat, seed, source)
        for number, candidate in enumerate(candidates):
            run, evaluation = folders(out, candidate.name, repeat)
            step = f"{repeat * len(candidates) + number + 1} of {total}"
            if not evaluation.exists():
                say(f"{candidate.name}, repeat {repeat + 1} ({step})")
            settings = replace(candidate.settings, **seeds)
            tasks = compared(candidate, candidates)
            steps = equal_steps(data, tasks, settings, source)
            finetune(
                data,
                candidate.tasks,
                run,
                source if candidate.constructed else None,
                replace(settings, steps=steps),
                leave_out=None if candidate.constructed else source,
                resume=True,
            )
            if evaluation.exists() and not is_of(evaluation, run):
                shutil.rmtree(evaluation)
            if not evaluation.exists():
                evaluate_run(run, data, evaluation, bootstrap=BOOTSTRAP)
            rows += result_rows(candidate.name, repeat, seed, run, evaluation)
    return pd.DataFrame(rows)


def compared(candidate, candidates):
    """Names of the tasks of a candidate and of those that share one."""
    mine = set(candidate.tasks)
    rivals = [other.tasks for other in candidates if mine & set(other.tasks)]
    return tuple(dict.fromkeys(task for tasks in rivals for task in tasks))


def is_of(evaluation, run):
    """Whether an evaluation is of this training, not of one before it."""
    told = storage.read_json(evaluation / "evaluation.json").get("run", {})
    info = storage.plain(runs.Run(run).info)
    # Two trainings never take the very same seconds.
    return all(told.get(k) == info.get(k) for k in ("config", "seconds"))


def slug(name):
    """A candidate's name as that of a folder."""
    return name.lower().replace(" ", "-")


def folders(out, name, repeat):
    """(run folder, evaluation folder) of one repeat, or of one fold.

    A cross-validation has one run folder, with a folder per fold inside
    (`fold_runs`); repeats have a folder each.
    """
    runs_of, evaluations_of = Path(out) / "runs", Path(out) / "evaluations"
    whole = runs_of / slug(name)
    if (whole / runs.HEADER).exists():
        member = runs.fold_folder(whole, repeat + 1)
        return member, evaluations_of / slug(name) / member.name
    one = f"{slug(name)}-{repeat}"
    return runs_of / one, evaluations_of / one


def result_rows(name, repeat, seed, run, evaluation):
    """Rows of `run_repeats` of one training: its cost and its metrics."""
    yield from cost_rows(name, repeat, seed, run)
    common = _common(name, repeat, seed)
    metrics = storage.read_json(evaluation / "metrics.json", "metrics")
    for task, entry in metrics.items():
        for metric, value in entry.items():
            if isinstance(value, (int, float)) and not metric.endswith(
                "_undefined_resamples"
            ):
                yield {
                    **common,
                    "task": task,
                    "metric": metric,
                    "value": value,
                }


def cost_rows(name, repeat, seed, run):
    """Seconds, steps and parameters, of the run and of each task's part."""
    info = runs.read_run(run)
    parameters = info["trainable_parameters"]
    # Runs of earlier versions do not have all of them.
    seconds, steps, labels = (
        info.get(f"{name}_by_task", {})
        for name in ("seconds", "steps", "labels")
    )
    parts = {
        "": {
            "seconds": info["seconds"],
            "epochs": info["epochs_run"],
            "trainable_parameters": parameters["total"],
        }
    } | {
        task: {
            "training_seconds": seconds.get(task),
            "training_steps": steps.get(task),
            "training_labels": labels.get(task),
            "training_parameters": parameters.get(task),
        }
        for task in info["tasks"]
    }
    for task, cost in parts.items():
        for metric, value in cost.items():
            if value is not None:
                yield {
                    **_common(name, repeat, seed),
                    "task": task,
                    "metric": metric,
                    "value": value,
                }


def _common(name, repeat, seed):
    return {"network": name, "repeat": repeat, "seed": seed + repeat}
