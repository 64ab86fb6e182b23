"""What every construction of a representation does (UMS-Rep, stage 1)."""

from dataclasses import asdict

import keras

from umsrep import data as data_package
from umsrep import distribution, precision, runs
from umsrep.data import storage
from umsrep.errors import UmsrepError
from umsrep.finetuning.parameters import parameter_counts
from umsrep.registry import Registry

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

    task = None
    by_level = False

    def __init__(self, settings):
        self.settings = settings

    def check(self, data):
        """Raises if the task cannot be learnt from a `data.Dataset`."""

    def split(self, data):
        """(train, validation, test) of a `data.Dataset`, by patient."""
        settings = self.settings
        return data.split(fractions=settings.fractions, seed=settings.seed)

    def spec(self, data):
        """The task's entry of run.json's task_specs: {"kind": ...}."""
        raise NotImplementedError

    def build(self, data):
        """A `MultiTaskModel` of the one task."""
        raise NotImplementedError

    def train(self, model, training, validation, checkpoint, progress):
        """(history, `training.Group`) of the training."""
        raise NotImplementedError

    def measure(self, model, test, folder):
        """Metrics of the task on test images; may write pictures."""
        raise NotImplementedError

    def entries(self):
        """Further entries of run.json."""
        return {}


def divide(objective, parts):
    """{"train", "validation", "test": `data.Dataset`}, by patient.

    Args:
        objective: An `Objective`.
        parts: `data.Dataset`s.
    """
    splits = [objective.split(data) for data in parts]
    return {
        name: data_package.concatenate(side)
        for name, side in zip(
            ("train", "validation", "test"),
            zip(*splits, strict=True),
            strict=True,
        )
    }


def learn(
    objective,
    data_folders,
    out,
    resume=False,
    progress=True,
    measured="test",
):
    """Constructs a representation and writes a run folder.

    Args:
        objective: An `Objective`.
        data_folders: Prepared data sets.
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
    folders = [str(folder) for folder in data_folders]
    if not folders:
        raise UmsrepError("No data set given. Pass --data at least once.")
    parts = [data_package.load(folder) for folder in folders]
    for part in parts:
        objective.check(part)
    config = {
        **asdict(settings),
        "data": folders,
        "fingerprints": runs.fingerprints(folders),
    }
    with runs.RunWriter(out, "pretrain", config, resume, devices) as writer:
        if writer.complete:
            return storage.read_json(writer.path / "metrics.json")[task]
        used = precision.use(settings.precision)
        keras.utils.set_random_seed(settings.seed)
        sides = divide(objective, parts)
        training, validation = sides["train"], sides["validation"]
        for name in dict.fromkeys(("train", "validation", measured)):
            # Found out after hours of training, this would cost them.
            if not len(sides[name]):
                raise UmsrepError(
                    f"The {name} split of {', '.join(folders)} is empty. "
                    "Choose other split fractions, such as "
                    f"{' '.join(map(str, type(settings)().fractions))}."
                )
        writer.save_split(sides)
        with devices:
            model = objective.build(training)
            history, group = objective.train(
                model, training, validation, writer.checkpoint, progress
            )
        storage.write_csv(writer.path / "history.csv", history)
        metrics = objective.measure(model, sides[measured], writer.path)
        storage.write_json(writer.path / "metrics.json", {task: metrics})
        writer.save_model(model)
        writer.finish(
            {
                "strategy": None,
                "tasks": [task],
                "task_specs": {task: objective.spec(training)},
                "data": runs.describe_data(folders),
                "precision": used,
                "seconds": group.seconds,
                "epochs_run": group.epochs_run,
                "best_epochs": {task: group.schedule.best_epoch + 1},
                "measured": measured,
                "trainable_parameters": parameter_counts(model),
                **objective.entries(),
                "images": {name: len(side) for name, side in sides.items()},
            }
        )
    return metrics
