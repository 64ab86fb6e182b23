"""Independent fine-tuning."""

from umsrep.errors import UmsrepError
from umsrep.finetuning.base import FineTuning, registry
from umsrep.training import Schedule


@registry.register("independent")
class Independent(FineTuning):
    """Trains every task by itself on a frozen encoder (UMS-Rep, Section 2.3).

    Each head has its own loss, optimizer, schedule and best epoch. The
    representation's decoder belongs to the segmentation task that reads it.

    Args:
        optimizer, schedule, cache_features, feature_memory: As for
            `FineTuning`.
        freeze: As for `FineTuning`; the encoder must be among the parts. It
            is identical to the bit after training.
    """

    keeps_encoder = True

    def __init__(
        self,
        optimizer: str = "adam",
        schedule: Schedule | None = None,
        freeze: str | tuple[str, ...] = ("encoder",),
        **options,
    ):
        super().__init__(optimizer, schedule, freeze, **options)

    def groups(self, model, lane):
        if "encoder" not in self.freeze:
            raise UmsrepError(
                f"freeze={self.freeze}: independent tasks cannot share an "
                "encoder that each of them changes. Freeze 'encoder', or use "
                "Alternating, Joint or Separate."
            )
        readers = [h for h in model.heads if "decoded" in h.feature_names]
        if len(readers) > 1 and "decoder" not in self.freeze:
            raise UmsrepError(
                f"Heads {[head.name for head in readers]} share the decoder "
                "and would change it for each other. Pass features="
                "'bottleneck' to give each its own (--skips for masks, "
                "--saliency-from bottleneck), freeze 'decoder', or train "
                "fewer tasks (--task)."
            )
        views = {task: model.view(task) for task in model.tasks}
        for task, view in views.items():
            if view.providers:
                raise UmsrepError(
                    f"Task '{task}' trains layers of head "
                    f"'{view.providers[0].name}', whose output it reads, so "
                    "the two are not independent. Use Joint or Alternating."
                )
        return [[lane(task, view)] for task, view in views.items()]
