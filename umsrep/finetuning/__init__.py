"""Fine-tuning strategies (UMS-Rep, Section 2.3)."""

from umsrep.finetuning.alternating import Alternating
from umsrep.finetuning.base import FineTuning, History, registry
from umsrep.finetuning.independent import Independent
from umsrep.finetuning.joint import Joint
from umsrep.finetuning.separate import Separate, SeparateModels

__all__ = [
    "Alternating",
    "FineTuning",
    "History",
    "Independent",
    "Joint",
    "Separate",
    "SeparateModels",
    "registry",
]
