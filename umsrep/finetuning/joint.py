"""Joint fine-tuning."""

from umsrep.finetuning.base import FineTuning, registry


@registry.register("joint")
class Joint(FineTuning):
    """One optimizer and one loss over all tasks (UMS-Rep, Section 2.3).

    The loss is the model's balancer's: equal or given weights
    (`FixedWeighting`) or learned ones (`UncertaintyWeighting`).
    """

    adds_losses = True

    def groups(self, model, lane):
        return [[lane("joint", model)]]
