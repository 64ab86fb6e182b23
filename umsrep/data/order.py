"""Which images make up the batches of an epoch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from umsrep.errors import UmsrepError

Positions = NDArray[np.int_]
Truths = NDArray[np.bool_]


@dataclass(frozen=True)
class Order:
    """The batches of an epoch, all of one size.

    Attributes:
        positions: (batches, images per batch) positions in the data set.
        counted: The same shape; false for an image that only fills up the
            last batch, and has weight 0 there.
    """

    positions: Positions
    counted: Truths


def shuffled(
    count: int,
    batch_size: int,
    rng: np.random.Generator,
    labelled: Mapping[str, Truths] | None = None,
    shares: NDArray[np.float64] | None = None,
) -> Order:
    """A new order: every image is counted once, or as often as it is drawn.

    The last batch is filled up with the images that the epoch began with. A
    batch size that differs once an epoch would have every training function
    traced, and by XLA compiled, twice, and devices could not share the batch.
    The fill has weight 0, so losses and gradients are means over the counted
    images alone. Batch norms do see it, as they see images without a label in
    joint training: several real images serve them better than one repeated,
    or than the one or two that a short batch may hold.

    Args:
        count: Number of images.
        batch_size: Images per batch; fewer images make one batch, unfilled.
        rng: Generator of the order.
        labelled: {task: (count,) whether an image has its label}: each batch
            then holds a label of every task. Images change places between
            batches; where a task has fewer labels than there are batches, its
            images come again, in place of fill or of other images.
        shares: (count,) of sum 1: how often each image is drawn, instead of
            once (`data.balance`).

    Raises:
        UmsrepError: so many tasks do not go into a batch.
    """
    order = rng.permutation(count)
    if shares is not None:
        order = rng.permutation(_drawn(order, shares, rng))
    size = min(batch_size, count)
    batches = -(-count // size)
    positions = np.resize(order, (batches, size))
    counted = np.arange(positions.size).reshape(batches, size) < count
    if labelled:
        _complete(positions, counted, labelled, rng)
    return Order(positions, counted)


def _drawn(
    order: Positions, shares: NDArray[np.float64], rng: np.random.Generator
) -> Positions:
    """As many positions as there are images, by systematic sampling.

    An image of share s is drawn n s times, rounded down or up, and n s times
    in the mean over epochs.
    """
    count = len(order)
    edges = np.cumsum(shares[order]) * count
    picked = np.searchsorted(edges, np.arange(count) + rng.random(), "right")
    return order[np.minimum(picked, count - 1)]


def _complete(
    positions: Positions,
    counted: Truths,
    labelled: Mapping[str, Truths],
    rng: np.random.Generator,
) -> None:
    """Changes an order in place until every batch has every task."""
    table = np.stack(list(labelled.values()), axis=1)
    # (batches, tasks): labels that a batch counts.
    labels = (table[positions] * counted[..., None]).sum(axis=1)
    # The rarest first: what is there then stays.
    for task in np.argsort(table.sum(axis=0)):
        again = rng.permutation(np.flatnonzero(table[:, task]))
        if not len(again):
            continue
        lacking = np.flatnonzero(labels[:, task] == 0)
        for number, batch in enumerate(map(int, lacking)):
            if _exchange(positions, counted, table, labels, batch, task, rng):
                continue
            slot = _spare(positions, counted, table, labels, batch)
            if slot is None:
                raise UmsrepError(
                    f"A batch of {positions.shape[1]} images cannot hold a "
                    f"label of each of the tasks {', '.join(labelled)}. "
                    "Choose a larger batch size."
                )
            if counted[batch, slot]:
                labels[batch] -= table[positions[batch, slot]]
            positions[batch, slot] = again[number % len(again)]
            counted[batch, slot] = True
            labels[batch] += table[positions[batch, slot]]


def _exchange(
    positions: Positions,
    counted: Truths,
    table: Truths,
    labels: Positions,
    batch: int,
    task: int,
    rng: np.random.Generator,
) -> bool:
    """Takes a label from a batch with several, for an image; true if found."""
    for donor in rng.permutation(np.flatnonzero(labels[:, task] > 1)):
        for given in np.flatnonzero(counted[donor]):
            new = table[positions[donor, given]]
            if not new[task]:
                continue
            for taken in np.flatnonzero(counted[batch]):
                old = table[positions[batch, taken]]
                here = labels[batch] - old + new
                there = labels[donor] - new + old
                # No batch may lose a task that it has.
                if np.any((here == 0) & (labels[batch] > 0)) or np.any(
                    (there == 0) & (labels[donor] > 0)
                ):
                    continue
                first, second = (donor, given), (batch, taken)
                positions[first], positions[second] = (
                    positions[second],
                    positions[first],
                )
                labels[batch], labels[donor] = here, there
                return True
    return False


def _spare(
    positions: Positions,
    counted: Truths,
    table: Truths,
    labels: Positions,
    batch: int,
) -> int | None:
    """A place for one more image: fill, or one whose tasks have others."""
    fill = np.flatnonzero(~counted[batch])
    if len(fill):
        return int(fill[0])
    for slot in range(positions.shape[1]):
        left = labels[batch] - table[positions[batch, slot]]
        if not np.any((left == 0) & (labels[batch] > 0)):
            return slot
    return None
