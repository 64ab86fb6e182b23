"""One class per image."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from umsrep.errors import UmsrepError
from umsrep.metrics import classification, estimates
from umsrep.metrics.estimates import Estimate
from umsrep.tasks import columns
from umsrep.tasks.base import MCNEMAR, RANKING, PairedTest, register
from umsrep.tasks.cell import CellKind
from umsrep.tasks.protocols import (
    Calibration,
    Cells,
    Data,
    Frame,
    Reference,
    Statistics,
)


@register("label")
class Label(CellKind):
    """One of several classes: a class name per image.

    Columns: `T_true` and `T_pred` (class names) and one `T_p_<class>` per
    class (calibrated probabilities).
    """

    options = ("classes",)
    held = "classes"
    head = "dense"
    form = "classes"
    reference = "true"
    main = "accuracy"
    paired = (
        PairedTest(MCNEMAR, "accuracy"),
        PairedTest(RANKING, "auc"),
        PairedTest(RANKING, "average_precision"),
    )
    calibrated = True
    explained = True
    exported = True
    title = "Grad-CAM"
    picture = "explanation"
    figure = "curves"
    note = (
        "Label tasks: F-score of the last class (with more than two classes "
        "the mean)."
    )

    def check(self) -> None:
        super().check()
        classes = self.spec.classes
        if len(set(classes)) < max(2, len(classes)) or not all(
            isinstance(c, str) and c.strip() for c in classes
        ):
            raise UmsrepError(
                f"Label task '{self.spec.name}' has classes {classes}. "
                "Give at least two different, non-empty class names."
            )

    def words(self) -> str:
        return f"a label of {', '.join(self.spec.classes)}"

    @classmethod
    def read_options(cls, entry: Mapping[str, Any]) -> dict[str, Any]:
        classes = entry.get("classes", [])
        # Classes may be numbers in the file, and are text in the table.
        plain = isinstance(classes, list) and all(
            isinstance(c, (str, int, float)) and not isinstance(c, bool)
            for c in classes
        )
        if not plain or len(classes) == 1:
            raise UmsrepError(
                f"'classes' is {classes!r}. Expected at least two class "
                "names, the positive one last, such as [low, good]; write "
                'yes, no, on and off in quotation marks ("yes").'
            )
        return {"classes": tuple(map(str, classes))}

    @classmethod
    def infers(cls, fields: Mapping[str, Any]) -> bool:
        return not fields["classes"]

    def fault(self, cell: str) -> tuple[str, str] | None:
        if cell in self.spec.classes:
            return None
        return f"label '{cell}'", f"one of {', '.join(self.spec.classes)}"

    def parse(self, cells: Iterable[str]) -> NDArray:
        """(n,) int: class indices, -1 where empty."""
        index = {name: number for number, name in enumerate(self.spec.classes)}
        return np.array([index.get(cell, -1) for cell in cells], int)

    def known(self, values: NDArray) -> NDArray[np.bool_]:
        return values >= 0

    def batch(self, values: NDArray) -> NDArray:
        return np.maximum(values, 0).astype(np.int32)

    def strata(self, cells: ArrayLike) -> NDArray:
        return np.asarray(cells, object)

    def counts(self, cells: Cells) -> dict[str, Any]:
        known = np.asarray(cells)
        return {
            "classes": {
                label: int((known == label).sum())
                for label in self.spec.classes
            }
        }

    def counted(self, entry: Mapping[str, Any]) -> str:
        listed = ", ".join(
            f"{count} {label}" for label, count in entry["classes"].items()
        )
        text = f"{entry['labelled']} labelled ({listed})"
        if len(self.spec.classes) == 2:
            text += f"; positive: {self.spec.classes[-1]}"
        return text

    def names(self) -> tuple[str, ...]:
        return ("true", "pred", *(f"p_{name}" for name in self.spec.classes))

    def predictions(
        self,
        outputs: NDArray,
        dataset: Data,
        fitted: Calibration | None,
        reference: Reference | None,
    ) -> dict[str, Any]:
        name = self.spec.name
        calibrated, decided = fitted.apply(outputs)  # type: ignore[union-attr]
        true = None
        if name in dataset.tasks:
            true = dataset.table[name].replace("", None)
        found = {
            f"{name}_true": true,
            f"{name}_pred": np.array(self.spec.classes, object)[decided],
        }
        for index, label in enumerate(self.spec.classes):
            found[f"{name}_p_{label}"] = calibrated[:, index]
        return found

    def arrays(
        self, rows: pd.DataFrame
    ) -> tuple[NDArray[np.int_], NDArray[np.int_], NDArray[np.float64]]:
        """Arrays of rows of predictions.csv that have a reference.

        Returns:
            (true, predicted, probabilities): class indices (images,) twice,
            and probabilities (images, classes).

        Raises:
            UmsrepError: a class that the task does not have, a missing column
                or prediction.
        """
        name, classes = self.spec.name, self.spec.classes
        probabilities = columns.numbers(
            rows, [f"{name}_p_{c}" for c in classes]
        )
        indices = []
        for column in (f"{name}_true", f"{name}_pred"):
            values = columns.column(rows, column).astype(object)
            unknown = values[~values.isin(classes)]
            if len(unknown):
                raise UmsrepError(
                    f"Column '{column}' holds {unknown.iloc[0]!r} for image "
                    f"'{rows['image'][unknown.index[0]]}'. Expected one of "
                    f"{', '.join(classes)}. Evaluate again with the task's "
                    "classes."
                )
            codes = pd.Categorical(values, categories=classes).codes
            indices.append(codes.astype(int))
        true, predicted = indices
        return true, predicted, probabilities

    def statistics(self, rows: pd.DataFrame) -> Statistics:
        arrays = self.arrays(rows)
        return lambda weights: classification.label_metrics(
            *arrays, weights, self.spec.classes
        )

    def estimates(self, rows: pd.DataFrame) -> dict[str, Estimate]:
        return estimates.of_labels(*self.arrays(rows), self.spec.classes)

    def references(
        self, rows: pd.DataFrame, seed: int = 0
    ) -> dict[str, tuple[float, float, float]]:
        _, _, probabilities = self.arrays(rows)
        errors = classification.calibration_error_if_calibrated(
            probabilities, seed=seed
        )
        low, high = np.quantile(errors, [0.025, 0.975])
        name = "expected_calibration_error_if_calibrated"
        return {name: (float(errors.mean()), float(low), float(high))}

    def remarks(self, rows: pd.DataFrame) -> list[str]:
        true, predicted, probabilities = self.arrays(rows)
        classes = self.spec.classes
        shares = np.bincount(true, minlength=len(classes)) / len(true)
        most = int(shares.argmax())
        told = []
        if len(true) > 1 and np.ptp(probabilities, axis=0).max() < 1e-4:
            told.append(
                "The probabilities are the same for every image: the network "
                "has learnt nothing of this task."
            )
        elif len(set(predicted)) == 1 and shares[predicted[0]] < 1:
            told.append(f"Every image is called {classes[predicted[0]]}.")
        accuracy = (true == predicted).mean()
        if accuracy <= shares[most] < 1:
            told.append(
                f"Accuracy {accuracy:.3f} is no better than calling every "
                f"image {classes[most]}, which is right in {shares[most]:.3f}."
            )
        return told

    def metric_names(self) -> tuple[str, ...]:
        count = len(self.spec.classes)
        each = np.arange(count)
        return tuple(
            classification.label_metrics(
                each, each, np.eye(count), None, self.spec.classes
            )
        )

    def ranking(self, rows: pd.DataFrame) -> tuple[NDArray, str, bool]:
        true, _, probabilities = self.arrays(rows)
        shares = probabilities[np.arange(len(true)), true]
        return shares, "probability of the true class", False

    def right(self, rows: pd.DataFrame, threshold: float) -> NDArray[np.bool_]:
        true, predicted, _ = self.arrays(rows)
        return true == predicted

    def right_in_words(self, threshold: float) -> str:
        return "accuracy"

    def rankings(
        self, rows: pd.DataFrame
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        true, _, probabilities = self.arrays(rows)
        count = probabilities.shape[1]
        classes = [1] if count == 2 else list(range(count))
        return (
            np.array([true == k for k in classes]),
            probabilities.T[classes],
        )

    def finish(
        self,
        outputs: NDArray,
        frames: Sequence[Frame],
        fitted: Calibration | None,
    ) -> list[Any]:
        calibrated, _ = fitted.apply(outputs)  # type: ignore[union-attr]
        return list(calibrated.astype(np.float32))

    def exported_words(self, threshold: float | None) -> str:
        text = (
            "float32 (batch, classes), calibrated probabilities of "
            f"{', '.join(self.spec.classes)}"
        )
        if threshold is not None:
            text += f"; '{self.spec.classes[1]}' from {threshold:.4f} on"
        return f"{text}."
