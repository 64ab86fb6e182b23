"""The training loop that pre-training and every strategy share."""

from umsrep.training.loop import Group, Lane, train
from umsrep.training.schedule import Schedule

__all__ = ["Group", "Lane", "Schedule", "train"]
