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
from umsrep.balancing.gradients import GradientBalancer
from umsrep.balancing.optimal_uncertainty import SoftOptimalUncertainty
from umsrep.balancing.pcgrad import PCGrad
from umsrep.balancing.uncertainty import UncertaintyWeighting
from umsrep.balancing.upgrad import UPGrad

__all__ = [
    "FAMO",
    "Balancer",
    "DynamicWeightAverage",
    "FixedWeighting",
    "GradientBalancer",
    "PCGrad",
    "SoftOptimalUncertainty",
    "UPGrad",
    "UncertaintyWeighting",
    "registry",
    "weighting",
    "weightings",
]
