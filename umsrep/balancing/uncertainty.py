"""Weights learned from each task's uncertainty."""

import math

from keras import ops

from umsrep.balancing.base import Balancer, registry
from umsrep.errors import UmsrepError

# Below this, the gradient of ln sigma, about L * e^(-2 ln sigma), overflows
# float32 when Adam squares it, and sigma never moves again.
SMALLEST_LOG_SIGMA = -20.0
LARGEST_LOG_SIGMA = 20.0
REGULARIZERS = ("log1p", "log")
SCHEMES = ("mtls1", "mtls2", "mtls3")
FIDELITIES = ("paper", "code")


@registry.register("uncertainty")
class UncertaintyWeighting(Balancer):
    """`sum_i L_i / sigma_i^2 + ln(sigma_i + 1)` (MT-UNet, Equation 1).

    Each sigma is positive, trainable, float32, and stored as its logarithm.
    At equilibrium `L = sigma^3 / (2 sigma + 2)` (MT-UNet, Appendix A). A task
    absent from a batch adds nothing and leaves its sigma alone.

    Args:
        fixed: Task or tasks that keep weight 1 and have no sigma (Equations 4
            and 5).
        initial: {task: initial sigma}, from e^-20 to e^20; default 1.
        halved: Task or tasks whose loss counts half, `L_i / (2 sigma_i^2)`,
            as in Kendall et al. (2018) for regression: attention in GG-CAM
            (Equation 11), and saliency in MT-UNet's published code.
        regularizer: "log1p", `ln(sigma + 1)` (Liebel & Koerner 2018), never
            negative; or "log", `ln sigma`, Kendall's log-variance form, whose
            equilibrium is `L = sigma^2 / 2` and whose total may be negative.
        keep_constants: Add `ln 2` for each fixed task, as MT-UNet's
            published code does; it changes the total, not the training.
    """

    schemes = ("kendall", *SCHEMES)

    def __init__(
        self,
        fixed: str | tuple[str, ...] = (),
        initial: dict[str, float] | None = None,
        halved: str | tuple[str, ...] = (),
        regularizer: str = "log1p",
        keep_constants: bool = False,
        name: str = "uncertainty_weighting",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.fixed = _names(fixed)
        self.halved = _names(halved)
        self.initial = dict(initial or {})
        if regularizer not in REGULARIZERS:
            raise UmsrepError(
                f"regularizer='{regularizer}' is unknown. Choose one of "
                f"{', '.join(REGULARIZERS)}."
            )
        self.regularizer = regularizer
        self.keep_constants = keep_constants
        twice = set(self.initial) & set(self.fixed)
        if twice:
            raise UmsrepError(
                f"'{sorted(twice)[0]}' is fixed and has an initial sigma. "
                "Leave one of them out."
            )
        for task, sigma in self.initial.items():
            if not (0 < sigma < math.inf) or not (
                SMALLEST_LOG_SIGMA <= math.log(sigma) <= LARGEST_LOG_SIGMA
            ):
                raise UmsrepError(
                    f"initial sigma of '{task}' is {sigma}: expected from "
                    f"e^{SMALLEST_LOG_SIGMA:g}, below which its gradient "
                    f"overflows float32, to e^{LARGEST_LOG_SIGMA:g}, above "
                    "which the loss vanishes. Start from 1, or from e^-16."
                )
        self.log_sigma = {}

    @classmethod
    def for_tasks(
        cls,
        kinds: dict[str, str],
        scheme: str | None = None,
        fidelity: str = "paper",
    ) -> "UncertaintyWeighting":
        if scheme is None:
            return cls()
        if scheme == "kendall":
            return cls(regularizer="log")
        saliency, classification = (
            tuple(task for task, kind in kinds.items() if kind == wanted)
            for wanted in ("map", "label")
        )
        if not (saliency and classification):
            raise UmsrepError(
                f"weighting='{scheme}' balances saliency and classification, "
                "but the tasks are "
                f"{', '.join(f'{t} ({kind})' for t, kind in kinds.items())}. "
                "Use 'uncertainty', or tasks of both kinds."
            )
        return cls.scheme(scheme, saliency, classification, fidelity)

    @classmethod
    def scheme(
        cls,
        name: str,
        saliency: str,
        classification: str,
        fidelity: str = "paper",
    ) -> "UncertaintyWeighting":
        """One of MT-UNet's learning schemes.

        Args:
            name: "mtls1" (Equation 1, a sigma for each task), "mtls2"
                (Equation 4, for saliency only) or "mtls3" (Equation 5, for
                classification only; the best in the paper).
            saliency, classification: Names of the two tasks.
            fidelity: "paper", or "code" for the published code: half the
                saliency loss, and the constant `ln 2` of a fixed sigma.
        """
        if name not in SCHEMES or fidelity not in FIDELITIES:
            raise UmsrepError(
                f"Scheme '{name}' with fidelity '{fidelity}' is unknown. "
                f"Choose one of {', '.join(SCHEMES)} and of paper, code."
            )
        fixed = {"mtls1": (), "mtls2": classification, "mtls3": saliency}
        code = fidelity == "code"
        return cls(
            fixed=fixed[name],
            halved=saliency if code else (),
            keep_constants=code,
        )

    def attach(self, tasks):
        super().attach(tasks)
        self.check_tasks(self.fixed, "fixed")
        self.check_tasks(self.halved, "halved")
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

    def sigmas(self) -> dict[str, float]:
        """{task: current sigma}, for logs and plots."""
        return {
            task: float(math.exp(ops.convert_to_numpy(value)))
            for task, value in self.log_sigma.items()
        }

    def logs(self) -> dict[str, float]:
        return {f"sigma_{t}": sigma for t, sigma in self.sigmas().items()}

    def weights_of(self, tasks):
        return [self.log_sigma[t] for t in tasks if t in self.log_sigma]

    def call(self, losses, present):
        total = 0.0
        for task, loss in losses.items():
            if task in self.halved:
                loss = 0.5 * loss
            if task not in self.log_sigma:
                constant = math.log(2.0) if self.keep_constants else 0.0
                total = total + loss + present[task] * constant
                continue
            log_sigma = ops.convert_to_tensor(self.log_sigma[task])
            weighted = loss * ops.exp(-2.0 * log_sigma)
            penalty = log_sigma
            if self.regularizer == "log1p":
                penalty = ops.log1p(ops.exp(log_sigma))
            total = total + present[task] * (weighted + penalty)
        return total

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "fixed": self.fixed,
            "initial": self.initial,
            "halved": self.halved,
            "regularizer": self.regularizer,
            "keep_constants": self.keep_constants,
        }


def _names(tasks):
    return (tasks,) if isinstance(tasks, str) else tuple(tasks)
