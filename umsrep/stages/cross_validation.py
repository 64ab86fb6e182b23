"""Cross-validation: the folds of a fine-tuning as one run.

Every fold is an ordinary run folder, `fold-1` and so on, inside the folder of
all. With the last one the folder of all becomes a run itself: its models are
ensembles of the folds' (`umsrep.Ensemble`), its thresholds are chosen on what
the folds predict for the patients they hold out, and whatever takes a run
takes it, too.
"""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from umsrep import runs
from umsrep import tasks as task_kinds
from umsrep.data import Dataset, storage
from umsrep.data.folding import tell_missing_classes
from umsrep.ensemble import Ensemble
from umsrep.errors import UmsrepError
from umsrep.evaluation import fold_spread, predict, table_metrics
from umsrep.evaluation.fold_spread import HELD_OUT
from umsrep.evaluation.subject import Subject
from umsrep.runs import calibration, gaze_reference, stage_one
from umsrep.runs.folder import Run, fold_folder
from umsrep.stages.inputs import Inputs
from umsrep.stages.settings import FinetuneSettings

# How often to try to begin a folder that another fold begins just now, and
# how long to wait between.
TRIES, WAIT = 40, 0.25


def cross_validate(
    train: Callable[..., Any],
    inputs: Inputs,
    out: str | Path,
    settings: FinetuneSettings,
    config: Mapping[str, Any],
    resume: bool,
    progress: bool = True,
) -> dict[str, dict[str, Any]]:
    """Trains the folds that are asked for; with the last one, joins them.

    Args:
        train: Called with (folder, `FinetuneSettings`, resume) of a fold;
            returns its metrics.
        inputs: What the training starts from.
        out: The folder of all folds.
        settings: `FinetuneSettings` with `folds`.
        config: As of run.json.
        resume: Go on in an existing folder.
        progress: Say on stderr which fold it is.

    Returns:
        {task: {metric: value}} on held out patients; of an incomplete
        cross-validation on the validation images of the fold trained last.
    """
    folds = settings.folds or 0
    if settings.distribution == "multi_worker":
        raise UmsrepError(
            "folds with distribution='multi_worker': machines that share a "
            "fold and folds that share machines do not go together. Start "
            "`--fold 1`, `--fold 2`, ... on one machine each."
        )
    shared = {**config, "fold": None}
    seed = settings.seed if settings.split_seed is None else settings.split_seed
    one = settings.fold is not None
    _begin(out, shared, resume or one)
    if runs.is_complete(out):
        return storage.read_json(Path(out) / "metrics.json")
    tell_missing_classes(inputs.unseen.data, inputs.tasks, folds, seed)
    metrics = {}
    for fold in [settings.fold] if one else range(1, folds + 1):
        if progress:
            print(f"Fold {fold} of {folds}", file=sys.stderr)
        member = replace(
            settings, fold=fold, seed=settings.seed + fold - 1, split_seed=seed
        )
        metrics = train(fold_folder(out, fold), member, resume)
    places = [fold_folder(out, fold) for fold in range(1, folds + 1)]
    left = [place.name for place in places if not runs.is_complete(place)]
    if left:
        print(f"Not trained yet: {', '.join(left)}.", file=sys.stderr)
        return metrics
    return _join([Run(place) for place in places], inputs, out, shared)


def _begin(out, config, resume):
    """Writes the folder's header, or checks the one that is there."""
    for number in range(TRIES):
        try:
            with runs.RunWriter(out, "finetune", config, resume):
                return
        except storage.InUse:
            # Several folds may begin at once.
            if not resume or number == TRIES - 1:
                raise
            time.sleep(WAIT)


def _join(members, inputs, out, config):
    """Makes the folder of all folds a run; its metrics."""
    with runs.RunWriter(out, "finetune", config, resume=True) as writer:
        if writer.complete:
            return storage.read_json(writer.path / "metrics.json")
        fitted = [member.calibrations for member in members]
        temperatures = {
            task: [found[task].temperature for found in fitted]
            for task in fitted[0]
        }
        _save_models(writer, members, temperatures)
        pool, test = _sides(inputs)
        writer.save_split({"train": pool, "test": test}, inputs.unseen.seen)
        storage.write_csv(writer.path / stage_one.FILE, inputs.stage_one)
        gaze_reference.save(writer.path, pool, inputs.specs)
        storage.write_csv(writer.path / "history.csv", _history(members))
        metrics, spread = _measure(writer, members, inputs, len(test) > 0)
        writer.finish(_entries(members, inputs, pool, test, spread))
    return metrics


def _save_models(writer, members, temperatures):
    if members[0].info["strategy"] == "separate":
        for task in members[0].tasks:
            own = {k: v for k, v in temperatures.items() if k == task}
            models = [member.model(task) for member in members]
            writer.save_model(Ensemble(models, own), f"model-{task}.keras")
    else:
        models = [member.model() for member in members]
        writer.save_model(Ensemble(models, temperatures))
    denoiser = members[0].denoiser()
    if denoiser is not None:
        writer.save_model(denoiser, "denoiser.keras")


def _sides(inputs) -> tuple[Dataset, Dataset]:
    """The images that the folds share, and those that all of them test on."""
    whole = inputs.unseen.data
    test = (whole.table["split"] == "test").to_numpy()
    return whole.subset(~test), whole.subset(test)


def _history(members):
    """The mean over the folds, for the epochs that all of them made."""
    tables = [member.history for member in members]
    shortest = min(len(table) for table in tables)
    stacked = pd.concat([table[:shortest] for table in tables])
    numbers = stacked.select_dtypes("number")
    return numbers.groupby("epoch", as_index=False, sort=True).mean()


def _measure(writer, members, inputs, has_test):
    """Thresholds from held out patients, metrics on them, spread over folds.

    The metrics are with thresholds of other patients, as those of a single
    training's validation images are.
    """
    subject = Subject.of_folds(members, inputs.unseen.data)
    outputs = subject.outputs()
    people = table_metrics.patients_of(subject.dataset.table)
    fitted, judged = {}, dict(subject.calibrations)
    for spec in subject.specs:
        kind, task = task_kinds.of(spec), spec.name
        if not kind.calibrated:
            continue
        labels = subject.dataset.values(task)
        known = kind.known(labels)
        # As the ensemble's members are: each by its own temperature.
        values, _ = subject.calibrations[task].apply(outputs[task])
        fitted[task] = calibration.fit(values[known], labels[known])
        if has_test:
            # Each fold's own threshold is of the very images it held out.
            labels = np.where(known, labels, -1)
            judged[task] = calibration.cross_fit(outputs[task], labels, people)
    storage.write_json(
        writer.path / "calibration.json",
        {task: asdict(found) for task, found in fitted.items()},
    )
    table = predict.table(
        outputs, subject.dataset, subject.specs, judged, subject.references
    )
    metrics = table_metrics.all_metrics(table, inputs.specs, bootstrap=0)
    storage.write_json(writer.path / "metrics.json", metrics)
    return metrics, fold_spread.spread(table, subject.part, inputs.specs)


def _told(inputs, pool, test):
    """As `Inputs.entries`; its table of participants says "in folds"."""
    entries = inputs.entries({"train": pool, "test": test})
    for row in entries["cohort"]:
        if row["side"] == "train":
            row["side"] = "in folds"
    return entries


def _entries(members, inputs, pool, test, spread):
    """What run.json tells of the folds together."""
    first = members[0].info
    infos = [member.info for member in members]
    kept = (
        "strategy",
        "precision",
        "augmentation",
        "cached_features",
        "class_balance",
        "focus",
        "pretrained",
        "trainable_parameters",
        "steps_by_task",
        "labels_by_task",
    )
    return {
        **{name: first[name] for name in kept if name in first},
        **_told(inputs, pool, test),
        "seconds": sum(info["seconds"] for info in infos),
        "seconds_by_task": {
            name: sum(info["seconds_by_task"][name] for info in infos)
            for name in first["seconds_by_task"]
        },
        "epochs_run": max(info["epochs_run"] for info in infos),
        HELD_OUT: spread,
    }
