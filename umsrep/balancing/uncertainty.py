"""Weights learned from each task's uncertainty."""

import math

from keras import ops

from umsrep.balancing.base import Balancer, registry
from umsrep.errors import UmsrepError

# Below this the gradient of ln sigma, about L * e^(-2 ln sigma), overflows
# float32 once Adam squares it, and sigma never moves again.
SMALLEST_LOG_SIGMA = -20.0


@registry.register("uncertainty")
class UncertaintyWeighting(Balancer):
    """`sum_i L_i / sigma_i^2 + ln(sigma_i + 1)` (MT-UNet, Equation 1).

    Each sigma is positive, trainable, float32, and stored as its logarithm.
    At equilibrium `L = sigma^3 / (2 sigma + 2)` (MT-UNet, Appendix A). A task
    absent from a batch adds nothing and gets no gradient.

    Args:
        fixed: Task or tasks that keep weight 1 and have no sigma (Equations 4
            and 5).
        initial: {task: initial sigma}, above e^-20; default 1.
    """

    def __init__(
        self, fixed=(), initial=None, name="uncertainty_weighting", **kwargs
    ):
        super().__init__(name=name, **kwargs)
        self.fixed = (fixed,) if isinstance(fixed, str) else tuple(fixed)
        self.initial = dict(initial or {})
        for task, sigma in self.initial.items():
            if sigma <= 0 or math.log(sigma) < SMALLEST_LOG_SIGMA:
                raise UmsrepError(
                    f"initial sigma of '{task}' is {sigma}: expected above "
                    f"e^{SMALLEST_LOG_SIGMA:g}, below which its gradient "
                    "overflows float32. Start from 1, or from e^-16."
                )
        self.log_sigma = {}

    def attach(self, tasks):
        super().attach(tasks)
        self.check_tasks(self.fixed, "fixed")
        self.check_tasks(self.initial, "initial")
        for task in self.tasks:
            if task in self.fixed:
                continue
            start = math.log(self.initial.get(task, 1.0))
            self.log_sigma[task] = self.add_weight(
                shape=(),
                initializer=lambda shape, dtype=None, start=start: ops.full(
                    shape, start, dtype=dtype
                ),
                dtype="float32",
                name=f"log_sigma_{task}",
            )

    def sigmas(self):
        """{task: current sigma}, for logs and plots."""
        return {
            task: float(math.exp(ops.convert_to_numpy(value)))
            for task, value in self.log_sigma.items()
        }

    def call(self, losses, present):
        total = 0.0
        for task, loss in losses.items():
            if task not in self.log_sigma:
                total = total + loss
                continue
            log_sigma = ops.convert_to_tensor(self.log_sigma[task])
            weighted = loss * ops.exp(-2.0 * log_sigma)
            regulariser = ops.log1p(ops.exp(log_sigma))
            total = total + present[task] * (weighted + regulariser)
        return total

    def get_config(self):
        return {
            **super().get_config(),
            "fixed": self.fixed,
            "initial": self.initial,
        }
