"""Joint fine-tuning."""

from umsrep.finetuning.base import FineTuning, registry


@registry.register("joint")
class Joint(FineTuning):
    """One optimizer and one loss over all tasks (UMS-Rep, Section 2.3).

    The model's balancer combines the tasks' losses with equal or given weights
    (`FixedWeighting`) or learned ones (`UncertaintyWeighting`).
    """

    def groups(self, model, lane):
        return [[lane("joint", model)]]
