"""One loop for pre-training and all strategies.

What it trains are the groups of lanes of `training.lanes`.
"""

import time
from collections.abc import Callable, Sequence

import keras
import numpy as np
import pandas as pd

from umsrep import distribution
from umsrep.data.batches import ahead
from umsrep.progress import Progress
from umsrep.training.checkpoint import Checkpoint
from umsrep.training.lanes import Group, Release


def _numpy(variable):
    return keras.ops.convert_to_numpy(variable)


def train(
    groups: list[Group],
    epochs: int,
    checkpoint=None,
    title: str = "training",
    progress: bool = True,
    release: Release | None = None,
    watch: Sequence[Callable[[int], dict[str, float]]] = (),
) -> pd.DataFrame:
    """Trains groups of lanes for a number of epochs.

    Args:
        groups: List of `Group`.
        epochs: Number of epochs of every group, unless its schedule stops it
            earlier; of lanes with a number of steps, the parts of these.
        checkpoint: Folder for the state after each epoch, or None. If it
            holds a state, training continues from there.
        title: Title of the progress bar.
        progress: Whether to show a progress bar.
        release: What happens when more of the networks begins to learn, or
            None. Groups that their schedules stop before wait for it.
        watch: Functions called after each epoch with its number, from 1; the
            numbers that they return by name are columns of the history.

    Returns:
        A data frame with one row per epoch: epoch (from 1); seconds of
        training and validation; for each group `learning_rate_<name>` and
        `val_loss_<name>` (what its schedule monitors); for each task
        `<task>_loss` and `val_<task>_loss`, `steps_<task>` (optimizer steps
        with a label of the task) and `labels_<task>` (labelled images seen);
        and what balancers (`sigma_<task>`, `loss_weight_<task>`) and heads log;
        and what is watched. The models hold the weights of their best epoch.
    """
    keeper = Checkpoint(checkpoint, groups) if checkpoint else None
    history, start = [], 0
    if keeper is not None and keeper.exists():
        history, start = keeper.load(release)
    done, total = (
        sum(group.steps_before(epoch, epochs) for group in groups)
        for epoch in (start, epochs)
    )
    # Of several workers, one reports.
    enabled = progress and distribution.leads()
    with Progress(title, total, done, enabled) as bar:
        for epoch in range(start, epochs):
            if release is not None and epoch >= release.epoch:
                release(groups)
            waiting = release is not None and not release.done
            stopped = all(group.schedule.stopped for group in groups)
            if stopped and not waiting:
                break
            row = {"epoch": epoch + 1, **_set_epoch(groups, epoch, epochs)}
            for group in groups:
                if group.schedule.stopped:
                    _pass(group.lanes, group, epoch, epochs, bar)
                    continue
                row |= _run_epoch(group, epoch, epochs, bar)
            row["seconds"] = sum(
                value
                for key, value in row.items()
                if key.startswith("seconds_")
            )
            for watched in watch:
                row |= watched(epoch + 1)
            if not stopped:
                history.append(row)
            if keeper is not None:
                keeper.save(history, epoch + 1)
    for group in groups:
        group.return_to_best()
    return pd.DataFrame(history)


def totals(history: pd.DataFrame, counted: str) -> dict[str, int]:
    """Steps or labelled images of each task in a whole training.

    Args:
        history: As returned by `train`.
        counted: "steps" or "labels".

    Returns:
        {task: count}.
    """
    prefix = f"{counted}_"
    return {
        column.removeprefix(prefix): int(history[column].sum())
        for column in history.columns
        if column.startswith(prefix)
    }


def _run_epoch(group, epoch, epochs, bar):
    begin = time.perf_counter()
    total = group.steps_before(epochs, epochs)
    rate = group.schedule.rate(group.step, total)
    idle = [lane for lane in group.lanes if lane.idle]
    _pass(idle, group, epoch, epochs, bar)
    row = {f"learning_rate_{group.name}": rate} | _train(
        group,
        total,
        bar,
        f"epoch {epoch + 1}/{epochs} {group.name}",
        first=epoch == 0,
    )
    with group.averaged():
        monitored = _validated(group, row)
        better = group.schedule.update(epoch, monitored)
        if better:
            group.keep_best()
    if (
        not better
        and group.schedule.return_to_best
        and group.schedule.reduced_epoch == epoch
    ):
        group.return_to_best()
    row[f"val_loss_{group.name}"] = monitored
    seconds = time.perf_counter() - begin
    if group.idle:
        # Nothing will change, unless more is released.
        group.schedule.stopped = True
    if epoch == 0:
        seconds += sum(lane.seconds_before for lane in group.lanes)
    group.seconds += seconds
    group.epochs_run = epoch + 1
    bar.describe(f"epoch {epoch + 1}/{epochs} {group.name} val {monitored:.4f}")
    row[f"seconds_{group.name}"] = seconds
    return row


def _pass(lanes, group, epoch, epochs, bar):
    """Passes over the steps of an epoch that lanes of a group do not make."""
    for lane in lanes:
        before, after = (
            lane.steps_before(number, epochs) for number in (epoch, epoch + 1)
        )
        bar.advance(after - before)
        if lane.idle:
            # The schedule goes by the steps of the whole training.
            group.step += after - before


def _validated(group, row):
    """What the group's schedule monitors; adds what is logged to `row`."""
    monitored = 0.0
    for lane in group.lanes:
        losses = _validate(lane)
        row |= {f"val_{task}_loss": loss for task, loss in losses.items()}
        monitored += _monitored(group.schedule, lane, losses)
        row |= lane.model.balancer.logs()
        for head in lane.model.heads:
            row |= {f"{k}_{head.name}": v for k, v in head.logs().items()}
    return monitored


def _train(group, total, bar, title, first):
    """{column: value} of an epoch's training: losses, steps and labels."""
    # {task: value}: sum of losses, labelled images, steps with one of them.
    sums, labels, steps = {}, {}, {}
    for lane, (images, targets, weights) in _turns(group.lanes):
        lane.model.optimizer.learning_rate.assign(
            group.schedule.rate(group.step, total)
        )
        images, targets, weights = lane.companion.before(
            images, targets, weights, training=True
        )
        logs = lane.model.train_on_batch(
            images, targets, sample_weight=weights, return_dict=True
        )
        group.step += 1
        lane.companion.after(group.step, total)
        if group.average is not None:
            group.average.update()
        for task in lane.model.tasks:
            count = int(np.count_nonzero(weights[task]))
            sums[task] = sums.get(task, 0.0) + count * logs[f"{task}_loss"]
            labels[task] = labels.get(task, 0) + count
            steps[task] = steps.get(task, 0) + (count > 0)
        bar.advance(1, title)
    row = {f"{t}_loss": value / max(labels[t], 1) for t, value in sums.items()}
    for task in sums:
        row[f"steps_{task}"] = steps[task]
        row[f"labels_{task}"] = labels[task]
    for lane in group.lanes:
        for task, solved in lane.solved.items():
            row[f"{task}_loss"] = solved.loss
            row[f"steps_{task}"] = 0
            row[f"labels_{task}"] = solved.images if first else 0
    return row


def _monitored(schedule, lane, losses):
    """What the schedule monitors of one lane's validation losses."""
    if schedule.monitor == "losses":
        return sum(losses.values())
    values = {t: keras.ops.convert_to_tensor(v) for t, v in losses.items()}
    present = {t: keras.ops.convert_to_tensor(1.0) for t in losses}
    return float(_numpy(lane.model.balancer(values, present)))


def _set_epoch(groups, epoch, epochs):
    """Moves all batches to an epoch; the seconds of features tasks share."""
    begin = time.perf_counter()
    shared = False
    for group in groups:
        if group.schedule.stopped:
            continue
        for lane in group.lanes:
            for batches in (lane.training, lane.validation):
                shared |= batches.features is not None
            lane.begin(epoch, epochs)
    if not shared:
        return {}
    return {"seconds_features": time.perf_counter() - begin}


def _turns(lanes):
    """(lane, batch) pairs: some batches of one lane, then of the next."""
    streams = [iter(ahead(lane.current)) for lane in lanes]
    left = [len(lane.current) for lane in lanes]
    while any(left):
        for number, lane in enumerate(lanes):
            turn = min(left[number], lane.run_length or left[number])
            for _ in range(turn):
                yield lane, next(streams[number])
            left[number] -= turn


def _validate(lane):
    """{task: mean loss} over the validation images that have the label."""
    sums, counts = {}, {}
    for batch in ahead(lane.validation):
        images, targets, weights = lane.companion.before(*batch, training=False)
        logs = lane.model.test_on_batch(
            images, targets, sample_weight=weights, return_dict=True
        )
        for task in lane.model.tasks:
            count = float(weights[task].sum())
            sums[task] = sums.get(task, 0.0) + count * logs[f"{task}_loss"]
            counts[task] = counts.get(task, 0.0) + count
    return {t: sums[t] / counts[t] for t in sums if counts[t]}
