"""Construction by tasks (UMS-Rep, 4.2)."""

from pathlib import Path
from typing import Any

import pandas as pd

from umsrep import finetuning, heads
from umsrep import tasks as task_kinds
from umsrep.data import Dataset
from umsrep.errors import UmsrepError
from umsrep.evaluation import predict, table_metrics
from umsrep.model import MultiTaskModel
from umsrep.registry import arguments_of
from umsrep.representations import Representation
from umsrep.runs import gaze_reference
from umsrep.stages.first_stage import Objective, registry
from umsrep.stages.settings import ConstructionSettings
from umsrep.training import Group


@registry.register("supervised")
class Supervised(Objective):
    """Tasks of a data set, learnt jointly; labels may be missing.

    With one label task this is UMS-Rep's construction (Section 4.2): its
    classes by categorical cross-entropy. Tasks of other kinds and several at
    once add their losses up; an image without a task's label counts for the
    others. Heads of labels and numbers read the bottleneck; those of masks
    and maps what the representation decodes, or the bottleneck where it does
    not.

    Args:
        settings: `ConstructionSettings`.
    """

    def __init__(self, settings: ConstructionSettings) -> None:
        super().__init__(settings)
        self.tasks = settings.tasks

    def check(self, data: Dataset) -> None:
        if not self.tasks:
            raise UmsrepError(
                "No task is given to construct the representation on. Pass "
                "--task, or an objective that needs none, such as --objective "
                "denoising."
            )
        if len(set(self.tasks)) < len(self.tasks):
            raise UmsrepError(f"task={self.tasks}: name each task once.")
        for task in self.tasks:
            data.task(task)

    def split(self, data: Dataset) -> tuple[Dataset, Dataset, Dataset]:
        settings = self.settings
        own = settings.split_seed is None
        return data.split(
            fractions=settings.fractions,
            seed=settings.seed if own else settings.split_seed,
            extend_test=True,
        )

    def spec(self, data: Dataset, task: str) -> dict[str, Any]:
        return data.task(task).to_json()

    def new_model(self, data: Dataset) -> MultiTaskModel:
        representation = self.representation(data)
        made = [
            self.head(data.task(task), representation) for task in self.tasks
        ]
        return MultiTaskModel(representation, made, name="classifier")

    def head(self, spec: Any, representation: Representation) -> heads.Head:
        """The head of a task, that of its kind.

        Args:
            spec: A `data.TaskSpec`.
            representation: What it is to be attached to.
        """
        kind = task_kinds.of(spec)
        decoded = kind.form in ("mask", "map") and (
            "decoded" in representation.features
        )
        offered = {
            "features": "decoded" if decoded else "bottleneck",
            "hidden_units": self.settings.hidden_units,
            "dropout": self.settings.dropout,
        }
        if kind.form == "classes":
            offered["num_classes"] = len(spec.classes)
        cls = heads.registry.get(kind.head)
        taken = arguments_of(cls)
        return cls(
            name=spec.name,
            **{key: value for key, value in offered.items() if key in taken},
        )

    def train(
        self,
        model: MultiTaskModel,
        training: Dataset,
        validation: Dataset,
        **loop: Any,
    ) -> tuple[pd.DataFrame, Group]:
        settings = self.settings
        history = finetuning.Joint(
            optimizer=settings.optimizer,
            schedule=self.schedule(),
            xla=settings.xla,
        ).fit(
            model,
            training,
            validation,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            seed=settings.seed,
            **loop,
        )
        (group,) = history.groups
        return history.table, group

    def measure(
        self, model: MultiTaskModel, test: Dataset, folder: Path
    ) -> dict[str, Any]:
        specs = [test.task(task) for task in self.tasks]
        references = gaze_reference.load(folder, specs)
        outputs = predict.probabilities(model, test)
        table = predict.table(outputs, test, specs, {}, references)
        return table_metrics.all_metrics(table, specs, bootstrap=0)

    def keep(self, training: Dataset, folder: Path) -> None:
        specs = [training.task(task) for task in self.tasks]
        gaze_reference.save(folder, training, specs)
