"""Uncertainty weighting at its optimum, softened."""

from keras import ops

from umsrep.balancing.base import Balancer, registry, softmax_over, stacked
from umsrep.balancing.dynamic_average import check_temperature

# Below this a loss counts as this, so that its inverse is finite.
SMALLEST_LOSS = 1e-8


@registry.register("uw_so")
class SoftOptimalUncertainty(Balancer):
    """`sum_i w_i L_i` with `w_i = softmax_i(1 / (T sg[L_i]))` (UW-SO).

    In Kendall's uncertainty weighting of a loss L, `L / sigma + ln sigma`, the
    best sigma is L itself, so the optimal weight is 1 / L. UW-SO takes it from
    the batch's loss, without a gradient (sg), and softens it by a softmax
    (Kirchdorfer et al. 2024, "Analytical Uncertainty-Based Loss Weighting in
    Multi-Task Learning", arXiv:2408.07985). The weights sum to 1 over the
    tasks with a label in the batch. A task with a smaller loss weighs more;
    T -> infinity makes all equal, T -> 0 leaves the smallest loss alone.
    Losses c times as large are the same as a temperature c times as high: T is
    of the losses' scale, and the paper tunes it for each data set.

    Args:
        temperature: T, above 0.
    """

    def __init__(
        self,
        temperature: float = 1.0,
        name: str = "soft_optimal_uncertainty",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        check_temperature(temperature)
        self.temperature = float(temperature)

    def call(self, losses, present):
        tasks = list(losses)
        inverse = 1.0 / ops.maximum(stacked(losses, tasks), SMALLEST_LOSS)
        weights = softmax_over(
            inverse / self.temperature, stacked(present, tasks)
        )
        return ops.sum(weights * ops.stack(list(losses.values())))

    def get_config(self) -> dict:
        return {**super().get_config(), "temperature": self.temperature}
