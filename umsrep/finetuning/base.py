"""The contract of a fine-tuning strategy."""

import contextlib
import copy
from dataclasses import dataclass
from pathlib import Path

import keras
import pandas as pd

from umsrep import backend
from umsrep import tasks as task_kinds
from umsrep.errors import UmsrepError
from umsrep.finetuning.features import FeatureStore, rest, size, sources
from umsrep.finetuning.parameters import parameter_counts
from umsrep.model import MultiTaskModel
from umsrep.registry import Registry
from umsrep.training import Group, Lane, Schedule, totals, train

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
        """Seconds of training and validation, of all tasks together, with
        those of the features that they share."""
        return float(self.table["seconds"].sum())

    @property
    def steps(self):
        """{task: optimizer steps with a label of the task}."""
        return totals(self.table, "steps")

    @property
    def labels(self):
        """{task: labelled images seen, each time anew}."""
        return totals(self.table, "labels")


class FineTuning:
    """Trains a model's heads, and by strategy its representation (abstract).

    Two budgets are the same for every strategy. With `epochs` alone, each task
    sees each of its labelled images once per epoch, in a new order each time;
    a task with few labels then makes fewer steps by itself than in joint
    training, whose batches hold every task's images. With `steps`, each task
    makes exactly so many optimizer steps with its labels.

    A subclass implements `groups(model, lane)`: which tasks train together.

    Attributes:
        shares_model: Whether `fit` takes one model of all tasks; else a
            `SeparateModels`.
        adds_losses: Whether the tasks' losses are added up, so that a
            balancer weighs them.

    Args:
        optimizer: Name of a Keras optimizer; each lane gets its own.
        schedule: A `training.Schedule`; each group gets its own copy.
        freeze: Parts of the representation that stay as they are, bit by bit,
            with their batch norms in inference mode ("encoder", "decoder").
        cache_features: Where the encoder is frozen, compute its features once
            per version of an image, for all tasks, instead of once per task.
            The weights that come out are the same up to rounding. Without
            effect where several devices train.
        feature_memory: GiB of features to keep in memory; what needs more
            lies in a memory-mapped file, if its versions come again
            (`draws`), and is not kept if they do not.
        xla: Compile with XLA; None is where it helps (`backend.xla_helps`).
    """

    shares_model = True
    adds_losses = False

    def __init__(
        self,
        optimizer="adam",
        schedule=None,
        freeze=(),
        cache_features=True,
        feature_memory=2.0,
        xla=None,
    ):
        self.xla = xla
        self.cache_features = cache_features
        self.feature_memory = feature_memory
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
        draws=None,
        checkpoint=None,
        progress=True,
        steps=None,
        watch=(),
    ):
        """Trains, and leaves the model at its best validation epoch.

        Args:
            model: A `MultiTaskModel`.
            train_data, validation_data: `data.Dataset`s; labels may be missing
                per image and task.
            epochs, batch_size: The budget, in passes over the images.
            seed: Seed of order and augmentation.
            augmentation: A `data.Augmentation`, or None.
            draws: How many augmented versions of each image there are; epochs
                go round them. None draws anew every epoch. A few draws make
                a frozen encoder cheaper still.
            checkpoint: Folder for the state after each epoch; training goes
                on from a state found there.
            progress: Show a progress bar.
            steps: The budget, in optimizer steps of each task; the epochs are
                then equal parts of them, after which validation follows.
            watch: As of `training.train`.

        Returns:
            A `History`.

        Raises:
            UmsrepError: a task without labelled images, or with one class.
        """
        _check(model, train_data, validation_data)
        if steps is not None:
            _check_steps(steps)
            epochs = min(epochs, steps)
        elif draws is not None:
            # More would never be shown.
            draws = min(draws, epochs)
        drawn = {"augmentation": augmentation, "draws": draws, "seed": seed}
        stores = None
        # With a number of steps, tasks are not at the same pass over their
        # images: they share versions that come again, but no new ones.
        if steps is None or augmentation is None or draws is not None:
            stores = self._stores(
                model, train_data, validation_data, drawn, checkpoint
            )
        budget = {"batch_size": batch_size, "steps": steps}
        lane = _Lanes(self, train_data, validation_data, stores, budget, drawn)
        try:
            _adapt(model, train_data)
            with self._frozen(model):
                groups = [
                    Group(lanes, copy.deepcopy(self.schedule))
                    for lanes in self.groups(model, lane)
                ]
                counts = parameter_counts(model)
                table = train(
                    groups,
                    epochs,
                    checkpoint,
                    title=type(self).__name__.lower(),
                    progress=progress,
                    watch=watch,
                )
        finally:
            for store in stores or ():
                # The history that is returned refers to the batches.
                store.release()
        return History(table, groups, counts)

    @contextlib.contextmanager
    def _frozen(self, model):
        """Keeps the frozen parts' layers from training, and undoes it."""
        layers = [
            layer
            for each in getattr(model, "models", [model])
            for part in self.freeze
            for layer in each.representation.part(part)
        ]
        before = [layer.trainable for layer in layers]
        for layer in layers:
            layer.trainable = False
        try:
            yield
        finally:
            for layer, trainable in zip(layers, before, strict=True):
                layer.trainable = trainable

    def _stores(self, model, train_data, validation_data, drawn, folder):
        """Feature stores of (training, validation) images, or None."""
        if not self.cache_features or "encoder" not in self.freeze:
            return None
        if backend.shards() > 1:
            # One device would compute what each can for its own share.
            return None
        if not isinstance(model, MultiTaskModel):
            return None
        if any(head.kind == "attention" for head in model.heads):
            # Its targets follow the image's geometry at full size.
            return None
        names = sources(model, self.freeze)
        pictured = [
            task
            for task in model.tasks
            if task_kinds.of(train_data.task(task)).place != task_kinds.CELL
        ]
        train_data, validation_data = (
            data.subset(_any_label(data, model.tasks))
            for data in (train_data, validation_data)
        )
        memory = self.feature_memory * 2**30
        needed = size(model, names, train_data, pictured)
        if drawn["augmentation"] is not None:
            needed *= drawn["draws"] or 1
        # A file that is written anew every epoch saves no time.
        anew = drawn["augmentation"] is not None and drawn["draws"] is None
        if anew and needed > memory:
            return None
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
        options = {"tasks": pictured, "folder": folder}
        rest_of_memory = memory - needed if needed <= memory else memory
        training = FeatureStore(
            model, names, train_data, memory=memory, **options, **drawn
        )
        validation = FeatureStore(
            model,
            names,
            validation_data,
            memory=rest_of_memory,
            seed=drawn["seed"],
            **options,
        )
        return training, validation


def _check_steps(steps):
    if int(steps) != steps or steps < 1:
        raise UmsrepError(
            f"steps={steps}: expected a whole number of at least 1, or None "
            "for passes over the images."
        )


def _adapt(model, train_data):
    """Lets every head take from the training images what it must know."""
    for part in getattr(model, "models", [model]):
        for head in part.heads:
            head.adapt(train_data)


class _Lanes:
    """Makes the lanes of one training, each of the tasks of one model.

    Args:
        strategy: The `FineTuning`.
        train_data, validation_data: As of `FineTuning.fit`.
        stores: `FeatureStore`s of (training, validation) images, or None.
        budget: {"batch_size", "steps"} of `FineTuning.fit`.
        drawn: {"augmentation", "draws", "seed"} of the training batches.
    """

    def __init__(
        self, strategy, train_data, validation_data, stores, budget, drawn
    ):
        self.strategy = strategy
        self.train_data = train_data
        self.validation_data = validation_data
        self.stores = stores
        self.batch_size = budget["batch_size"]
        self.steps = budget["steps"]
        self.drawn = drawn

    def __call__(self, name, view, run_length=0):
        """The `Lane` of a model, compiled, with its batches.

        Args:
            name: Name of the lane.
            view: A `MultiTaskModel`.
            run_length: As of `Lane`.
        """
        strategy, stores = self.strategy, self.stores
        inputs = sources(view, strategy.freeze) if stores else ()
        options = {
            "batch_size": self.batch_size,
            "tasks": view.tasks,
            "channels": view.representation.image_shape[-1],
            "inputs": inputs,
        }

        def batches(data, store, **more):
            data = data.subset(_any_label(data, view.tasks))
            return data.batches(features=store, **options, **more)

        drawn = {**self.drawn, "every_task": self.steps is not None}
        training, validation = stores or (None, None)
        trained = rest(view, inputs) if stores else view
        trained.compile(
            keras.optimizers.get(strategy.optimizer),
            jit_compile=trained.jit(strategy.xla),
        )
        return Lane(
            name,
            trained,
            batches(self.train_data, training, shuffle=True, **drawn),
            batches(self.validation_data, validation, seed=self.drawn["seed"]),
            run_length,
            whole=view,
            steps=self.steps,
        )


def _check(model, train_data, validation_data):
    """Raises unless the tasks can be learnt from images of this size."""
    train_data.require(model.tasks, "training")
    validation_data.require(model.tasks, "validation")
    if model.representation.image_shape[:2] != train_data.image_size:
        raise UmsrepError(
            f"The representation takes images of "
            f"{model.representation.image_shape[:2]}, but data set "
            f"'{train_data.name}' has {train_data.image_size}. Prepare "
            "the data at the representation's size."
        )


def _any_label(data, tasks):
    return sum(data.labelled(task).astype(int) for task in tasks) > 0
