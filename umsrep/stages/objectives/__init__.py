"""What a representation may be constructed by: all registered objectives.

One file each; `umsrep.stages.first_stage.Objective` is their contract.
"""

from umsrep.stages.first_stage import Objective, registry
from umsrep.stages.objectives.denoising import Denoising
from umsrep.stages.objectives.masked import Masked
from umsrep.stages.objectives.mean_teacher import MeanTeacher
from umsrep.stages.objectives.reconstruction import Reconstruction
from umsrep.stages.objectives.restoration import Restoration
from umsrep.stages.objectives.super_resolution import SuperResolution
from umsrep.stages.objectives.supervised import Supervised
from umsrep.stages.objectives.untrained import Untrained
from umsrep.stages.objectives.vicreg import VICReg

__all__ = [
    "Denoising",
    "Masked",
    "MeanTeacher",
    "Objective",
    "Reconstruction",
    "Restoration",
    "SuperResolution",
    "Supervised",
    "Untrained",
    "VICReg",
    "registry",
]
