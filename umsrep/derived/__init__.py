"""Derivable tasks: computed from target tasks' outputs, without training."""

from umsrep.derived.base import DerivedTask, registry
from umsrep.derived.grad_cam import GradCAM

__all__ = ["DerivedTask", "GradCAM", "registry"]
