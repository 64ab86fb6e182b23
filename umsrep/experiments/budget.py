"""The budget at which networks are compared."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from umsrep.data import Dataset
from umsrep.stages.inputs import splits
from umsrep.stages.settings import FinetuneSettings


def equal_steps(
    data: str | Path | Dataset,
    tasks: Sequence[str],
    settings: FinetuneSettings,
    leave_out: str | Path | None = None,
) -> int:
    """Optimizer steps of each task, for a comparison of networks.

    As many as a joint training of all tasks makes in the settings' epochs,
    so that neither joint nor separate training gets more of them. (An equal
    number of epochs gives a task with few labels more steps in joint
    training, whose batches hold the other tasks' images as well.)

    Args:
        data: A prepared data set.
        tasks: Names of the tasks of all networks that are compared.
        settings: `FinetuneSettings`, whose `steps` are returned if given.
        leave_out: As in `stages.finetune`.
    """
    if settings.steps is not None:
        return settings.steps
    training = splits(data, settings, leave_out=leave_out, tasks=tasks)["train"]
    labelled = [training.labelled(task) for task in tasks]
    images = int(np.any(labelled, axis=0).sum())
    return settings.epochs * max(1, -(-images // settings.batch_size))
