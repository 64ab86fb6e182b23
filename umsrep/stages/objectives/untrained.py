"""No construction: given weights as they are."""

from typing import Any

import pandas as pd

from umsrep import heads
from umsrep.data import Dataset
from umsrep.errors import UmsrepError
from umsrep.model import MultiTaskModel
from umsrep.stages.first_stage import Objective, registry
from umsrep.training import Group, Schedule


@registry.register("none")
class Untrained(Objective):
    """The representation with the weights that it was given.

    The model of the run gives the averaged bottleneck of an image.

    Args:
        settings: `UntrainedSettings`, with `weights` in its arguments.
    """

    tasks = ("embedded",)

    def check(self, data: Dataset) -> None:
        if not self.settings.arguments.get("weights"):
            raise UmsrepError(
                "The objective 'none' trains nothing and no weights are "
                "given: the representation would be noise. Pass --weights, or "
                "an objective such as --objective denoising."
            )

    def spec(self, data: Dataset, task: str) -> dict[str, Any]:
        return {"kind": "embedding"}

    def new_model(self, data: Dataset) -> MultiTaskModel:
        head = heads.EmbeddingHead(self.task)
        return MultiTaskModel(self.representation(data), [head], name="none")

    def train(
        self,
        model: MultiTaskModel,
        training: Dataset,
        validation: Dataset,
        **loop: Any,
    ) -> tuple[pd.DataFrame, Group]:
        row = {"epoch": 0}
        for watched in loop["watch"]:
            row |= watched(0)
        return pd.DataFrame([row]), Group([], Schedule())
