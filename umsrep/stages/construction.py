"""Construction of a shared representation by classification (UMS-Rep, 4.2)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from umsrep import finetuning, heads
from umsrep.data import Dataset
from umsrep.errors import UmsrepError
from umsrep.evaluation import predict, table_metrics
from umsrep.model import MultiTaskModel
from umsrep.stages.first_stage import Objective, learn, registry
from umsrep.stages.network import new_representation
from umsrep.stages.settings import ConstructionSettings
from umsrep.training import Group, Schedule

__all__ = ["Classification", "ConstructionSettings", "construct"]


def construct(
    data: Sequence[str | Path | Dataset],
    out: str | Path,
    settings: ConstructionSettings,
    resume: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Learns a representation on the classes of one task.

    `finetune` on the same data then leaves out the patients of this run's
    train and validation images, for the representation knows their labels.

    Args:
        data: Prepared folders that have the task, or `data.Dataset`s
            loaded from them; images without its label are not learnt from.
        out: The run folder, of the kind "pretrain".
        settings: `ConstructionSettings`.
        resume: Go on in an existing run folder.
        progress: Show a progress bar.

    Returns:
        {metric: value} on the test images, as of `table_metrics.task_metrics`
        (accuracy, f_score, mcc, ...), with the numbers of images and patients.
    """
    return learn(Classification(settings), data, out, resume, progress)


@registry.register("construct")
class Classification(Objective):
    """The class of an image by categorical cross-entropy.

    Args:
        settings: `ConstructionSettings`.
    """

    def __init__(self, settings: ConstructionSettings) -> None:
        super().__init__(settings)
        self.task = settings.task

    def check(self, data: Dataset) -> None:
        if not data.task(self.task).classes:
            raise UmsrepError(
                f"Task '{self.task}' of '{data.name}' is a "
                f"{data.task(self.task).kind} task. A representation is "
                "constructed on the classes of a label task, or without "
                "--task by denoising."
            )

    def split(self, data: Dataset) -> tuple[Dataset, Dataset, Dataset]:
        settings = self.settings
        own = settings.split_seed is None
        return data.split(
            fractions=settings.fractions,
            seed=settings.seed if own else settings.split_seed,
            extend_test=True,
        )

    def spec(self, data: Dataset) -> dict[str, Any]:
        spec = data.task(self.task)
        return spec.to_json()

    def new_model(self, data: Dataset) -> MultiTaskModel:
        settings = self.settings
        representation = new_representation(
            data.image_size, settings.architecture, settings.arguments
        )
        head = heads.ClassificationHead(
            len(data.task(self.task).classes),
            self.task,
            features="bottleneck",
            hidden_units=settings.hidden_units,
            dropout=settings.dropout,
        )
        return MultiTaskModel(representation, [head], name="classifier")

    def train(
        self,
        model: MultiTaskModel,
        training: Dataset,
        validation: Dataset,
        checkpoint: Path,
        progress: bool,
    ) -> tuple[pd.DataFrame, Group]:
        settings = self.settings
        schedule = Schedule(
            settings.learning_rate,
            decay="plateau" if settings.patience else "constant",
            patience=settings.patience or 1,
            stop_patience=settings.stop_patience,
        )
        history = finetuning.Joint(
            optimizer=settings.optimizer, schedule=schedule, xla=settings.xla
        ).fit(
            model,
            training,
            validation,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            seed=settings.seed,
            checkpoint=checkpoint,
            progress=progress,
        )
        (group,) = history.groups
        return history.table, group

    def measure(
        self, model: MultiTaskModel, test: Dataset, folder: Path
    ) -> dict[str, Any]:
        spec = test.task(self.task)
        outputs = predict.probabilities(model, test)
        table = predict.table(outputs, test, [spec], {})
        return table_metrics.all_metrics(table, [spec], bootstrap=0)[self.task]
