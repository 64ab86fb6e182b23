"""Balancers: {task: loss} -> one scalar."""

from umsrep.balancing.base import (
    Balancer,
    registry,
    weighting,
    weightings,
)
from umsrep.balancing.dynamic_average import DynamicWeightAverage
from umsrep.balancing.famo import FAMO
from umsrep.balancing.fixed import FixedWeighting
from umsrep.balancing.optimal_uncertainty import SoftOptimalUncertainty
from umsrep.balancing.uncertainty import UncertaintyWeighting

__all__ = [
    "FAMO",
    "Balancer",
    "DynamicWeightAverage",
    "FixedWeighting",
    "SoftOptimalUncertainty",
    "UncertaintyWeighting",
    "registry",
    "weighting",
    "weightings",
]
