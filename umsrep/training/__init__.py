"""The training loop that pre-training and every strategy share."""

from umsrep.training.lanes import Companion, Group, Lane
from umsrep.training.loop import totals, train
from umsrep.training.schedule import Schedule

__all__ = ["Companion", "Group", "Lane", "Schedule", "totals", "train"]
