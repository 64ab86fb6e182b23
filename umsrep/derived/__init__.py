"""Derivable tasks: computed from target tasks' outputs, without training."""

from umsrep.derived.base import DerivedTask, registry
from umsrep.derived.cam import CAM
from umsrep.derived.explainer import Explainer
from umsrep.derived.grad_cam import GradCAM, GradCAMPlusPlus
from umsrep.derived.occlusion import Occlusion

__all__ = [
    "CAM",
    "DerivedTask",
    "Explainer",
    "GradCAM",
    "GradCAMPlusPlus",
    "Occlusion",
    "registry",
]
