"""Parameters of corruptions and augmentations: checked, drawn, stored."""

import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Self, TypeGuard, TypeVar

import numpy as np

from umsrep.errors import UmsrepError

# Seeds stay exact as JSON numbers.
_SEEDS = 2**53

# What `draw` returns and `apply` takes: names and JSON-able values.
Parameters = dict[str, Any]
Range = tuple[float, float]
C = TypeVar("C")


def draw_seed(rng: np.random.Generator) -> int:
    """An integer noise seed that survives JSON."""
    return int(rng.integers(_SEEDS))


def draw_log_uniform(rng: np.random.Generator, limits: Range) -> float:
    """A number in [low, high], uniform in its logarithm.

    Consumes one draw even where low equals high, so that changing one range
    leaves what is drawn after it alone.
    """
    low, high = limits
    value = math.exp(rng.uniform(math.log(low), math.log(high)))
    # exp(log(x)) is not always x.
    return float(min(max(value, low), high))


def is_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a finite number, and no truth value."""
    return (
        isinstance(value, (int, float, np.integer, np.floating))
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def as_number(value: Any, name: str, low: float, high: float) -> float:
    """`value` as a float in [low, high], or an error that names it."""
    if not is_number(value) or not low <= value <= high:
        raise UmsrepError(
            f"{name}={value!r} was received; expected a number from {low:g} "
            f"to {high:g}. Change {name}."
        )
    return float(value)


def as_range(value: Any, name: str, low: float, high: float) -> Range:
    """A number or (low, high) pair as a pair of floats in [low, high]."""
    pair = (value, value) if is_number(value) else value
    if (
        not isinstance(pair, (tuple, list))
        or len(pair) != 2
        or not all(is_number(end) and low <= end <= high for end in pair)
        or pair[0] > pair[1]
    ):
        raise UmsrepError(
            f"{name}={value!r} was received; expected a number or an "
            f"increasing pair (low, high) from {low:g} to {high:g}. "
            f"Change {name}."
        )
    return (float(pair[0]), float(pair[1]))


def from_arguments(cls: type[C], arguments: Mapping[str, Any]) -> C:
    """`cls(**arguments)` of a data class; unknown arguments raise."""
    known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    if unknown := set(arguments) - known:
        raise UmsrepError(
            f"{cls.__name__} got the arguments {sorted(unknown)}; expected "
            f"some of {sorted(known)}. Was the config written by another "
            "version? Remove or rename them."
        )
    return cls(**arguments)


class Configured:
    """Base of frozen data classes that are stored as their arguments."""

    def get_config(self) -> dict[str, Any]:
        """The arguments, JSON-able, for `from_config`."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()  # type: ignore[call-overload]
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The object that `get_config` describes; unknown arguments raise."""
        return from_arguments(cls, config)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
