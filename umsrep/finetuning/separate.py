"""The baseline: one whole model per task."""

from umsrep.errors import UmsrepError
from umsrep.finetuning.base import FineTuning, registry


@registry.register("separate")
class Separate(FineTuning):
    """Separate models, nothing shared (the papers' baseline).

    `fit` takes a `SeparateModels` instead of a `MultiTaskModel`.
    """

    def groups(self, model, lane):
        if not isinstance(model, SeparateModels):
            raise UmsrepError(
                "Separate trains one whole model per task. Pass "
                "finetuning.SeparateModels([...]) with a model for each."
            )
        return [[lane(single.tasks[0], single)] for single in model.models]


class SeparateModels:
    """Several single-task models behind the interface of one.

    Args:
        models: `MultiTaskModel`s of one task each, whose representations have
            the same image shape.
    """

    def __init__(self, models):
        self.models = list(models)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, one per model."""
        return tuple(model.tasks[0] for model in self.models)

    @property
    def representation(self):
        """The representation of the first model, for the image shape."""
        return self.models[0].representation

    def view(self, task):
        """The model of one task."""
        return self.models[self.tasks.index(task)]
