"""How hard a set of synthetic chest X-rays is, as an argument."""

import dataclasses
import math
from dataclasses import dataclass

from umsrep.errors import UmsrepError

# {field: (lowest, highest)}; 0 is not a contrast, see `Difficulty`.
RANGES = {
    "contrast": (0.0, 1.0),
    "overlap": (0.0, 1.0),
    "devices": (0.0, 1.0),
    "confounding": (-1.0, 1.0),
    "reader_noise": (0.0, 1.0),
    "label_noise": (0.0, 0.5),
}


@dataclass(frozen=True)
class Difficulty:
    """What makes the classes of a set hard to tell, each part by itself.

    The defaults are the level "usual".

    Attributes:
        contrast: Of the opacities, relative to those of the level "easy";
            above 0, at most 1.
        overlap: 0 to 1: how much the classes look alike. Any chest, whatever
            its finding, may have prominent vessels, calcified granulomas and
            faint opacities of the kinds that disease makes, and the
            cardiothoracic ratios of normal and enlarged hearts approach each
            other and scatter; see `variants`.
        devices: 0 to 1: probability of devices in an image (electrodes with
            their leads, a central venous catheter, a pacemaker).
        confounding: -1 to 1: what a confounder tells of the finding: the
            probability that an image has devices is higher by this number
            if the chest is abnormal, and so is that of the lead marker "R".
            Each alone separates abnormal from normal chests with an AUC of
            (1 + confounding) / 2; a negative number turns it round. No level
            has any: a confounder that training and test images share makes a
            set easier, not harder, and a set in which it is missing or
            turned round shows the price.
        reader_noise: 0 to 1: how much readers differ from each other and from
            the rule that dwell follows the finding: they overlook a finding,
            dwell where there is none, and each has habits; see
            `readers`.
        label_noise: 0 to 0.5: probability that the label in the files is
            another class's than what is drawn. The truth is in phantom.json.

    Raises:
        UmsrepError: a number outside its range.
    """

    contrast: float = 0.7
    overlap: float = 0.4
    devices: float = 0.3
    confounding: float = 0.0
    reader_noise: float = 0.4
    label_noise: float = 0.05

    def __post_init__(self):
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and math.isfinite(value)
            enough = number and low <= value <= high
            if not enough or (name == "contrast" and value == 0):
                start = "above 0" if name == "contrast" else f"{low:g}"
                raise UmsrepError(
                    f"Got {name}={value!r}; expected a number from {start} to "
                    f"{high:g}. Give one in this range, or leave it out for "
                    f"the level's own."
                )


EASY = Difficulty(
    contrast=1.0,
    overlap=0.0,
    devices=0.0,
    confounding=0.0,
    reader_noise=0.0,
    label_noise=0.0,
)
USUAL = Difficulty()
HARD = Difficulty(
    contrast=0.4,
    overlap=0.8,
    devices=0.5,
    reader_noise=0.8,
    label_noise=0.1,
)
LEVELS = {"easy": EASY, "usual": USUAL, "hard": HARD}
DEFAULT = "usual"


def difficulty_of(level: "str | Difficulty", **changes) -> Difficulty:
    """The difficulty that a level's name stands for.

    Args:
        level: A name in `LEVELS`, or a `Difficulty`.
        changes: Fields to change; None leaves the level's own.

    Raises:
        UmsrepError: an unknown level, or a number outside its range.
    """
    if not isinstance(level, Difficulty):
        if level not in LEVELS:
            raise UmsrepError(
                f"No difficulty is named {level!r}. Choose one of "
                f"{', '.join(LEVELS)}, or pass a phantoms.Difficulty."
            )
        level = LEVELS[level]
    changed = {key: n for key, n in changes.items() if n is not None}
    return dataclasses.replace(level, **changed)


def name_of(difficulty: Difficulty) -> str:
    """The level's name, or "custom" for one's own."""
    for name, level in LEVELS.items():
        if level == difficulty:
            return name
    return "custom"
