"""One loop for pre-training and all strategies.

A *lane* is a model with its own optimizer and batches. A *group* is lanes that
share weights and therefore a schedule: all lanes for alternating training, the
single lane of joint training, one group per task where tasks are independent.
"""

import time
from dataclasses import dataclass, field

import keras
import numpy as np
import pandas as pd

from umsrep.data.batches import Batches, ahead
from umsrep.progress import Progress
from umsrep.training.checkpoint import Checkpoint
from umsrep.training.schedule import Schedule


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
    """

    name: str
    model: keras.Model
    training: Batches
    validation: Batches
    run_length: int = 0
    whole: keras.Model | None = None

    def __post_init__(self):
        if self.whole is None:
            self.whole = self.model


@dataclass
class Group:
    """Lanes with a common schedule and a common best epoch."""

    lanes: list
    schedule: Schedule
    best: list = field(default_factory=list)
    step: int = 0
    seconds: float = 0.0
    epochs_run: int = 0

    @property
    def name(self):
        """The lanes' names, for the history's columns."""
        return "_".join(lane.name for lane in self.lanes)

    @property
    def steps_per_epoch(self):
        return sum(len(lane.training) for lane in self.lanes)

    def variables(self):
        """All variables of the lanes' models, each once, in a fixed order."""
        seen, result = set(), []
        for lane in self.lanes:
            metrics = {id(v) for m in lane.whole.metrics for v in m.variables}
            for variable in lane.whole.variables:
                if id(variable) not in seen and id(variable) not in metrics:
                    seen.add(id(variable))
                    result.append(variable)
        return result

    def keep_best(self):
        """Keeps the current weights as the best.

        The states of the optimizers are kept too, if the schedule returns to
        the best epoch.
        """
        kept = self.variables()
        if self.schedule.return_to_best:
            kept += self._optimizers()
        self.best = [np.asarray(v) for v in map(_numpy, kept)]

    def return_to_best(self):
        """Restores the best weights, and the optimizers' states if kept."""
        kept = self.variables()
        if self.schedule.return_to_best:
            kept += self._optimizers()
        for variable, value in zip(kept, self.best, strict=True):
            variable.assign(value)

    def _optimizers(self):
        return [
            v for lane in self.lanes for v in lane.model.optimizer.variables
        ]


def _numpy(variable):
    return keras.ops.convert_to_numpy(variable)


def train(
    groups: list[Group],
    epochs: int,
    checkpoint=None,
    title: str = "training",
    progress: bool = True,
) -> pd.DataFrame:
    """Trains groups of lanes for a number of epochs.

    Args:
        groups: List of `Group`.
        epochs: Number of epochs of every group, unless its schedule stops it
            earlier.
        checkpoint: Folder for the state after each epoch, or None. If it
            holds a state, training continues from there.
        title: Title of the progress bar.
        progress: Whether to show a progress bar.

    Returns:
        A data frame with one row per epoch: epoch (from 1); seconds of
        training and validation; for each group `learning_rate_<name>` and
        `val_loss_<name>` (what its schedule monitors); for each task
        `<task>_loss` and `val_<task>_loss`; and, where they are learned,
        `sigma_<task>` and what heads log. The models hold the weights of
        their best epoch.
    """
    keeper = Checkpoint(checkpoint, groups) if checkpoint else None
    history, start = [], 0
    if keeper is not None and keeper.exists():
        history, start = keeper.load()
    total = epochs * sum(group.steps_per_epoch for group in groups)
    done = start * sum(group.steps_per_epoch for group in groups)
    with Progress(title, total, done, enabled=progress) as bar:
        for epoch in range(start, epochs):
            if all(group.schedule.stopped for group in groups):
                break
            row = {"epoch": epoch + 1, **_set_epoch(groups, epoch)}
            for group in groups:
                if group.schedule.stopped:
                    bar.advance(group.steps_per_epoch)
                    continue
                row |= _run_epoch(group, epoch, epochs, bar)
            row["seconds"] = sum(
                value
                for key, value in row.items()
                if key.startswith("seconds_")
            )
            history.append(row)
            if keeper is not None:
                keeper.save(history, epoch + 1)
    for group in groups:
        group.return_to_best()
    return pd.DataFrame(history)


def _run_epoch(group, epoch, epochs, bar):
    begin = time.perf_counter()
    sums, counts = {}, {}
    row = {
        f"learning_rate_{group.name}": group.schedule.rate(
            group.step, epochs * group.steps_per_epoch
        )
    }
    for lane, (images, targets, weights) in _turns(group.lanes):
        lane.model.optimizer.learning_rate.assign(
            group.schedule.rate(group.step, epochs * group.steps_per_epoch)
        )
        logs = lane.model.train_on_batch(
            images, targets, sample_weight=weights, return_dict=True
        )
        group.step += 1
        for task in lane.model.tasks:
            count = float(weights[task].sum())
            sums[task] = sums.get(task, 0.0) + count * logs[f"{task}_loss"]
            counts[task] = counts.get(task, 0.0) + count
        bar.advance(1, f"epoch {epoch + 1}/{epochs} {group.name}")
    for task, value in sums.items():
        row[f"{task}_loss"] = value / max(counts[task], 1.0)
    monitored = 0.0
    for lane in group.lanes:
        losses = _validate(lane)
        row |= {f"val_{task}_loss": loss for task, loss in losses.items()}
        monitored += _monitored(group.schedule, lane, losses)
        sigmas = getattr(lane.model.balancer, "sigmas", dict)()
        row |= {f"sigma_{task}": value for task, value in sigmas.items()}
        for head in lane.model.heads:
            row |= {f"{k}_{head.name}": v for k, v in head.logs().items()}
    if group.schedule.update(epoch, monitored):
        group.keep_best()
    elif group.schedule.return_to_best and (
        group.schedule.reduced_epoch == epoch
    ):
        group.return_to_best()
    row[f"val_loss_{group.name}"] = monitored
    seconds = time.perf_counter() - begin
    group.seconds += seconds
    group.epochs_run = epoch + 1
    bar.describe(f"epoch {epoch + 1}/{epochs} {group.name} val {monitored:.4f}")
    row[f"seconds_{group.name}"] = seconds
    return row


def _monitored(schedule, lane, losses):
    """What the schedule monitors of one lane's validation losses."""
    if schedule.monitor == "losses":
        return sum(losses.values())
    values = {t: keras.ops.convert_to_tensor(v) for t, v in losses.items()}
    present = {t: keras.ops.convert_to_tensor(1.0) for t in losses}
    return float(_numpy(lane.model.balancer(values, present)))


def _set_epoch(groups, epoch):
    """Moves all batches to an epoch; the seconds of features tasks share."""
    begin = time.perf_counter()
    shared = False
    for group in groups:
        if group.schedule.stopped:
            continue
        for lane in group.lanes:
            for batches in (lane.training, lane.validation):
                shared |= batches.features is not None
            lane.training.set_epoch(epoch)
            lane.validation.set_epoch(0)
    if not shared:
        return {}
    return {"seconds_features": time.perf_counter() - begin}


def _turns(lanes):
    """(lane, batch) pairs: some batches of one lane, then of the next."""
    streams = [iter(ahead(lane.training)) for lane in lanes]
    left = [len(lane.training) for lane in lanes]
    while any(left):
        for number, lane in enumerate(lanes):
            turn = min(left[number], lane.run_length or left[number])
            for _ in range(turn):
                yield lane, next(streams[number])
            left[number] -= turn


def _validate(lane):
    """{task: mean loss} over the validation images that have the label."""
    sums, counts = {}, {}
    for images, targets, weights in ahead(lane.validation):
        logs = lane.model.test_on_batch(
            images, targets, sample_weight=weights, return_dict=True
        )
        for task in lane.model.tasks:
            count = float(weights[task].sum())
            sums[task] = sums.get(task, 0.0) + count * logs[f"{task}_loss"]
            counts[task] = counts.get(task, 0.0) + count
    return {t: sums[t] / counts[t] for t in sums if counts[t]}
