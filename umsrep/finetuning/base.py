"""The contract of a fine-tuning strategy."""

import copy
from dataclasses import dataclass
from pathlib import Path

import keras
import pandas as pd

from umsrep import backend
from umsrep import tasks as task_kinds
from umsrep.errors import UmsrepError
from umsrep.finetuning.features import FeatureStore, rest, size, sources
from umsrep.finetuning.freezing import Frozen, encoder_paths
from umsrep.finetuning.parameters import parameter_counts
from umsrep.model import MultiTaskModel
from umsrep.registry import Registry
from umsrep.training import (
    Group,
    Lane,
    RatePerPart,
    Release,
    Schedule,
    totals,
    train,
)

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
        keeps_encoder: Whether the encoder must stay as it is.

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
        encoder_rate: Share of the learning rate, above 0 and at most 1, at
            which the encoder learns. It scales the encoder's steps
            (`training.RatePerPart`). A tenth or a hundredth keeps what a
            representation has learnt where there are few labels.
        freeze_batch_norms: The encoder's batch norms stay as they are, in
            inference mode, while its other layers train: the statistics of
            small batches do not replace those of the images that the encoder
            was learnt on.
        release_after: Share of the epochs, between 0 and 1, for which the
            encoder is frozen at first; then it is released, and all but the
            other parts of `freeze` trains. The heads' optimizer goes on with
            what it remembers, the encoder's begins. The schedule is that of
            the whole training; see `Schedule.release` for plateaus and
            patience. The best epoch may lie in either phase.
    """

    shares_model = True
    adds_losses = False
    keeps_encoder = False

    def __init__(
        self,
        optimizer="adam",
        schedule=None,
        freeze=(),
        cache_features=True,
        feature_memory=2.0,
        xla=None,
        encoder_rate=1.0,
        freeze_batch_norms=False,
        release_after=None,
    ):
        self.xla = xla
        self.cache_features = cache_features
        self.feature_memory = feature_memory
        self.optimizer = optimizer
        self.schedule = schedule if schedule is not None else Schedule()
        self.freeze = (freeze,) if isinstance(freeze, str) else tuple(freeze)
        self.encoder_rate = encoder_rate
        self.freeze_batch_norms = freeze_batch_norms
        self.release_after = release_after
        self.check(self.freeze, encoder_rate, release_after)

    @classmethod
    def check(cls, freeze, encoder_rate=1.0, release_after=None):
        """Raises unless these options of the encoder go together.

        Args:
            freeze, encoder_rate, release_after: As of the class.
        """
        if not 0 < encoder_rate <= 1:
            raise UmsrepError(
                f"encoder_rate={encoder_rate}: expected a share of the "
                "learning rate, above 0 and at most 1, such as 0.1. Pass "
                "freeze='encoder' for an encoder that does not learn."
            )
        if release_after is not None and not 0 < release_after < 1:
            raise UmsrepError(
                f"release_after={release_after}: expected the share of the "
                "epochs with a frozen encoder, above 0 and below 1, such as "
                "0.3. Leave it out to train all from the start."
            )
        asked = [f"release_after={release_after}"] * (release_after is not None)
        asked += [f"encoder_rate={encoder_rate}"] * (encoder_rate != 1)
        if cls.keeps_encoder and asked:
            raise UmsrepError(
                f"{asked[0]} with strategy {cls.__name__}: tasks that are "
                "independent cannot share an encoder that learns. Use Joint, "
                "Alternating or Separate, or leave it out."
            )
        if encoder_rate != 1 and "encoder" in freeze and release_after is None:
            raise UmsrepError(
                f"encoder_rate={encoder_rate} with a frozen encoder, which "
                "does not learn. Leave 'encoder' out of freeze, or release it "
                "with release_after."
            )

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

        Returns:
            A `History`.

        Raises:
            UmsrepError: a task without labelled images, or with one class;
                a single epoch, with `release_after`.
        """
        _check(model, train_data, validation_data)
        if steps is not None:
            if int(steps) != steps or steps < 1:
                raise UmsrepError(
                    f"steps={steps}: expected a whole number of at least 1, "
                    "or None for passes over the images."
                )
            epochs = min(epochs, steps)
        elif draws is not None:
            # More would never be shown.
            draws = min(draws, epochs)
        released = self._release_epoch(epochs)
        drawn = {"augmentation": augmentation, "draws": draws, "seed": seed}
        budget = {"batch_size": batch_size, "steps": steps}
        lane = _Lanes(self, train_data, validation_data, budget, drawn)
        with Frozen(model, self.freeze_batch_norms) as frozen:
            try:
                _adapt(model, train_data)
                lane.frozen = self.freeze
                if released is not None:
                    lane.frozen = (*set(self.freeze) - {"encoder"}, "encoder")
                frozen.choose(lane.frozen)
                # With a number of steps, tasks are not at the same pass over
                # their images: they share versions that come again, but no
                # new ones.
                if steps is None or augmentation is None or draws is not None:
                    lane.stores = self._stores(model, lane, checkpoint)
                groups = [
                    Group(lanes, copy.deepcopy(self.schedule))
                    for lanes in self.groups(model, lane)
                ]

                def release():
                    lane.release_stores()
                    lane.frozen = tuple(
                        p for p in self.freeze if p != "encoder"
                    )
                    frozen.choose(lane.frozen)
                    return self.groups(model, lane)

                table = train(
                    groups,
                    epochs,
                    checkpoint,
                    title=type(self).__name__.lower(),
                    progress=progress,
                    release=released and Release(released, release),
                )
                counts = parameter_counts(model)
            finally:
                # The history that is returned refers to the batches.
                lane.release_stores()
        return History(table, groups, counts)

    def _release_epoch(self, epochs):
        """The first epoch in which the encoder trains, or None."""
        if self.release_after is None:
            return None
        if epochs < 2:
            raise UmsrepError(
                f"release_after={self.release_after} with {epochs} epoch: "
                "expected at least 2, one before and one after the release. "
                "Give more epochs; a budget in steps is divided into them."
            )
        return min(max(round(self.release_after * epochs), 1), epochs - 1)

    def _stores(self, model, lane, folder):
        """Feature stores of (training, validation) images, or None."""
        drawn = lane.drawn
        if not self.cache_features or "encoder" not in lane.frozen:
            return None
        if backend.shards() > 1:
            # One device would compute what each can for its own share.
            return None
        if not isinstance(model, MultiTaskModel):
            return None
        if any(head.kind == "attention" for head in model.heads):
            # Its targets follow the image's geometry at full size.
            return None
        names = sources(model, lane.frozen)
        pictured = [
            task
            for task in model.tasks
            if task_kinds.of(lane.train_data.task(task)).place
            != task_kinds.CELL
        ]
        train_data, validation_data = (
            data.subset(_any_label(data, model.tasks))
            for data in (lane.train_data, lane.validation_data)
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
        budget: {"batch_size", "steps"} of `FineTuning.fit`.
        drawn: {"augmentation", "draws", "seed"} of the training batches.

    Attributes:
        frozen: Names of the parts that are frozen.
        stores: `FeatureStore`s of (training, validation) images, or None.
    """

    def __init__(self, strategy, train_data, validation_data, budget, drawn):
        self.strategy = strategy
        self.train_data = train_data
        self.validation_data = validation_data
        self.frozen = ()
        self.stores = None
        # {name of a lane: its optimizer while the encoder is frozen}
        self._optimizers = {}
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
        inputs = sources(view, self.frozen) if stores else ()
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
            self._optimizer(name, trained),
            jit_compile=trained.jit(strategy.xla),
        )
        if strategy.release_after is not None:
            # Before the release, where a resumed training has made no step.
            trained.optimizer.build(trained.trainable_variables)
        return Lane(
            name,
            trained,
            batches(self.train_data, training, shuffle=True, **drawn),
            batches(self.validation_data, validation, seed=self.drawn["seed"]),
            run_length,
            whole=view,
            steps=self.steps,
        )

    def _optimizer(self, name, model):
        """A new optimizer; after a release, one that goes on with the heads."""
        strategy = self.strategy
        new = keras.optimizers.get(strategy.optimizer)
        if "encoder" in self.frozen:
            self._optimizers[name] = new
            return new
        before = self._optimizers.get(name)
        if before is None and strategy.encoder_rate == 1:
            return new
        return RatePerPart(
            before or keras.optimizers.get(strategy.optimizer),
            new,
            encoder_paths(model.representation),
            strategy.encoder_rate,
        )

    def release_stores(self):
        """Frees the memory of the stores; lanes made later have none."""
        for store in self.stores or ():
            store.release()
        self.stores = None


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
