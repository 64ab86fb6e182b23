"""What trains together: lanes, and groups of them.

A *lane* is a model with its own optimizer and batches. A *group* is lanes that
share weights and therefore a schedule: all lanes for alternating training, the
single lane of joint training, one group per task where tasks are independent.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras

from umsrep.data.batches import Batches
from umsrep.training.averaging import WeightAverage
from umsrep.training.schedule import Schedule


class Stretch:
    """Batches in a row, over the ends of epochs.

    Args:
        batches: `Batches`.
        first: Number of the first one, counted from the first epoch on.
        count: How many.
    """

    def __init__(self, batches: Batches, first: int, count: int) -> None:
        self.batches, self.first, self.count = batches, first, count
        per_epoch = len(batches)
        last = (first + max(count, 1) - 1) // per_epoch
        for epoch in range(first // per_epoch, last + 1):
            batches.prepare(epoch)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[Any, dict, dict]:
        epoch, number = divmod(self.first + number, len(self.batches))
        return self.batches.batch(epoch, number)


class Companion:
    """What goes along with a lane's training, step by step (abstract).

    It may complete batches before the model sees them, such as by targets
    that a teacher predicts, and follow the model after each step. Both happen
    in the order of the steps, so a training that goes on is the same.
    """

    @property
    def variables(self) -> list:
        """What is kept with the weights: in checkpoints, of the best epoch."""
        return []

    def before(
        self, images: Any, targets: dict, weights: dict, training: bool
    ) -> tuple[Any, dict, dict]:
        """A batch as the model gets it.

        Args:
            images, targets, weights: A batch of the lane's batches.
            training: Whether a step of training follows, or validation.
        """
        return images, targets, weights

    def after(self, step: int, total: int) -> None:
        """Called after each step of training.

        Args:
            step: Number of steps done.
            total: Number of steps of the whole training.
        """


@dataclass
class Lane:
    """A compiled model, its training batches and its validation batches.

    Attributes:
        name: Name in the history's columns (a task's name, or "joint").
        model: A compiled `MultiTaskModel`.
        training, validation: `Batches`.
        run_length: Number of its batches before it is the next lane's turn; 0
            means all of them.
        whole: The model that starts from images, if `model` starts from the
            features of its frozen part; by default the same as `model`.
        steps: Optimizer steps in all. An epoch is then an equal part of them,
            whatever the number of images; None: a pass over the images.
        companion: A `Companion`; the default does nothing.
        idle: Whether nothing of the model trains; then it makes no steps.
        solved: {task: its `loss` and `images`} of heads that were solved
            before, and stay as they are.
        seconds_before: What solving them took.
        current: The training batches of the epoch that was begun.
    """

    name: str
    model: keras.Model
    training: Batches
    validation: Batches
    run_length: int = 0
    whole: keras.Model | None = None
    steps: int | None = None
    companion: Companion = field(default_factory=Companion)
    idle: bool = False
    solved: dict[str, Any] = field(default_factory=dict)
    seconds_before: float = 0.0
    current: Any = field(init=False)

    def __post_init__(self):
        if self.whole is None:
            self.whole = self.model
        self.current = self.training

    def steps_before(self, epoch: int, epochs: int) -> int:
        """Steps of the epochs before one of `epochs`, counted from 0."""
        if self.steps is None:
            return epoch * len(self.training)
        return self.steps * epoch // epochs

    def begin(self, epoch: int, epochs: int) -> None:
        """Moves to an epoch, counted from 0."""
        if self.idle:
            self.current = ()
        elif self.steps is None:
            self.training.set_epoch(epoch)
        else:
            first = self.steps_before(epoch, epochs)
            count = self.steps_before(epoch + 1, epochs) - first
            self.current = Stretch(self.training, first, count)
        self.validation.set_epoch(0)


@dataclass
class Group:
    """Lanes with a common schedule and a common best epoch.

    With a decay `weight_average`, validation, the best epoch and the weights
    in the end are those of the moving average (`WeightAverage`).
    """

    lanes: list
    schedule: Schedule
    weight_average: float | None = None
    best: list = field(default_factory=list)
    best_optimizers: list = field(default_factory=list)
    step: int = 0
    seconds: float = 0.0
    epochs_run: int = 0
    average: WeightAverage | None = field(default=None, init=False)

    def __post_init__(self):
        if self.weight_average is not None:
            self.average = WeightAverage(self.variables(), self.weight_average)

    def averaged(self):
        """A context in which the models hold their averaged weights."""
        if self.average is None:
            return contextlib.nullcontext()
        return self.average.in_place()

    @property
    def idle(self):
        """Whether nothing in it trains."""
        return all(lane.idle for lane in self.lanes)

    @property
    def name(self):
        """The lanes' names, for the history's columns."""
        return "_".join(lane.name for lane in self.lanes)

    def steps_before(self, epoch: int, epochs: int) -> int:
        """As of `Lane`, of all its lanes."""
        return sum(lane.steps_before(epoch, epochs) for lane in self.lanes)

    def variables(self):
        """All variables of the lanes' models, each once, in a fixed order."""
        seen, result = set(), []
        for lane in self.lanes:
            metrics = {id(v) for m in lane.whole.metrics for v in m.variables}
            for variable in [
                *lane.whole.variables,
                *lane.companion.variables,
            ]:
                if id(variable) not in seen and id(variable) not in metrics:
                    seen.add(id(variable))
                    result.append(variable)
        return result

    def keep_best(self):
        """Keeps the current weights as the best.

        The states of the optimizers are kept too, if the schedule returns to
        the best epoch.
        """
        self.best = _values(self.variables())
        if self.schedule.return_to_best:
            self.best_optimizers = _values(self._optimizers())

    def return_to_best(self):
        """Restores the best weights, and the optimizers' states if kept."""
        _assign(self.variables(), self.best)
        if self.best_optimizers:
            _assign(self._optimizers(), self.best_optimizers)
        if self.average is not None:
            self.average.restart()

    def release(self, lanes, epoch):
        """Goes on with lanes in which more of the network learns.

        Args:
            lanes: `Lane`s of the same names and models as before.
            epoch: The first epoch of these, counted from 0.
        """
        self.lanes = lanes
        self.schedule.release(epoch)
        # Those of before have other slots.
        self.best_optimizers = []

    def _optimizers(self):
        return [
            v for lane in self.lanes for v in lane.model.optimizer.variables
        ]


@dataclass
class Release:
    """From an epoch on, more of the networks learns.

    Attributes:
        epoch: The first such epoch, counted from 0.
        lanes: Called once, then: releases what was frozen, and returns the
            lanes of each group.
        done: Whether that has been.
    """

    epoch: int
    lanes: Callable[[], list[list[Lane]]]
    done: bool = False

    def __call__(self, groups: list[Group]) -> None:
        """Releases, unless that has been done."""
        if self.done:
            return
        self.done = True
        for group, lanes in zip(groups, self.lanes(), strict=True):
            group.release(lanes, self.epoch)


def _values(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
