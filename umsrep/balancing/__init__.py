"""Balancers: {task: loss} -> one scalar."""

from umsrep.balancing.base import (
    Balancer,
    registry,
    weighting,
    weightings,
)
from umsrep.balancing.fixed import FixedWeighting
from umsrep.balancing.uncertainty import UncertaintyWeighting

__all__ = [
    "Balancer",
    "FixedWeighting",
    "UncertaintyWeighting",
    "registry",
    "weighting",
    "weightings",
]
