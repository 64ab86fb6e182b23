"""Learning rate, early stopping, and the best epoch, with a state to save."""

import math
from dataclasses import asdict, dataclass, field

from umsrep.errors import UmsrepError

DECAYS = ("constant", "cosine", "plateau")


@dataclass
class Schedule:
    """When the learning rate falls, when training stops, what was best.

    Args:
        learning_rate: At the start.
        decay: "cosine" (to 1 % of the start, over all steps), "plateau"
            (times `factor` after `patience` epochs without a better
            validation loss) or "constant".
        warmup_steps: Steps over which the rate rises from 0; at most a tenth
            of all.
        factor, patience: Of the plateau.
        stop_patience: Epochs without a better validation loss after which
            training stops; None never stops early.

    The state (`state`, `restore`) survives an interruption.
    """

    learning_rate: float = 1e-3
    decay: str = "cosine"
    warmup_steps: int = 0
    factor: float = 0.3
    patience: int = 3
    stop_patience: int | None = None
    best: float = field(default=math.inf, init=False)
    best_epoch: int = field(default=-1, init=False)
    reduced_epoch: int = field(default=-1, init=False)
    scale: float = field(default=1.0, init=False)
    stopped: bool = field(default=False, init=False)

    def __post_init__(self):
        if self.decay not in DECAYS:
            raise UmsrepError(
                f"decay='{self.decay}' is unknown. Choose one of "
                f"{', '.join(DECAYS)}."
            )
        if not self.learning_rate > 0:
            raise UmsrepError(
                f"learning_rate={self.learning_rate}: expected a number "
                "above 0, such as 1e-3."
            )

    def rate(self, step, total_steps):
        """The learning rate of one step, counted from 0."""
        rate = self.learning_rate * self.scale
        if self.decay == "cosine":
            share = min(1.0, step / max(1, total_steps))
            rate *= 0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2
        # A small set has few steps; warming up must not eat them.
        warmup = min(self.warmup_steps, total_steps // 10)
        if step < warmup:
            rate *= (step + 1) / (warmup + 1)
        return rate

    def update(self, epoch, loss):
        """Takes an epoch's validation loss; true if it is the best so far."""
        if not math.isfinite(loss):
            raise UmsrepError(
                f"The validation loss of epoch {epoch + 1} is {loss}. Lower "
                "the learning rate, and check the data with `umsrep verify`."
            )
        better = loss < self.best
        if better:
            self.best, self.best_epoch = loss, epoch
        quiet = epoch - max(self.best_epoch, self.reduced_epoch)
        if self.decay == "plateau" and quiet >= self.patience:
            self.scale *= self.factor
            self.reduced_epoch = epoch
        if (
            self.stop_patience is not None
            and epoch - self.best_epoch >= self.stop_patience
        ):
            self.stopped = True
        return better

    def state(self):
        """Everything that changes, JSON-able."""
        names = ("best", "best_epoch", "reduced_epoch", "scale", "stopped")
        return {name: asdict(self)[name] for name in names}

    def restore(self, state):
        """Goes on from a `state`."""
        for name, value in state.items():
            setattr(self, name, value)
