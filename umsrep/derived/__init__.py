"""Derived tasks: computed from target tasks' outputs, without training."""

from umsrep.derived.base import DerivedTask, registry
from umsrep.derived.cam import CAM
from umsrep.derived.explainer import Explainer
from umsrep.derived.grad_cam import GradCAM, GradCAMPlusPlus
from umsrep.derived.occlusion import Occlusion
from umsrep.derived.peak_velocity import PeakVelocity
from umsrep.derived.predictions import predictions
from umsrep.derived.recommendation import Recommendation, Recommended
from umsrep.derived.velocities import Velocities
from umsrep.derived.velocity_scale import velocity_scale
from umsrep.derived.waves import Wave, early_and_late, find_waves

__all__ = [
    "CAM",
    "DerivedTask",
    "Explainer",
    "GradCAM",
    "GradCAMPlusPlus",
    "Occlusion",
    "PeakVelocity",
    "Recommendation",
    "Recommended",
    "Velocities",
    "Wave",
    "early_and_late",
    "find_waves",
    "predictions",
    "registry",
    "velocity_scale",
]
