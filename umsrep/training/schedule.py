"""Learning rate, early stopping, and the best epoch, with a state to save."""

import math
from dataclasses import asdict, dataclass, field

from umsrep.errors import UmsrepError

DECAYS = ("constant", "cosine", "plateau")
MONITORED = ("losses", "balanced")


@dataclass
class Schedule:
    """When the learning rate falls, when training stops, which epoch was best.

    Args:
        learning_rate: Initial learning rate.
        decay: "cosine" (down to 1 % of the initial rate, over all steps),
            "plateau" (multiplied by `factor` after `patience` epochs without a
            better validation loss) or "constant".
        warmup_steps: Steps over which the rate rises from 0; at most a tenth
            of all steps are used.
        factor, patience: Parameters of the "plateau" decay.
        stop_patience: Epochs without a better validation loss after which
            training stops; None never stops early.
        smallest_rate: Training stops once the "plateau" decay takes the rate
            below this.
        return_to_best: At each reduction, go back to the weights, batch-norm
            statistics and optimizer of the best epoch.
        monitor: What to monitor: "losses", the sum of the tasks' validation
            losses; or "balanced", what the balancer makes of them with the
            sigmas of that epoch.

    The state (`state`, `restore`) survives an interruption.
    """

    learning_rate: float = 1e-3
    decay: str = "cosine"
    warmup_steps: int = 0
    factor: float = 0.3
    patience: int = 3
    stop_patience: int | None = None
    smallest_rate: float = 0.0
    return_to_best: bool = False
    monitor: str = "losses"
    best: float = field(default=math.inf, init=False)
    best_epoch: int = field(default=-1, init=False)
    reduced_epoch: int = field(default=-1, init=False)
    released_epoch: int = field(default=-1, init=False)
    scale: float = field(default=1.0, init=False)
    stopped: bool = field(default=False, init=False)

    def __post_init__(self):
        if self.decay not in DECAYS:
            raise UmsrepError(
                f"decay='{self.decay}' is unknown. Choose one of "
                f"{', '.join(DECAYS)}."
            )
        if self.monitor not in MONITORED:
            raise UmsrepError(
                f"monitor='{self.monitor}' is unknown. Choose one of "
                f"{', '.join(MONITORED)}."
            )
        if not self.learning_rate > 0:
            raise UmsrepError(
                f"learning_rate={self.learning_rate}: expected a number "
                "above 0, such as 1e-3."
            )

    @classmethod
    def of_mt_unet(
        cls, learning_rate: float = 1e-4, patience: int = 40
    ) -> "Schedule":
        """The schedule of MT-UNet (Zhu et al. 2022, Appendix B, and its code).

        After `patience` epochs without a better balanced validation loss, the
        rate falls to a tenth and training returns to the best epoch. It ends
        below a rate of 1e-8, or after `2 patience + 3` such epochs.
        """
        return cls(
            learning_rate,
            decay="plateau",
            factor=0.1,
            patience=patience,
            stop_patience=2 * patience + 3,
            smallest_rate=1e-8,
            return_to_best=True,
            monitor="balanced",
        )

    def rate(self, step: int, total_steps: int) -> float:
        """The learning rate of one step, counted from 0."""
        rate = self.learning_rate * self.scale
        if self.decay == "cosine":
            share = min(1.0, step / max(1, total_steps))
            rate *= 0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2
        # A small set has few steps; warming up must not use them all.
        warmup = min(self.warmup_steps, total_steps // 10)
        if step < warmup:
            rate *= (step + 1) / (warmup + 1)
        return rate

    def update(self, epoch: int, loss: float) -> bool:
        """Takes an epoch's validation loss; true if it is the best so far."""
        if not math.isfinite(loss):
            raise UmsrepError(
                f"The validation loss of epoch {epoch + 1} is {loss}. Lower "
                "the learning rate, and check the data with `umsrep verify`."
            )
        better = loss < self.best
        if better:
            self.best, self.best_epoch = loss, epoch
        # Patience begins anew with what learns from then on.
        recent = max(self.best_epoch, self.released_epoch)
        quiet = epoch - max(recent, self.reduced_epoch)
        if self.decay == "plateau" and quiet >= self.patience:
            self.scale *= self.factor
            self.reduced_epoch = epoch
            rate = self.learning_rate * self.scale
            # In floating point, a tenth of a tenth is not quite a hundredth.
            self.stopped |= rate < self.smallest_rate * (1 - 1e-9)
        if (
            self.stop_patience is not None
            and epoch - recent >= self.stop_patience
        ):
            self.stopped = True
        return better

    def release(self, epoch: int) -> None:
        """More of the network learns from an epoch on.

        A plateau's rate starts at the top again, patience too, and a training
        that had stopped goes on. Warming up and the cosine go by the steps of
        the whole training, and the best epoch is that of the whole.
        """
        self.released_epoch = epoch - 1
        self.scale, self.stopped = 1.0, False

    def state(self) -> dict:
        """Everything that changes, ready for JSON."""
        names = (
            "best",
            "best_epoch",
            "reduced_epoch",
            "released_epoch",
            "scale",
            "stopped",
        )
        return {name: asdict(self)[name] for name in names}

    def restore(self, state: dict) -> None:
        """Restores what `state` returned."""
        for name, value in state.items():
            setattr(self, name, value)


# Decays that are a whole schedule: (learning rate, patience) -> `Schedule`.
NAMED = {"return_to_best": Schedule.of_mt_unet}
