"""The training loop that pre-training and every strategy share."""

from umsrep.training.lanes import Companion, Group, Lane, Release
from umsrep.training.loop import totals, train
from umsrep.training.optimizers import RatePerPart
from umsrep.training.schedule import Schedule

__all__ = [
    "Companion",
    "Group",
    "Lane",
    "RatePerPart",
    "Release",
    "Schedule",
    "totals",
    "train",
]
