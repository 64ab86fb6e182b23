"""Alternating fine-tuning."""

from umsrep.errors import UmsrepError
from umsrep.finetuning.base import FineTuning, registry
from umsrep.training import Schedule


@registry.register("alternating")
class Alternating(FineTuning):
    """Tasks take turns at training the encoder and their own heads.

    Every task has its own loss and optimizer over the shared encoder and its
    head. Task i trains on n_i batches, then it is the next task's turn
    (UMS-Rep, Section 2.3). The n_i follow Luong et al. 2015
    (arXiv:1511.06114, Section 3.3): they are proportional to mixing
    coefficients, by default the numbers of labelled images, and the smallest
    is 1. With a budget in steps, which is the same for every task, so are
    these.

    Args:
        optimizer, schedule, freeze, and others: As for `FineTuning`.
        ratio: {task: batches per turn}, instead of this rule.
    """

    def __init__(
        self,
        optimizer: str = "adam",
        schedule: Schedule | None = None,
        freeze: str | tuple[str, ...] = (),
        ratio: dict[str, int] | None = None,
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
        if any(turn.steps is not None for turn in lanes):
            if self.ratio:
                raise UmsrepError(
                    f"ratio={self.ratio} with a number of steps: every task "
                    "makes the same number, so they take turns one by one. "
                    "Leave one of the two out."
                )
            for turn in lanes:
                turn.run_length = 1
            return [lanes]
        counts = [len(turn.training.dataset) for turn in lanes]
        for turn, count in zip(lanes, counts, strict=True):
            turn.run_length = self.ratio.get(
                turn.name, max(1, round(count / min(counts)))
            )
        return [lanes]
