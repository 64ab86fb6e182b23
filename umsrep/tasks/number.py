"""One number per image, such as an age in years."""

import math
import re

import numpy as np

from umsrep.errors import UmsrepError
from umsrep.metrics import regression
from umsrep.tasks import columns
from umsrep.tasks.base import WILCOXON, PairedTest, register
from umsrep.tasks.cell import CellKind

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

    def check(self):
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

    def words(self):
        return "a number" + (f" in {self.spec.unit}" * bool(self.spec.unit))

    @classmethod
    def read_options(cls, entry):
        limits = entry.get("limits", [])
        if not isinstance(limits, list):
            raise UmsrepError(
                f"'limits' is {limits!r}. Expected two numbers, such as "
                "[0, 120]."
            )
        return {"unit": entry.get("unit", ""), "limits": tuple(limits)}

    def fault(self, cell):
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

    def parse(self, cells):
        """(n,) float32, nan where empty."""
        return np.array([cell or "nan" for cell in cells], np.float32)

    def known(self, values):
        return np.isfinite(values)

    def batch(self, values):
        """(batch, 1) float32, 0 where missing."""
        return np.nan_to_num(values)[:, None].astype(np.float32)

    def strata(self, cells):
        cells = np.asarray(cells, object)
        values = np.array([cell or "nan" for cell in cells], float)
        known = np.isfinite(values)
        if not known.any():
            return np.full(len(cells), "", object)
        edges = np.quantile(values[known], np.arange(1, PARTS) / PARTS)
        part = np.searchsorted(edges, values, side="right")
        return np.where(known, [f"part {n}" for n in part], "")

    def counts(self, cells):
        # Verification counts cells that may be wrong, too.
        values = [float(c) for c in cells if _NUMBER.fullmatch(str(c))]
        if not values:
            return {}
        return {
            "lowest": min(values),
            "median": float(np.median(values)),
            "highest": max(values),
        }

    def counted(self, entry):
        text = f"{entry['labelled']} with a number"
        if "median" in entry:
            unit = f" {self.spec.unit}" if self.spec.unit else ""
            text += (
                f" ({entry['lowest']:g} to {entry['highest']:g}{unit}, median "
                f"{entry['median']:g})"
            )
        return text

    def names(self):
        return ("true", "pred", "absolute_error")

    def predictions(self, outputs, dataset, fitted, reference):
        name = self.spec.name
        predicted = np.asarray(outputs, float).reshape(len(dataset))
        true = np.asarray(self.true_values(dataset), float)
        return {
            f"{name}_true": true,
            f"{name}_pred": predicted,
            f"{name}_absolute_error": np.abs(predicted - true),
        }

    def arrays(self, rows):
        """(true, predicted) of rows of predictions.csv with a reference."""
        name = self.spec.name
        return columns.numbers(rows, [f"{name}_true", f"{name}_pred"]).T

    def statistics(self, rows):
        true, predicted = self.arrays(rows)
        return lambda weights: regression.regression_metrics(
            true, predicted, weights
        )

    def metric_names(self):
        return tuple(regression.regression_metrics([0.0], [0.0]))

    def finish(self, outputs, frames, fitted):
        return list(np.asarray(outputs, np.float32).reshape(len(outputs)))

    def exported_words(self, threshold):
        unit = f", in {self.spec.unit}" if self.spec.unit else ""
        return f"float32 (batch,), a number per image{unit}."


def _is_number(value):
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
    )
