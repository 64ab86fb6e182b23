"""What every construction of a representation does (UMS-Rep, stage 1)."""

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
from umsrep.stages import copies
from umsrep.training import totals

if TYPE_CHECKING:
    import pandas as pd

    from umsrep.model import MultiTaskModel
    from umsrep.training import Group

registry = Registry("objective", serializable=False)


class Objective:
    """What a representation is constructed by (abstract).

    A subclass is registered under the name of its stage, whose settings are
    in `settings.STAGES`.

    Args:
        settings: The settings of the stage, a `StageSettings`.

    Attributes:
        task: Name of the task learnt.
        by_level: Whether `measure` gives {level: {metric: value}}, as of
            noise, instead of {metric: value}.
    """

    task: str | None = None
    by_level = False

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def check(self, data: Dataset) -> None:
        """Raises if the task cannot be learnt from a `data.Dataset`."""

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

    def spec(self, data: Dataset) -> dict[str, Any]:
        """The task's entry of run.json's task_specs: {"kind": ...}."""
        raise NotImplementedError

    def new_model(self, data: Dataset) -> "MultiTaskModel":
        """A `MultiTaskModel` of the one task."""
        raise NotImplementedError

    def train(
        self,
        model: "MultiTaskModel",
        training: Dataset,
        validation: Dataset,
        checkpoint: Path,
        progress: bool,
    ) -> "tuple[pd.DataFrame, Group]":
        """(history, `training.Group`) of the training."""
        raise NotImplementedError

    def measure(
        self, model: "MultiTaskModel", test: Dataset, folder: Path
    ) -> dict[str, Any]:
        """Metrics of the task on test images; may write pictures."""
        raise NotImplementedError

    def entries(self) -> dict[str, Any]:
        """Further entries of run.json."""
        return {}


def learn(
    objective: Objective,
    data: Sequence[str | Path | Dataset],
    out: str | Path,
    resume: bool = False,
    progress: bool = True,
    measured: str = "test",
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

    Returns:
        The objective's metrics on these images.
    """
    settings, task = objective.settings, objective.task
    devices = distribution.use(settings.distribution)
    parts = [with_copies(load(given)) for given in data]
    if not parts:
        raise UmsrepError("No data set given. Pass --data at least once.")
    for part in parts:
        objective.check(part)
    config = {
        **asdict(settings),
        "data": [str(runs.prepared_folder(part).path) for part in parts],
        "fingerprints": runs.fingerprints(parts),
    }
    with runs.RunWriter(out, "pretrain", config, resume, devices) as writer:
        if writer.complete:
            return storage.read_json(writer.path / "metrics.json")[task]
        used = precision.use(settings.precision)
        keras.utils.set_random_seed(settings.seed)
        splits = objective.splits(parts)
        _check_not_empty(splits, measured, objective)
        writer.save_split(splits)
        training = splits["train"]
        with devices:
            model = objective.new_model(training)
            history, group = objective.train(
                model,
                training,
                splits["validation"],
                writer.checkpoint,
                progress,
            )
        storage.write_csv(writer.path / "history.csv", history)
        metrics = objective.measure(model, splits[measured], writer.path)
        storage.write_json(writer.path / "metrics.json", {task: metrics})
        writer.save_model(model)
        writer.finish(
            {
                "strategy": None,
                "tasks": [task],
                "task_specs": {task: objective.spec(training)},
                "data": runs.describe_data(parts),
                "precision": used,
                "seconds": group.seconds,
                "epochs_run": group.epochs_run,
                "steps_by_task": totals(history, "steps"),
                "labels_by_task": totals(history, "labels"),
                "best_epochs": {task: group.schedule.best_epoch + 1},
                "measured": measured,
                "trainable_parameters": parameter_counts(model),
                "pretrained": model.representation.origin,
                **objective.entries(),
                "copies": copies.facts(parts, splits),
                "images": {name: len(data) for name, data in splits.items()},
            }
        )
    return metrics


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
