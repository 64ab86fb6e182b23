"""What every construction of a representation does (UMS-Rep, stage 1)."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from umsrep import distribution, precision, runs
from umsrep.data import Dataset, concatenate, load, storage
from umsrep.data.dataset import SPLITS
from umsrep.data.owners import with_copies
from umsrep.errors import UmsrepError
from umsrep.finetuning.parameters import parameter_counts
from umsrep.registry import Registry
from umsrep.runs import stage_one
from umsrep.stages import copies, inputs, watching
from umsrep.stages.network import new_representation, of_run
from umsrep.training import Group, Lane, Schedule, totals, train

if TYPE_CHECKING:
    import pandas as pd

    from umsrep.model import MultiTaskModel
    from umsrep.representations import Representation

registry = Registry("objective", serializable=False)


class Objective:
    """What a representation is constructed by (abstract).

    A subclass is registered under its name, whose settings are in
    `settings.STAGES`.

    Args:
        settings: The settings of the objective, a `StageSettings`.

    Attributes:
        tasks: Names of the tasks learnt.
        by_level: Whether `measure` gives {level: {metric: value}} of its
            task, as of noise, instead of {metric: value}.
        source: The `runs.Run` whose representation it starts from, or None.
    """

    tasks: tuple[str, ...] = ()
    by_level = False
    source: runs.Run | None = None

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @property
    def task(self) -> str:
        """The task of an objective that has one."""
        return self.tasks[0]

    def check(self, data: Dataset) -> None:
        """Raises if it cannot be learnt from a `data.Dataset`."""

    def split(self, data: Dataset) -> tuple[Dataset, Dataset, Dataset]:
        """(train, validation, test) of a `data.Dataset`, by patient."""
        settings = self.settings
        return data.split(fractions=settings.fractions, seed=settings.seed)

    def splits(self, parts: Iterable[Dataset]) -> dict[str, Dataset]:
        """{"train", "validation", "test": `data.Dataset`}, by patient.

        Args:
            parts: `data.Dataset`s.
        """
        sides = zip(*map(self.split, parts), strict=True)
        return dict(zip(SPLITS, map(concatenate, sides), strict=True))

    def spec(self, data: Dataset, task: str) -> dict[str, Any]:
        """A task's entry of run.json's task_specs: {"kind": ...}."""
        raise NotImplementedError

    def representation(self, data: Dataset) -> "Representation":
        """The representation to train: new, or that of `source`."""
        if self.source is not None:
            # In the number format that it is trained in now.
            run = runs.Run(self.source.path, own_precision=False)
            return run.model().representation
        return new_representation(
            data.image_size, self.settings.architecture, self.settings.arguments
        )

    def new_model(self, data: Dataset) -> "MultiTaskModel":
        """A `MultiTaskModel` of the tasks; the run keeps it."""
        raise NotImplementedError

    def train(
        self,
        model: "MultiTaskModel",
        training: Dataset,
        validation: Dataset,
        **loop: Any,
    ) -> "tuple[pd.DataFrame, Group]":
        """(history, `training.Group`) of the training.

        Args:
            model: As of `new_model`.
            training, validation: `data.Dataset`s.
            loop: `checkpoint`, `progress` and `watch`, as of
                `training.train`.
        """
        raise NotImplementedError

    def schedule(self) -> "Schedule":
        """The learning rate, by the settings' patience if they have one."""
        settings = self.settings
        return Schedule(
            settings.learning_rate,
            decay="plateau" if settings.patience else "constant",
            patience=settings.patience or 1,
            stop_patience=settings.stop_patience,
        )

    def run(
        self, lane: "Lane", loop: dict[str, Any]
    ) -> "tuple[pd.DataFrame, Group]":
        """What `train` returns, from a single lane."""
        group = Group([lane], self.schedule())
        history = train([group], self.settings.epochs, title="pretrain", **loop)
        return history, group

    def keep(self, training: Dataset, folder: Path) -> None:
        """Writes what `measure` must know of training images, if anything."""

    def measure(
        self, model: "MultiTaskModel", test: Dataset, folder: Path
    ) -> dict[str, dict[str, Any]]:
        """{task: metrics} on test images; may write pictures.

        By default how the images' features differ.
        """
        features = watching.FeatureStatistics(model, test)(0)
        return {self.task: {"images": len(test), **features}}

    def entries(self, model: "MultiTaskModel") -> dict[str, Any]:
        """Further entries of run.json."""
        return {}


def name_of(objective: Objective) -> str:
    """The name that an objective is registered under."""
    for name, cls in registry.items():
        if cls is type(objective):
            return name
    return type(objective).__name__


def learn(
    objective: Objective,
    data: Sequence[str | Path | Dataset],
    out: str | Path,
    resume: bool = False,
    progress: bool = True,
    measured: str = "test",
    representation: str | Path | None = None,
) -> dict[str, Any]:
    """Constructs a representation and writes a run folder.

    Args:
        objective: An `Objective`.
        data: Prepared folders, or `data.Dataset`s loaded from them.
        out: The run folder.
        resume: Go on in an existing run folder.
        progress: Show a progress bar.
        measured: Split to measure on: "test", or "validation" where settings
            are being chosen and test images are not to be looked at.
        representation: Run folder of `pretrain` whose representation is
            trained further; None for a new one.

    Returns:
        The metrics on these images: those of the task, or {task: metrics} of
        several.
    """
    settings = objective.settings
    devices = distribution.use(settings.distribution)
    parts = [with_copies(load(given)) for given in data]
    if not parts:
        raise UmsrepError("No data set given. Pass --data at least once.")
    objective.source = inputs.source(representation, parts[0], "representation")
    for part in parts:
        objective.check(part)
    config = config_of(objective, parts, representation)
    with runs.RunWriter(out, "pretrain", config, resume, devices) as writer:
        if writer.complete:
            return _returned(
                objective, storage.read_json(writer.path / "metrics.json")
            )
        used = precision.use(settings.precision)
        keras.utils.set_random_seed(settings.seed)
        splits = objective.splits(parts)
        _check_not_empty(splits, measured, objective)
        writer.save_split(splits, _seen(objective.source, splits))
        _warn_of_seen(objective.source, splits[measured])
        learnt_from = training, _ = splits["train"], splits["validation"]
        with devices:
            model = objective.new_model(training)
            history, group = objective.train(
                model,
                *learnt_from,
                checkpoint=writer.checkpoint,
                progress=progress,
                watch=watching.watches(model, *learnt_from),
            )
        storage.write_csv(writer.path / "history.csv", history)
        remarks = watching.remarks(history, objective.tasks)
        if devices.leads:
            watching.tell(remarks)
        objective.keep(training, writer.path)
        metrics = objective.measure(model, splits[measured], writer.path)
        storage.write_json(writer.path / "metrics.json", metrics)
        writer.save_model(model)
        writer.finish(
            {
                **_learnt(objective, training, history, group),
                "data": runs.describe_data(parts),
                "precision": used,
                "measured": measured,
                "remarks": remarks,
                "trainable_parameters": parameter_counts(model),
                "pretrained": model.representation.origin,
                **objective.entries(model),
                "copies": copies.facts(parts, splits),
                "images": {name: len(data) for name, data in splits.items()},
            }
        )
    return _returned(objective, metrics)


def config_of(
    objective: Objective,
    parts: Sequence[Dataset],
    representation: str | Path | None,
) -> dict[str, Any]:
    """The "config" of run.json.

    Args:
        objective: An `Objective`, whose `source` is known.
        parts: `data.Dataset`s.
        representation: Folder of the source, or None.
    """
    source = objective.source
    return {
        **asdict(objective.settings),
        # The network that it has, not the one that the settings would make.
        **(of_run(source) if source is not None else {}),
        "objective": name_of(objective),
        "representation": representation and str(representation),
        "data": [str(runs.prepared_folder(part).path) for part in parts],
        "fingerprints": runs.fingerprints(
            parts, [representation], objective.settings.arguments
        ),
    }


def _returned(objective, metrics):
    """The metrics of the task, or of several by task."""
    if len(objective.tasks) == 1:
        return metrics[objective.task]
    return metrics


def _learnt(objective, training, history, group):
    """What run.json tells of tasks and training."""
    tasks = objective.tasks
    name = tasks[0] if len(tasks) == 1 else "joint"
    source = objective.source
    # A task's companions, such as a consistency, are no tasks of the run.
    steps, labels = (
        {task: n for task, n in totals(history, kind).items() if task in tasks}
        for kind in ("steps", "labels")
    )
    return {
        "strategy": None,
        "objective": name_of(objective),
        "by_level": objective.by_level,
        "tasks": list(tasks),
        "task_specs": {t: objective.spec(training, t) for t in tasks},
        "source_has_labels": source is not None and source.has_labels,
        "seconds": group.seconds,
        "epochs_run": group.epochs_run,
        "steps_by_task": steps,
        "labels_by_task": labels,
        "best_epochs": {name: group.schedule.best_epoch + 1},
    }


def _seen(source, splits):
    """Rows of split.csv: what else the representation has learnt from."""
    if source is None:
        return []
    rows = source.split()
    rows = rows[rows["split"].isin(runs.LEARNT_FROM)]
    used = set(splits["train"].table["checksum"])
    used |= set(splits["validation"].table["checksum"])
    rows = rows[~rows["checksum"].isin(used)]
    return [rows.assign(split=runs.SEEN)]


def _warn_of_seen(source, test):
    """Says so if the representation has learnt from images measured on."""
    rows = stage_one.learnt_from({"representation": source})
    for words in stage_one.in_words(stage_one.seen(rows, test)):
        print(
            f"Warning: {words} Use the same --fractions and --seed in both "
            "commands.",
            file=sys.stderr,
        )


def _check_not_empty(
    splits: dict[str, Dataset], measured: str, objective: Objective
) -> None:
    """Found out after hours of training, an empty split would cost them."""
    for name in dict.fromkeys(("train", "validation", measured)):
        if not len(splits[name]):
            usual = type(objective.settings)().fractions
            raise UmsrepError(
                f"The {name} split of '{splits['train'].name}' is empty. "
                "Choose other split fractions, such as "
                f"{' '.join(map(str, usual))}."
            )
