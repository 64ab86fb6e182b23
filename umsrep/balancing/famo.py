"""Weights under which all losses fall at the same rate."""

from keras import ops

from umsrep.balancing.base import Balancer, registry, softmax_over, stacked
from umsrep.errors import UmsrepError

# Below this a loss counts as this, so that its logarithm is finite.
SMALLEST_LOSS = 1e-8
# Of Adam, as by its authors.
FIRST, SECOND, SMALL = 0.9, 0.999, 1e-8


@registry.register("famo")
class FAMO(Balancer):
    """`sum_i w_i L_i` with `w_i = c z_i / L_i`, `z = softmax(xi)`.

    Fast adaptive multitask optimization (Liu, Feng, Stone & Liu 2023,
    Algorithm 1): c makes the weights sum to 1, so that the step is one on
    `sum_i z_i ln L_i`, and the logits follow how much each loss fell in the
    last step,

        xi <- xi - beta (J^T d + gamma xi),  d_i = ln L_i(t) - ln L_i(t+1),

    with J the Jacobian of the softmax: a task whose loss falls faster than the
    others' weighs less, until all fall at one rate. The step on xi is Adam's,
    as in the authors' code. It needs losses only: no gradient of a task, in
    time or memory.

    The authors compute the losses of the same batch again after each step, a
    second forward pass. Here d is between the batches of consecutive steps,
    whose losses differ by chance as well; so ln L is a moving average over the
    batches that have the task's label (`smoothing`): the tests find the z of
    losses without chance to two hundredths. Without smoothing and with one
    batch for all steps, both are the same. A task without a label in
    a batch keeps its state, and the others share the weights.

    Args:
        learning_rate: beta, above 0.
        decay: gamma, at least 0: how strongly logits are drawn to 0, that is
            to equal z.
        smoothing: Share of the average of ln L that a new batch leaves, from 0
            to below 1.
    """

    def __init__(
        self,
        learning_rate: float = 0.025,
        decay: float = 0.01,
        smoothing: float = 0.95,
        name: str = "famo",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        if not learning_rate > 0 or decay < 0 or not 0 <= smoothing < 1:
            raise UmsrepError(
                f"learning_rate={learning_rate}, decay={decay}, smoothing="
                f"{smoothing}: expected numbers above 0, of at least 0, and "
                "from 0 to below 1, such as 0.025, 0.01 and 0.95."
            )
        self.learning_rate = float(learning_rate)
        self.decay = float(decay)
        self.smoothing = float(smoothing)

    def attach(self, tasks):
        super().attach(tasks)
        self.logits = self.add_state("logit")
        # The average of ln L, and whether there is one.
        self.averages = self.add_state("log_loss")
        self.known = self.add_state("known")
        # Adam's moments and number of steps.
        self.first = self.add_state("first_moment")
        self.second = self.add_state("second_moment")
        self.steps = self.add_state("step")

    def update(self, losses, present):
        tasks = list(losses)
        here = stacked(present, tasks)
        logs = ops.log(ops.maximum(stacked(losses, tasks), SMALLEST_LOSS))
        before, known = (stacked(s, tasks) for s in (self.averages, self.known))
        after = self.smoothing * before + (1.0 - self.smoothing) * logs
        after = ops.where(known > 0, after, logs)
        # What is learnt needs a loss before.
        moves = here * known
        logits = self._stepped(tasks, moves, moves * (before - after))
        for i, task in enumerate(tasks):
            self.logits[task].assign(logits[i])
            self.averages[task].assign(ops.where(here > 0, after, before)[i])
            self.known[task].assign(ops.maximum(known, here)[i])

    def _stepped(self, tasks, moves, fallen):
        """The logits after Adam's step, of the tasks that move."""
        logits, first, second, steps = (
            stacked(state, tasks)
            for state in (self.logits, self.first, self.second, self.steps)
        )
        share = softmax_over(logits, moves)
        gradient = share * (fallen - ops.sum(share * fallen))
        gradient = gradient + self.decay * logits
        first = ops.where(
            moves > 0, FIRST * first + (1 - FIRST) * gradient, first
        )
        second = ops.where(
            moves > 0, SECOND * second + (1 - SECOND) * gradient**2, second
        )
        steps = steps + moves
        for i, task in enumerate(tasks):
            self.first[task].assign(first[i])
            self.second[task].assign(second[i])
            self.steps[task].assign(steps[i])
        # A task that has not moved yet would divide by 0.
        count = ops.maximum(steps, 1.0)
        step = first / (1 - FIRST**count)
        step = step / (ops.sqrt(second / (1 - SECOND**count)) + SMALL)
        return logits - self.learning_rate * moves * step

    def call(self, losses, present):
        tasks = list(losses)
        share = softmax_over(
            stacked(self.logits, tasks), stacked(present, tasks)
        )
        weights = share / ops.maximum(stacked(losses, tasks), SMALLEST_LOSS)
        weights = weights / ops.maximum(ops.sum(weights), SMALLEST_LOSS)
        return ops.sum(weights * ops.stack(list(losses.values())))

    def logs(self) -> dict[str, float]:
        logits = stacked(self.logits, self.tasks)
        share = ops.convert_to_numpy(
            softmax_over(logits, ops.ones_like(logits))
        )
        return {
            f"loss_weight_{task}": float(value)
            for task, value in zip(self.tasks, share, strict=True)
        }

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "learning_rate": self.learning_rate,
            "decay": self.decay,
            "smoothing": self.smoothing,
        }
