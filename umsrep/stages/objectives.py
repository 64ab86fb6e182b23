"""What a representation may be constructed by: all registered objectives."""

from umsrep.stages.construction import Classification
from umsrep.stages.first_stage import Objective, registry
from umsrep.stages.pretraining import Denoising

__all__ = ["Classification", "Denoising", "Objective", "registry"]
