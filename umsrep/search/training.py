"""The training of one round: the commands' own code, in a scratch folder.

A scan therefore trains exactly what `umsrep finetune` or `umsrep pretrain`
would with the same settings; only what is measured differs: a construction is
measured on validation instead of test images.
"""

import gc
import math
import shutil
import tempfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from umsrep import runs
from umsrep.errors import UmsrepError
from umsrep.search.objective import DENOISING
from umsrep.stages import objectives, settings_file
from umsrep.stages.finetuning import finetune
from umsrep.stages.first_stage import learn


def train_round(job):
    """Trains a round.

    Args:
        job: As returned by `jobs.job`. Its "scratch" is a folder for the run,
            in which an interrupted one is found again, or None for a
            temporary one.

    Returns:
        {"history": {column: one value per epoch}, "losses": {task: validation
        loss at the best epoch}, "best_epochs", "at_best": {column: value at
        the best epoch}, "metrics": {task: {metric: value}} on validation
        images, "epochs_run", "seconds", "parameters"}.
    """
    settings = settings_file.make(job["stage"], job["settings"], "round")
    scratch = job["scratch"]
    if scratch is None:
        with tempfile.TemporaryDirectory() as folder:
            return _train(job, settings, Path(folder) / "run")
    record = _train(job, settings, Path(scratch))
    # Its weights are made again by the command that gets the best settings.
    shutil.rmtree(scratch, ignore_errors=True)
    return record


def _train(job, settings, run):
    options = {"resume": True, "progress": False}
    if job["stage"] == "finetune":
        metrics = finetune(
            job["data"][0],
            job["tasks"] or None,
            run,
            settings=settings,
            **job["sources"],
            **options,
        )
    else:
        objective = objectives.registry.get(job["stage"])(settings)
        found = learn(
            objective, job["data"], run, **options, measured="validation"
        )
        if objective.by_level:
            found = {
                name: float(np.mean([row[name] for row in found.values()]))
                for name in DENOISING
            }
        one = len(objective.tasks) == 1
        metrics = {objective.task: found} if one else found
    return _record(run, metrics)


def _record(run, metrics):
    info = runs.read_run(run)
    history = pd.read_csv(run / "history.csv")
    best = info["best_epochs"]
    losses = {
        task: float(history[f"val_{task}_loss"][best_epoch(task, best) - 1])
        for task in info["tasks"]
    }
    if not all(map(math.isfinite, losses.values())):
        raise UmsrepError(
            f"The validation losses at the best epoch are {losses}. Lower the "
            "learning rate."
        )
    return {
        "history": history.to_dict("list"),
        "losses": losses,
        "best_epochs": best,
        "at_best": {
            column: float(history[column][best_epoch(column, best) - 1])
            for column in history.columns
        },
        "metrics": {
            task: {
                name: value
                for name, value in row.items()
                if isinstance(value, (int, float))
            }
            for task, row in metrics.items()
        },
        "epochs_run": info["epochs_run"],
        "seconds": info["seconds"],
        "parameters": info["trainable_parameters"]["total"],
    }


def best_epoch(column, best_epochs):
    """The best epoch (from 1) of what a column of the history is about.

    Args:
        column: A column, or a task's name.
        best_epochs: {group of tasks: epoch}, of run.json.
    """
    if len(best_epochs) == 1:
        return next(iter(best_epochs.values()))
    name = column.removeprefix("val_").removesuffix("_loss")
    for group, epoch in best_epochs.items():
        if name == group or name.endswith(f"_{group}"):
            return epoch
    # About all groups, such as the seconds of an epoch.
    return max(best_epochs.values())


def release():
    """Gives the memory of models back, as far as Keras does."""
    keras.backend.clear_session()
    gc.collect()
