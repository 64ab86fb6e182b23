"""Equal or given weights."""

from umsrep.balancing.base import Balancer, registry
from umsrep.errors import UmsrepError


@registry.register("fixed")
class FixedWeighting(Balancer):
    """`sum_i w_i L_i` (UMS-Rep, Section 2.3), all weights 1 by default.

    Args:
        weights: {task: weight}, each at least 0; tasks not named get 1.
    """

    def __init__(
        self,
        weights: dict[str, float] | None = None,
        name: str = "fixed_weighting",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.weights_by_task = dict(weights or {})
        negative = {k: w for k, w in self.weights_by_task.items() if w < 0}
        if negative:
            raise UmsrepError(
                f"weights={negative}: expected numbers of at least 0."
            )

    def attach(self, tasks):
        super().attach(tasks)
        self.check_tasks(self.weights_by_task, "weights")

    def call(self, losses, present):
        return sum(
            self.weights_by_task.get(task, 1.0) * loss
            for task, loss in losses.items()
        )

    def get_config(self) -> dict:
        return {**super().get_config(), "weights": self.weights_by_task}
