"""Weights from how fast each task's loss falls."""

from keras import ops

from umsrep.balancing.base import Balancer, registry, softmax_over, stacked
from umsrep.errors import UmsrepError


@registry.register("dwa")
class DynamicWeightAverage(Balancer):
    """`sum_i w_i L_i` with `w_i = K softmax_i(r_i / T)` (DWA).

    `r_i = L_i(t-1) / L_i(t-2)` is the ratio of the task's mean losses in the
    last two windows of training, 1 until there are two (Liu, Johns & Davison
    2019, "End-to-End Multi-Task Learning with Attention", Equation 7). A task
    whose loss falls more slowly than the others' weighs more. The weights sum
    to the number of tasks K and differ by at most a factor of e^(1/T) while
    losses fall.

    The paper's windows are epochs, there of some 400 steps; few labels give
    epochs of a dozen, whose mean says little. So a window is a number of
    steps, of each task for itself: a step without its label does not count and
    leaves the task's ratio alone.

    Args:
        temperature: T, above 0; the paper's is 2. The larger, the more equal.
        window: Steps with the task's label in a window, at least 1.
    """

    def __init__(
        self,
        temperature: float = 2.0,
        window: int = 50,
        name: str = "dynamic_weight_average",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        check_temperature(temperature)
        if int(window) != window or window < 1:
            raise UmsrepError(
                f"window={window}: expected a whole number of steps of at "
                "least 1, such as 50."
            )
        self.temperature = float(temperature)
        self.window = int(window)

    def attach(self, tasks):
        super().attach(tasks)
        # Of the window at hand, the mean of the one before, and the ratio.
        self.sums = self.add_state("sum")
        self.counts = self.add_state("count")
        self.before = self.add_state("before")
        self.ratios = self.add_state("ratio", 1.0)

    def update(self, losses, present):
        for task, loss in losses.items():
            total, count, before = (
                ops.convert_to_tensor(state[task])
                for state in (self.sums, self.counts, self.before)
            )
            loss = ops.stop_gradient(loss)
            # A window ends with the first step after it, so that its ratio
            # holds from there on.
            ends = present[task] * ops.cast(count >= self.window, "float32")
            mean = total / ops.maximum(count, 1.0)
            known = ops.logical_and(ends > 0, before > 0)
            ratio = ops.where(
                known,
                mean / ops.where(before > 0, before, 1.0),
                ops.convert_to_tensor(self.ratios[task]),
            )
            self.ratios[task].assign(ratio)
            self.before[task].assign(ops.where(ends > 0, mean, before))
            self.sums[task].assign((1.0 - ends) * total + present[task] * loss)
            self.counts[task].assign((1.0 - ends) * count + present[task])

    def weights_now(self, tasks):
        """(tasks,) tensor of their weights, of sum K."""
        logits = stacked(self.ratios, tasks) / self.temperature
        return len(tasks) * softmax_over(logits, ops.ones_like(logits))

    def call(self, losses, present):
        weights = self.weights_now(list(losses))
        return ops.sum(weights * ops.stack(list(losses.values())))

    def logs(self) -> dict[str, float]:
        weights = ops.convert_to_numpy(self.weights_now(self.tasks))
        return {
            f"loss_weight_{task}": float(weight)
            for task, weight in zip(self.tasks, weights, strict=True)
        }

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "window": self.window,
        }


def check_temperature(temperature: float) -> None:
    """Raises unless a softmax can have it."""
    if not 0 < temperature < float("inf"):
        raise UmsrepError(
            f"temperature={temperature}: expected a number above 0, such as "
            "2; the larger, the more equal the weights."
        )
