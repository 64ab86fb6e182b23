"""Every metric once: its name, heading, unit, better direction and range.

Tables, plots, scans and tests read it here. `umsrep.metrics` computes the
values; this file computes nothing.
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from umsrep.errors import UmsrepError

INFINITY = float("inf")
# A metric in the unit of its task, such as an error in years.
OF_TASK = "the task's"


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: Key of metrics.json and, after the task's name, a column of
            predictions.csv.
        heading: What tables and figures call it.
        better: "higher", "lower", or None where neither is (a bias).
        low, high: Its valid range.
        unit: Unit, "" for none, `OF_TASK` for that of the task.
        short: Heading where a line is short (the terminal).
        words: Heading within a sentence.
        listed: Whether comparison tables have a column of it.
    """

    name: str
    heading: str
    better: str | None = "higher"
    low: float = 0.0
    high: float = 1.0
    unit: str = ""
    short: str = ""
    words: str = ""
    listed: bool = False

    def __post_init__(self) -> None:
        for name in ("short", "words"):
            value = getattr(self, name) or self.heading
            object.__setattr__(self, name, value)

    @property
    def lower_is_better(self) -> bool:
        """Whether less of it is better."""
        return self.better == "lower"

    def best(self, values: pd.Series) -> float:
        """The best of the values; nan where no direction is better."""
        if self.better is None:
            return float("nan")
        return values.min() if self.lower_is_better else values.max()

    def titled(self, unit: str = "") -> str:
        """The heading with its unit: "MAE (years)" of a task in years."""
        unit = unit if self.unit == OF_TASK else self.unit
        return f"{self.heading} ({unit})" if unit else self.heading


def _lower(
    name: str, heading: str, high: float = INFINITY, **options: Any
) -> Metric:
    return Metric(name, heading, "lower", high=high, **options)


# The order is that of the comparison tables' columns.
METRICS = (
    Metric("accuracy", "Accuracy", short="Acc.", words="accuracy", listed=True),
    Metric("f_score", "F-score", listed=True),
    Metric("mcc", "MCC", low=-1.0, listed=True),
    Metric("auc", "AUC", listed=True),
    Metric("average_precision", "Average precision", short="AP", listed=True),
    Metric("iou", "IoU", listed=True),
    Metric("dice", "Dice", listed=True),
    _lower("kld", "KLD", unit="nats", listed=True),
    Metric("cc", "CC", low=-1.0, listed=True),
    Metric("sim", "SIM", listed=True),
    Metric("nss", "NSS", low=-INFINITY, high=INFINITY, listed=True),
    Metric("shuffled_auc", "sAUC", listed=True),
    Metric(
        "information_gain",
        "IG",
        low=-INFINITY,
        high=INFINITY,
        unit="bits per fixation",
        listed=True,
    ),
    _lower("mae", "MAE", unit=OF_TASK, listed=True),
    _lower("rmse", "RMSE", unit=OF_TASK, listed=True),
    Metric("r2", "R²", low=-INFINITY, listed=True),
    Metric(
        "bias", "Bias", None, -INFINITY, INFINITY, unit=OF_TASK, listed=True
    ),
    _lower("absolute_error", "absolute error", unit=OF_TASK),
    Metric("balanced_accuracy", "Balanced accuracy"),
    Metric("sensitivity", "Sensitivity"),
    Metric("specificity", "Specificity"),
    _lower("brier", "Brier score", 2.0),
    _lower("expected_calibration_error", "ECE", 1.0),
    _lower(
        "expected_calibration_error_if_calibrated", "ECE if calibrated", 1.0
    ),
    Metric("dice_mean", "Dice of both classes"),
    Metric("iou_mean", "IoU of both classes"),
    Metric("dice_median", "median Dice"),
    Metric("dice_min", "lowest Dice"),
    _lower("hausdorff95", "95 % Hausdorff distance", unit="pixels"),
    _lower("hausdorff95_mm", "HD95", unit="mm", listed=True),
    Metric("auc_judd", "AUC (Judd)"),
    # Of restored images.
    Metric("psnr", "PSNR", high=INFINITY, unit="dB"),
    Metric("ssim", "SSIM", low=-1.0),
    Metric("ms_ssim", "MS-SSIM"),
    # What a training minimises.
    _lower("loss", "loss"),
)
_BY_NAME = {metric.name: metric for metric in METRICS}
LISTED = {metric.name: metric for metric in METRICS if metric.listed}


def metric(name: str) -> Metric:
    """The metric called `name`.

    `auc_<class>`, the area of one class against the rest, is that of `auc`.

    Raises:
        UmsrepError: there is none; the message lists those that exist.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name.startswith("auc_"):
        return Metric(name, f"AUC of {name.removeprefix('auc_')}")
    raise UmsrepError(
        f"No metric is named '{name}'. Known: {', '.join(_BY_NAME)}. Choose "
        "one of them, or register yours with umsrep.metrics.catalogue.add."
    )


def add(new: Metric) -> Metric:
    """Adds the metric of a new task kind, behind the others.

    A notebook's cell may be run again: an equal metric changes nothing.

    Raises:
        UmsrepError: another metric has its name.
    """
    if _BY_NAME.setdefault(new.name, new) != new:
        raise UmsrepError(
            f"A metric named '{new.name}' exists and differs. Choose another "
            "name."
        )
    if new.listed:
        LISTED[new.name] = new
    return new
