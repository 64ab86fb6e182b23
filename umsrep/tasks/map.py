"""One map per image that sums to 1, such as where people looked."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from umsrep.errors import UmsrepError
from umsrep.metrics import saliency
from umsrep.tasks.base import WILCOXON, PairedTest, register
from umsrep.tasks.picture import PictureKind
from umsrep.tasks.protocols import Calibration, Frame, Reference


@register("map")
class Map(PictureKind):
    """A distribution over the pixels.

    Columns: `T_kld` (nats), `T_cc`, `T_sim`, and where fixations are known
    `T_nss`, `T_auc_judd`, `T_shuffled_auc`, `T_information_gain` (bits per
    fixation).
    """

    folder = "maps"
    source = "gaze"
    mode = "I;16"
    head = "saliency"
    form = "map"
    columns = (
        "kld",
        "cc",
        "sim",
        "nss",
        "auc_judd",
        "shuffled_auc",
        "information_gain",
    )
    reference = "kld"
    required = ("kld", "cc", "sim")
    main = "cc"
    ranked_by = "cc"
    paired = tuple(
        PairedTest(WILCOXON, column)
        for column in ("kld", "cc", "nss", "shuffled_auc", "information_gain")
    )
    compared = True
    exported = True
    title = "Maps"
    picture = "heat"
    figure = "distribution"
    note = (
        "Map tasks: KLD in nats (lower is better), IG in bits per fixation "
        "over the training images' centre bias."
    )

    @classmethod
    def encode(cls, values: NDArray) -> NDArray:
        """uint16, the maximum 65535."""
        return np.rint(values / values.max() * 65535).astype(np.uint16)

    @classmethod
    def decode(cls, pixels: NDArray) -> NDArray:
        """float32 of sum 1."""
        return normalized(pixels)

    @classmethod
    def faults(cls, pixels: NDArray) -> Iterator[tuple[str, str | None]]:
        if not pixels.any():
            yield "is 0 everywhere; a map needs a sum above 0", None

    def usable(self, targets: NDArray) -> NDArray:
        # A geometry may move all of a map out of the frame.
        return targets.any(axis=(1, 2, 3))  # type: ignore[return-value]

    def score(
        self,
        true: NDArray,
        output: NDArray,
        fixations: pd.DataFrame | None = None,
        reference: Reference | None = None,
    ) -> dict[str, float]:
        return score(true, output, fixations, reference)

    def finish(
        self,
        outputs: NDArray,
        frames: Sequence[Frame],
        fitted: Calibration | None,
    ) -> list[Any]:
        return [
            normalized(frame.restore(values[..., 0]))
            for frame, values in zip(frames, outputs, strict=True)
        ]

    def exported_words(self, threshold: float | None) -> str:
        return (
            "float32 (batch, height, width), where people look, a "
            "distribution of sum 1 at the image's own size."
        )


def score(
    true: ArrayLike,
    predicted: ArrayLike,
    fixations: pd.DataFrame | None = None,
    reference: Reference | None = None,
) -> dict[str, float]:
    """{metric: value} of one predicted map.

    Args:
        true, predicted: (height, width), at least 0.
        fixations: Data frame with x and y.
        reference: Gaze on training images.

    Returns:
        What `metrics.saliency.saliency_metrics` can compute from these.
    """
    points = None
    if fixations is not None and len(fixations):
        points = fixations[["x", "y"]].to_numpy(float)
    others = baseline = None
    if reference is not None:
        baseline = reference.centre_bias
        others = reference.fixations if len(reference.fixations) else None
    return saliency.saliency_metrics(
        true, predicted, points, baseline=baseline, other_fixations=others
    )


def normalized(values: ArrayLike) -> NDArray[np.float32]:
    """A map divided by its sum.

    Raises:
        UmsrepError: negative, not finite, or zero everywhere.
    """
    values = np.asarray(values, np.float64)
    total = values.sum()
    if not np.isfinite(total) or values.min() < 0 or total <= 0:
        raise UmsrepError(
            f"A gaze map has values from {values.min():g} to "
            f"{values.max():g} and the sum {total:g}. Expected finite values "
            "of at least 0, not all 0; correct it, or leave the image out."
        )
    return (values / total).astype(np.float32)
