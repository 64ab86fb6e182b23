"""Talos's reduction of a space while it is scanned."""

from dataclasses import dataclass

from umsrep.errors import UmsrepError
from umsrep.stages import settings_file

REDUCTIONS = ("spearman", "pearson", "kendall")


@dataclass(frozen=True)
class Reduction:
    """Talos's reduction: values that go with bad rounds are dropped.

    Attributes:
        method: "spearman", "pearson" or "kendall": the correlation of having
            a value with the objective.
        interval: Rounds between reductions.
        window: How many of the last rounds they look at.
        threshold: Correlation from which on a value is dropped.
    """

    method: str = "spearman"
    interval: int = 10
    window: int = 20
    threshold: float = 0.5


def read_reduction(value, where):
    """Reads a search space's `reduction`: a `Reduction`, or None."""
    if value is None:
        return None
    value = settings_file.mapping(value, "reduction", where)
    known = Reduction.__dataclass_fields__
    settings_file.check_keys(value, tuple(known), f"{where}: reduction")
    reduction = Reduction(**value)
    if reduction.method not in REDUCTIONS:
        raise UmsrepError(
            f"{where}: reduction.method: {reduction.method!r}; expected one "
            f"of {', '.join(REDUCTIONS)}. Fix it."
        )
    for key in ("interval", "window"):
        whole_number(getattr(reduction, key), f"reduction.{key}", where)
    if type(reduction.threshold) not in (int, float):
        raise UmsrepError(
            f"{where}: reduction.threshold: {reduction.threshold!r}; expected "
            "a correlation, such as 0.5."
        )
    return reduction


def whole_number(value, key, where, least=1):
    """`value` if it is a whole number of at least `least`."""
    if type(value) is not int or value < least:
        raise UmsrepError(
            f"{where}: {key}: {value!r}; expected a whole number of at least "
            f"{least}. Fix it."
        )
    return value
