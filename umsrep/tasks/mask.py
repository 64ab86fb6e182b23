"""One binary mask per image."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep.errors import UmsrepError
from umsrep.metrics import segmentation
from umsrep.metrics.estimates import Estimate, Median
from umsrep.tasks.base import (
    MCNEMAR,
    WILCOXON,
    PairedTest,
    register,
)
from umsrep.tasks.columns import weighted_median
from umsrep.tasks.picture import PictureKind
from umsrep.tasks.protocols import Calibration, Data, Frame, Reference

# A mask that covers nearly nothing or nearly all is more often a mistake
# than an organ; real lung masks cover 8 to 43 % of a chest X-ray.
PLAUSIBLE_FOREGROUND = (0.002, 0.9)
# Units of length that distances are given in.
MILLIMETRES = {"mm": 1.0, "cm": 10.0}


@register("mask")
class Mask(PictureKind):
    """Inside or outside, pixel by pixel.

    Columns: `T_dice`, `T_iou`, `T_dice_mean`, `T_iou_mean`, `T_accuracy`,
    `T_hausdorff95` (pixels of the prepared image) and, where both axes have a
    scale in millimetres or centimetres, `T_hausdorff95_mm`, as of the image at
    its own size. The F-score of a mask is its Dice and is not repeated.
    """

    folder = "masks"
    source = "regions"
    mode = "L"
    discrete = True
    cached_as = "uint8"
    head = "segmentation"
    form = "mask"
    columns = (
        "dice",
        "iou",
        "dice_mean",
        "iou_mean",
        "accuracy",
        "hausdorff95",
        "hausdorff95_mm",
    )
    reference = "dice"
    required = ("dice", "iou")
    main = "dice"
    ranked_by = "dice"
    paired = (PairedTest(MCNEMAR, "dice"), PairedTest(WILCOXON, "dice"))
    exported = True
    threshold = 0.5
    title = "Masks"
    picture = "outlines"
    figure = "distribution"
    note = (
        "Mask tasks: accuracy of pixels; IoU and Dice of the foreground, means "
        "over images; the F-score of a mask is its Dice."
    )
    # Half the memory, and far finer than any threshold needs.
    kept_as = "float16"

    @classmethod
    def encode(cls, values: NDArray) -> NDArray:
        return np.asarray(values).astype(np.uint8) * 255

    @classmethod
    def decode(cls, pixels: NDArray) -> NDArray:
        """uint8 in {0, 1}."""
        return (pixels > 127).astype(np.uint8)

    @classmethod
    def faults(cls, pixels: NDArray) -> Iterator[tuple[str, str | None]]:
        values = np.unique(pixels)
        if not np.isin(values, (0, 255)).all():
            listed = ", ".join(str(v) for v in values[:6])
            yield f"holds the values {listed}; expected 0 and 255", None
            return
        fraction = float((pixels > 0).mean())
        if not PLAUSIBLE_FOREGROUND[0] < fraction < PLAUSIBLE_FOREGROUND[1]:
            yield (
                f"covers {fraction:.1%} of the image"
                + (" (it is empty)" if fraction == 0 else ""),
                "Look at it; leave it out of the source if it is wrong.",
            )

    def score(self, true: NDArray, output: NDArray) -> dict[str, float]:
        return segmentation.mask_metrics(
            true.astype(bool), output > self.threshold
        )

    def predictions(
        self,
        outputs: NDArray,
        dataset: Data,
        fitted: Calibration | None,
        reference: Reference | None,
    ) -> dict[str, Any]:
        found = super().predictions(outputs, dataset, fitted, reference)
        found[f"{self.spec.name}_hausdorff95_mm"] = [
            self._millimetres(outputs[index], dataset, index)
            for index in range(len(dataset))
        ]
        return found

    def _millimetres(
        self, output: NDArray, dataset: Data, index: int
    ) -> float | None:
        """95 % Hausdorff distance; None without a mask or a spacing."""
        scale = dataset.scale(index)
        if scale is None or self.spec.name not in dataset.tasks:
            return None
        axes = [scale.axes.get(axis) for axis in ("y", "x")]
        if any(axis is None or axis.unit not in MILLIMETRES for axis in axes):
            return None
        true = dataset.target(self.spec.name, index)
        if true is None:
            return None
        rows, columns = (
            axis.per_pixel * MILLIMETRES[axis.unit] for axis in axes
        )
        return segmentation.hausdorff95(
            true.astype(bool), output > self.threshold, (rows, columns)
        )

    def more_statistics(
        self, values: Mapping[str, NDArray], weights: NDArray
    ) -> dict[str, Any]:
        dice = values["dice"]
        return {
            "dice_median": weighted_median(dice, weights),
            "dice_min": np.where(weights > 0, dice, np.inf).min(-1),
        }

    def estimates(self, rows: pd.DataFrame) -> dict[str, Estimate]:
        # None for the lowest Dice: others' may be lower without a limit.
        return super().estimates(rows) | {
            "dice_median": Median(self.values(rows))
        }

    def remarks(self, rows: pd.DataFrame) -> list[str]:
        if self.values(rows).max() > 0:
            return []
        return [
            "No predicted mask meets its reference: the network has learnt "
            "nothing of this task."
        ]

    def metric_names(self) -> tuple[str, ...]:
        return (*self.columns, "dice_median", "dice_min")

    def right(self, rows: pd.DataFrame, threshold: float) -> NDArray[np.bool_]:
        if not 0 < threshold <= 1:
            raise UmsrepError(
                f"Got a Dice threshold of {threshold}. Choose one above 0 "
                "and at most 1, for example 0.95."
            )
        return self.values(rows) >= threshold

    def right_in_words(self, threshold: float) -> str:
        return f"share with Dice >= {threshold:g}"

    def finish(
        self,
        outputs: NDArray,
        frames: Sequence[Frame],
        fitted: Calibration | None,
    ) -> list[Any]:
        return [
            frame.restore(values[..., 0])
            for frame, values in zip(frames, outputs, strict=True)
        ]

    def exported_words(self, threshold: float | None) -> str:
        return (
            "float32 (batch, height, width), probabilities at the image's own "
            f"size; inside from {threshold:g} on."
        )
