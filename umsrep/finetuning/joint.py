"""Joint fine-tuning."""

from umsrep.errors import UmsrepError
from umsrep.finetuning.base import FineTuning, registry


@registry.register("joint")
class Joint(FineTuning):
    """One optimizer and one loss over all tasks (UMS-Rep, Section 2.3).

    The model's balancer (`umsrep.balancing`) combines the tasks' losses, or
    what of their gradients reaches the encoder.
    """

    adds_losses = True

    def groups(self, model, lane):
        frozen = "encoder" in self.freeze and self.release_after is None
        if frozen and model.balancer.needs_encoder:
            raise UmsrepError(
                f"Balancer '{model.balancer.name}' with a frozen encoder: it "
                "weighs the gradients that the encoder learns from, and "
                "there are none. Use another weighting, or let the encoder "
                "train."
            )
        return [[lane("joint", model)]]
