"""The contract of a fine-tuning strategy."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from umsrep.data.balance import ClassBalance
from umsrep.errors import UmsrepError
from umsrep.finetuning.freezing import Frozen
from umsrep.finetuning.lanes import Lanes
from umsrep.finetuning.parameters import parameter_counts
from umsrep.finetuning.solving import solve
from umsrep.registry import Registry
from umsrep.training import Group, Release, Schedule, optimizers, totals, train
from umsrep.training.averaging import check_decay

registry = Registry("fine-tuning strategy", serializable=False)


@dataclass(frozen=True)
class History:
    """What `fit` returns.

    Attributes:
        table: Data frame, one row per epoch (see `training.train`).
        groups: `training.Group`s: what trained together, with its schedule,
            best epoch and seconds.
        trainable_parameters: As `parameter_counts`; what was frozen counts 0.
        cached: What was kept of a frozen encoder: {"draws": versions of each
            image, None for new ones each epoch, "gib": size, "in_memory"}, or
            None; with `--focus` {part: this} of its two trainings, or None.
    """

    table: pd.DataFrame
    groups: list
    trainable_parameters: dict
    cached: dict | None = None

    @property
    def class_counts(self):
        """{task: {class: {"images", "weight" or "share"}}} with a balance."""
        return {
            task: counts
            for group in self.groups
            for lane in group.lanes
            for task, counts in lane.training.class_counts.items()
        }

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
    makes exactly so many optimizer steps with its labels. Heads that can be
    solved (`Head.solve`) are, at the start; they make no steps as long as the
    encoder is frozen.

    A subclass implements `groups(model, lane)`: which tasks train together.

    Attributes:
        shares_model: Whether `fit` takes one model of all tasks; else a
            `SeparateModels`.
        adds_losses: Whether the tasks' losses are added up, so that a
            balancer weighs them.
        keeps_encoder: Whether the encoder must stay as it is.

    Args:
        optimizer: One of `training.optimizers.names()`; each lane gets its
            own. Or {task: name}, where tasks have one each; adam where a task
            is not named.
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
        weight_average: Decay of an exponential moving average of the weights
            and batch-norm statistics (`training.averaging`), such as 0.99, or
            None. Validation, the best epoch and the weights in the end are
            the average's; training goes on from the weights themselves.
        class_balance: A `data.ClassBalance`, or its method "sampling" or
            "weights", for label tasks; or None. It says what this does to
            probabilities.
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
        weight_average=None,
        class_balance=None,
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
        self.check(self.freeze, encoder_rate, release_after, optimizer)
        if weight_average is not None:
            check_decay(weight_average)
        self.weight_average = weight_average
        if isinstance(class_balance, str):
            class_balance = ClassBalance(class_balance)
        self.class_balance = class_balance

    @classmethod
    def check(
        cls, freeze, encoder_rate=1.0, release_after=None, optimizer="adam"
    ):
        """Raises unless these options go together.

        Args:
            freeze, encoder_rate, release_after, optimizer: As of the class.
        """
        if cls.adds_losses and isinstance(optimizer, Mapping):
            raise UmsrepError(
                f"optimizer={dict(optimizer)} with strategy {cls.__name__}, "
                "which has one loss and one optimizer for all tasks. Pass one "
                "name, or use Independent, Alternating or Separate."
            )
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

    def optimizer_of(self, name):
        """A new optimizer of a lane, by the lane's name."""
        chosen = self.optimizer
        if isinstance(chosen, Mapping):
            chosen = chosen.get(name, "adam")
        return optimizers.get(chosen)

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

        Heads that can be solved are, anew in each call.

        Args:
            model: A `MultiTaskModel`.
            train_data, validation_data: `data.Dataset`s; labels may be missing
                per image and task.
            epochs, batch_size: The budget, in passes over the images.
            seed: Seed of order and augmentation.
            augmentation: A `data.Augmentation`, or None.
            draws: How many augmented versions of each image there are; epochs
                go round them. None draws anew every epoch, except with
                `steps` on a frozen encoder, whose features are cached: then
                there are 8 versions, or as many as fit into `feature_memory`;
                where not even 4 fit, new ones without a cache.
            checkpoint: Folder for the state after each epoch; training goes
                on from a state found there.
            progress: Show a progress bar.
            steps: The budget, in optimizer steps of each task; the epochs are
                then equal parts of them, after which validation follows.
            watch: As of `training.train`.

        Returns:
            A `History`.

        Raises:
            UmsrepError: a task without labelled images, or with one class;
                a single epoch, with `release_after`.
        """
        _check(model, train_data, validation_data)
        self._check_optimizers(model)
        epochs, draws = _budget(epochs, steps, draws)
        if self.class_balance is not None:
            self.class_balance.check([train_data.task(t) for t in model.tasks])
        lane = Lanes(
            self,
            train_data,
            validation_data,
            {"batch_size": batch_size, "steps": steps},
            {"augmentation": augmentation, "draws": draws, "seed": seed},
        )
        with Frozen(model, self.freeze_batch_norms) as frozen:
            try:
                _adapt(model, train_data)
                lane.solved = solve(model, train_data, self.class_balance, seed)
                table, groups = self._train(
                    model, lane, frozen, epochs, checkpoint, progress, watch
                )
                # What was solved is learnt, and counts.
                frozen.choose(lane.frozen)
                counts = parameter_counts(model)
            finally:
                # The history that is returned refers to the batches.
                lane.release_stores()
        return History(table, groups, counts, lane.cached)

    def _check_optimizers(self, model):
        named = self.optimizer if isinstance(self.optimizer, Mapping) else {}
        unknown = [task for task in named if task not in model.tasks]
        if unknown:
            raise UmsrepError(
                f"optimizer: there is no task '{unknown[0]}'. Its tasks: "
                f"{', '.join(model.tasks)}."
            )

    def _train(self, model, lane, frozen, epochs, checkpoint, progress, watch):
        """(table, groups) of a training in one phase, or in two."""
        others = tuple(part for part in self.freeze if part != "encoder")
        released = self._release_epoch(epochs)
        lane.frozen = self.freeze if released is None else (*others, "encoder")
        kept = _heads(model, lane.solved) if "encoder" in lane.frozen else ()
        frozen.choose(lane.frozen, kept)
        lane.open_stores(model, checkpoint)
        groups = [
            Group(lanes, copy.deepcopy(self.schedule), self.weight_average)
            for lanes in self.groups(model, lane)
        ]

        def release():
            lane.release_stores()
            lane.frozen = others
            frozen.choose(others)
            return self.groups(model, lane)

        table = train(
            groups,
            epochs,
            checkpoint,
            title=type(self).__name__.lower(),
            progress=progress,
            release=released and Release(released, release),
            watch=watch,
        )
        return table, groups

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


def _budget(epochs, steps, draws):
    """(epochs, draws), no more than a budget has."""
    if steps is None:
        return epochs, draws if draws is None else min(draws, epochs)
    if int(steps) != steps or steps < 1:
        raise UmsrepError(
            f"steps={steps}: expected a whole number of at least 1, "
            "or None for passes over the images."
        )
    return min(epochs, steps), draws


def _heads(model, names):
    """The heads of these names."""
    parts = getattr(model, "models", [model])
    return [head for p in parts for head in p.heads if head.name in names]


def _adapt(model, train_data):
    """Lets every head take from the training images what it must know."""
    for part in getattr(model, "models", [model]):
        for head in part.heads:
            head.adapt(train_data)


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
