"""Heads that are solved on the features of a frozen encoder."""

import time
from dataclasses import dataclass

import keras
import numpy as np

from umsrep import backend
from umsrep.data import ClassBalance
from umsrep.data.batches import ahead
from umsrep.data.owners import owners

BATCH_SIZE = 32


@dataclass(frozen=True)
class Solved:
    """What is recorded of a head that was solved.

    Attributes:
        loss: Mean loss on the training images, as they are.
        images: Labelled training images.
        seconds: Of reading their features and solving.
    """

    loss: float
    images: int
    seconds: float


def columns_of(model, head):
    """The symbolic columns that a head is solved on, or None.

    Args:
        model: The `MultiTaskModel` of the head.
        head: One of its heads. One that reads what another head provides, or
            a decoder, which may train, is trained like any other.
    """
    representation = model.representation
    there = representation.output
    for name in head.feature_names:
        if name not in there or tuple(representation.sources(name)) != (name,):
            return None
    return head.columns([there[name] for name in head.feature_names])


def solve(model, dataset, balance=None, seed=0):
    """Solves the heads that can be, on images without augmentation.

    Args:
        model: A `MultiTaskModel` or `SeparateModels`.
        dataset: The training images, a `data.Dataset`.
        balance: A `data.ClassBalance`, or None; images drawn more often are
            images of more weight here.
        seed: Seed of what is drawn.

    Returns:
        {task: `Solved`}.
    """
    found = {}
    for part in getattr(model, "models", [model]):
        columns = {
            head.name: columns
            for head in part.heads
            if (columns := columns_of(part, head)) is not None
        }
        if columns:
            found |= _solved(part, columns, dataset, balance, seed)
    return found


def _solved(model, columns, dataset, balance, seed):
    begin = time.perf_counter()
    labelled = {task: dataset.labelled(task) for task in columns}
    chosen = dataset.subset(np.any(list(labelled.values()), axis=0))
    values = _read(keras.Model(model.representation.input, columns), chosen)
    reading = time.perf_counter() - begin
    found = {}
    for task, known in values.items():
        begin = time.perf_counter()
        labels = chosen.labels(task)
        here = labels >= 0
        weights = None
        if balance is not None:
            beta = balance.beta
            weights = ClassBalance("weights", beta).weights(labels)
        loss = model.head(task).solve(
            known[here], labels[here], owners(chosen)[here], weights, seed
        )
        seconds = time.perf_counter() - begin + reading / len(values)
        found[task] = Solved(loss, int(here.sum()), seconds)
    return found


def _read(reader, dataset):
    """{task: (n, columns)} of all images."""
    channels = reader.inputs[0].shape[-1]
    batches = dataset.batches(BATCH_SIZE, tasks=(), channels=channels)
    found = {task: [] for task in reader.output}
    for images, _, _ in ahead(batches):
        given = backend.outputs(reader, images)
        for task, values in given.items():
            found[task].append(values)
    return {task: np.concatenate(parts) for task, parts in found.items()}
