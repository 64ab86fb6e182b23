"""Construction of a shared representation by tasks (UMS-Rep, 4.2)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from umsrep.data import Dataset
from umsrep.stages.first_stage import learn
from umsrep.stages.objectives.supervised import Supervised
from umsrep.stages.settings import ConstructionSettings

__all__ = ["ConstructionSettings", "Supervised", "construct"]


def construct(
    data: Sequence[str | Path | Dataset],
    out: str | Path,
    settings: ConstructionSettings,
    resume: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Learns a representation on one task, or on several jointly.

    `finetune` on the same data then leaves out the patients of this run's
    train and validation images, for the representation knows their labels.

    Args:
        data: Prepared folders that have the tasks, or `data.Dataset`s
            loaded from them; images without any of their labels are not
            learnt from.
        out: The run folder, of the kind "pretrain".
        settings: `ConstructionSettings`.
        resume: Go on in an existing run folder.
        progress: Show a progress bar.

    Returns:
        {metric: value} on the test images, as of `table_metrics.task_metrics`
        (accuracy, f_score, mcc, ...), with the numbers of images and patients;
        {task: these} of several tasks.
    """
    return learn(Supervised(settings), data, out, resume, progress)
