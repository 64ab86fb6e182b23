"""The contract of a fine-tuning strategy."""

import copy
from dataclasses import dataclass

import keras
import pandas as pd

from umsrep.errors import UmsrepError
from umsrep.finetuning.parameters import parameter_counts
from umsrep.registry import Registry
from umsrep.training import Group, Lane, Schedule, train

registry = Registry("fine-tuning strategy", serializable=False)


@dataclass(frozen=True)
class History:
    """What `fit` returns.

    Attributes:
        table: Data frame, one row per epoch (see `training.train`).
        groups: `training.Group`s: what trained together, with its schedule,
            best epoch and seconds.
        trainable_parameters: As `parameter_counts`; what was frozen counts 0.
    """

    table: pd.DataFrame
    groups: list
    trainable_parameters: dict

    @property
    def seconds(self):
        """Seconds of training and validation, of all tasks together."""
        return sum(group.seconds for group in self.groups)


class FineTuning:
    """Trains a model's heads, and by strategy its representation (abstract).

    Every strategy sees each labelled image of each task once per epoch, so
    that strategies compare at the same data, seed and budget.

    A subclass implements `groups(model, lane)`: which tasks train together.

    Args:
        optimizer: Name of a Keras optimizer; each lane gets its own.
        schedule: A `training.Schedule`; each group gets its own copy.
        freeze: Parts of the representation that stay as they are, bit by bit,
            with their batch norms in inference mode ("encoder", "decoder").
    """

    def __init__(self, optimizer="adam", schedule=None, freeze=()):
        self.optimizer = optimizer
        self.schedule = schedule if schedule is not None else Schedule()
        self.freeze = (freeze,) if isinstance(freeze, str) else tuple(freeze)

    def groups(self, model, lane):
        """Groups of lanes.

        Args:
            model: The `MultiTaskModel`.
            lane: `lane(name, model, run_length=0)` makes a lane for the tasks
                of a model (a view).
        """
        raise NotImplementedError

    def fit(
        self,
        model,
        train_data,
        validation_data,
        epochs=20,
        batch_size=16,
        seed=0,
        augmentation=None,
        checkpoint=None,
        progress=True,
    ):
        """Trains, and leaves the model at its best validation epoch.

        Args:
            model: A `MultiTaskModel`.
            train_data, validation_data: `data.Dataset`s; labels may be missing
                per image and task.
            epochs, batch_size: The budget.
            seed: Of order and augmentation.
            augmentation: A `data.Augmentation`, or None.
            checkpoint: Folder for the state after each epoch; training goes
                on from a state found there.
            progress: Show a progress bar.

        Returns:
            A `History`.

        Raises:
            UmsrepError: a task without labelled images, or with one class.
        """
        for data, what in (
            (train_data, "training"),
            (validation_data, "validation"),
        ):
            data.require(model.tasks, what)
        channels = model.representation.image_shape[-1]
        if model.representation.image_shape[:2] != train_data.image_size:
            raise UmsrepError(
                f"The representation takes images of "
                f"{model.representation.image_shape[:2]}, but data set "
                f"'{train_data.name}' has {train_data.image_size}. Prepare "
                "the data at the representation's size."
            )

        def lane(name, view, run_length=0):
            def batches(data, **options):
                data = data.subset(_any_label(data, view.tasks))
                return data.batches(
                    batch_size,
                    tasks=view.tasks,
                    seed=seed,
                    channels=channels,
                    **options,
                )

            view.compile(keras.optimizers.get(self.optimizer))
            return Lane(
                name,
                view,
                batches(train_data, shuffle=True, augmentation=augmentation),
                batches(validation_data),
                run_length,
            )

        frozen = [
            layer
            for one in getattr(model, "models", [model])
            for part in self.freeze
            for layer in one.representation.part(part)
        ]
        before = [layer.trainable for layer in frozen]
        for layer in frozen:
            layer.trainable = False
        try:
            groups = [
                Group(lanes, copy.deepcopy(self.schedule))
                for lanes in self.groups(model, lane)
            ]
            counts = parameter_counts(model)
            history = train(
                groups,
                epochs,
                checkpoint,
                title=type(self).__name__.lower(),
                progress=progress,
            )
        finally:
            for layer, trainable in zip(frozen, before, strict=True):
                layer.trainable = trainable
        return History(history, groups, counts)


def _any_label(data, tasks):
    return sum(data.labelled(task).astype(int) for task in tasks) > 0
