"""One number per image, such as an age in years."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from umsrep.errors import UmsrepError
from umsrep.metrics import regression
from umsrep.metrics.estimates import Estimate, Mean, RootMean, Statistic
from umsrep.tasks import columns
from umsrep.tasks.base import WILCOXON, PairedTest, register
from umsrep.tasks.cell import CellKind
from umsrep.tasks.protocols import (
    Calibration,
    Cells,
    Data,
    Frame,
    Reference,
    Statistics,
)

# Of the stratification: patients of every part of the range on every side.
PARTS = 4
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@register("number")
class Number(CellKind):
    """A number in the unit of its task.

    Columns: `T_true`, `T_pred` and `T_absolute_error`, in the task's unit.
    """

    options = ("unit", "limits")
    held = "values"
    head = "regression"
    form = "number"
    reference = "true"
    main = "mae"
    ranked_by = "absolute_error"
    paired = (PairedTest(WILCOXON, "absolute_error"),)
    exported = True
    title = "Numbers"
    picture = "value"
    figure = "scatter"
    note = (
        "Number tasks: MAE, RMSE and bias (predicted - true) in the task's "
        "unit, lower MAE and RMSE are better; R² of 0 is the mean, predicted "
        "for every image."
    )

    def check(self) -> None:
        super().check()
        unit, limits = self.spec.unit, self.spec.limits
        if not isinstance(unit, str):
            raise UmsrepError(
                f"Number task '{self.spec.name}' has the unit {unit!r}. "
                "Expected text, such as years; leave it out for none."
            )
        if limits and not (
            len(limits) == 2
            and all(_is_number(x) for x in limits)
            and limits[0] < limits[1]
        ):
            raise UmsrepError(
                f"Number task '{self.spec.name}' has the limits {limits}. "
                "Expected the least and the largest number that can be, such "
                "as [0, 120]; leave them out for none."
            )

    def words(self) -> str:
        return "a number" + (f" in {self.spec.unit}" * bool(self.spec.unit))

    @classmethod
    def read_options(cls, entry: Mapping[str, Any]) -> dict[str, Any]:
        limits = entry.get("limits", [])
        if not isinstance(limits, list):
            raise UmsrepError(
                f"'limits' is {limits!r}. Expected two numbers, such as "
                "[0, 120]."
            )
        return {"unit": entry.get("unit", ""), "limits": tuple(limits)}

    def fault(self, cell: str) -> tuple[str, str] | None:
        expected = "a number with a decimal point, such as 61.5"
        if not _NUMBER.fullmatch(str(cell)):
            return f"value '{cell}'", f"{expected}, or nothing where unknown"
        low, high = self.spec.limits or (-math.inf, math.inf)
        value = float(cell)
        if not math.isfinite(value) or not low <= value <= high:
            if self.spec.limits:
                expected = f"a number from {low:g} to {high:g}"
            return f"value '{cell}'", expected
        return None

    def parse(self, cells: Iterable[str]) -> NDArray:
        """(n,) float32, nan where empty."""
        return np.array([cell or "nan" for cell in cells], np.float32)

    def known(self, values: NDArray) -> NDArray[np.bool_]:
        return np.isfinite(values)

    def batch(self, values: NDArray) -> NDArray:
        """(batch, 1) float32, 0 where missing."""
        return np.nan_to_num(values)[:, None].astype(np.float32)

    def strata(self, cells: ArrayLike) -> NDArray:
        cells = np.asarray(cells, object)
        values = np.array([cell or "nan" for cell in cells], float)
        known = np.isfinite(values)
        if not known.any():
            return np.full(len(cells), "", object)
        edges = np.quantile(values[known], np.arange(1, PARTS) / PARTS)
        part = np.searchsorted(edges, values, side="right")
        return np.where(known, [f"part {n}" for n in part], "")

    def counts(self, cells: Cells) -> dict[str, Any]:
        # Verification counts cells that may be wrong, too.
        values = [float(c) for c in cells if _NUMBER.fullmatch(str(c))]
        if not values:
            return {}
        return {
            "lowest": min(values),
            "median": float(np.median(values)),
            "highest": max(values),
        }

    def counted(self, entry: Mapping[str, Any]) -> str:
        text = f"{entry['labelled']} with a number"
        if "median" in entry:
            unit = f" {self.spec.unit}" if self.spec.unit else ""
            text += (
                f" ({entry['lowest']:g} to {entry['highest']:g}{unit}, median "
                f"{entry['median']:g})"
            )
        return text

    def names(self) -> tuple[str, ...]:
        return ("true", "pred", "absolute_error")

    def predictions(
        self,
        outputs: NDArray,
        dataset: Data,
        fitted: Calibration | None,
        reference: Reference | None,
    ) -> dict[str, Any]:
        name = self.spec.name
        predicted = np.asarray(outputs, float).reshape(len(dataset))
        true = np.asarray(self.true_values(dataset), float)
        return {
            f"{name}_true": true,
            f"{name}_pred": predicted,
            f"{name}_absolute_error": np.abs(predicted - true),
        }

    def arrays(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        """(true, predicted) of rows of predictions.csv with a reference."""
        name = self.spec.name
        return columns.numbers(rows, [f"{name}_true", f"{name}_pred"]).T

    def statistics(self, rows: pd.DataFrame) -> Statistics:
        true, predicted = self.arrays(rows)
        return lambda weights: regression.regression_metrics(
            true, predicted, weights
        )

    def estimates(self, rows: pd.DataFrame) -> dict[str, Estimate]:
        true, predicted = self.arrays(rows)
        error = predicted - true
        return {
            "mae": Mean(np.abs(error), low=0.0),
            "rmse": RootMean(error**2),
            "bias": Mean(error),
            "r2": Statistic(
                lambda weights: regression.r2(true, predicted, weights)
            ),
        }

    def remarks(self, rows: pd.DataFrame) -> list[str]:
        true, predicted = self.arrays(rows)
        if len(true) < 2 or np.ptp(true) == 0:
            return []
        if np.ptp(predicted) <= 1e-6 * max(1.0, abs(predicted[0])):
            return [
                "The same number is predicted for every image: the network "
                "has learnt nothing of this task."
            ]
        if regression.r2(true, predicted) <= 0:
            return ["No better than predicting the mean for every image."]
        return []

    def metric_names(self) -> tuple[str, ...]:
        return tuple(regression.regression_metrics([0.0], [0.0]))

    def finish(
        self,
        outputs: NDArray,
        frames: Sequence[Frame],
        fitted: Calibration | None,
    ) -> list[Any]:
        return list(np.asarray(outputs, np.float32).reshape(len(outputs)))

    def exported_words(self, threshold: float | None) -> str:
        unit = f", in {self.spec.unit}" if self.spec.unit else ""
        return f"float32 (batch,), a number per image{unit}."


def _is_number(value: object) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
    )
