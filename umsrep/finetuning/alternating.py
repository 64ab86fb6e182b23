"""Alternating fine-tuning."""

from umsrep.errors import UmsrepError
from umsrep.finetuning.base import FineTuning, registry


@registry.register("alternating")
class Alternating(FineTuning):
    """Tasks take turns over the encoder and their own heads.

    Every task has its own loss and optimizer over the shared encoder and its
    head. Task i gets n_i batches, then the next (UMS-Rep, Section 2.3). The
    n_i follow Luong et al. 2015 (arXiv:1511.06114, Section 3.3): proportional
    to mixing coefficients, by default the numbers of labelled images, the
    smallest getting one batch.

    Args:
        optimizer, schedule, freeze, and others: As `FineTuning`.
        ratio: {task: batches per turn}, instead of the rule.
    """

    def __init__(
        self,
        optimizer="adam",
        schedule=None,
        freeze=(),
        ratio=None,
        **options,
    ):
        super().__init__(optimizer, schedule, freeze, **options)
        self.ratio = dict(ratio or {})

    def groups(self, model, lane):
        unknown = set(self.ratio) - set(model.tasks)
        bad = {t: n for t, n in self.ratio.items() if int(n) != n or n < 1}
        if unknown or bad:
            raise UmsrepError(
                f"ratio={self.ratio}: expected whole numbers of at least 1 "
                f"for tasks among {model.tasks}."
            )
        lanes = [lane(task, model.view(task)) for task in model.tasks]
        counts = [len(one.training.dataset) for one in lanes]
        for one, count in zip(lanes, counts, strict=True):
            one.run_length = self.ratio.get(
                one.name, max(1, round(count / min(counts)))
            )
        return [lanes]
