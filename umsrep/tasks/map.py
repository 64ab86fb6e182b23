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
from umsrep.tasks.protocols import Calibration, Data, Frame, Reference

# With this many negatives, chance no longer changes the shuffled AUC.
MOST_FIXATIONS = 20_000


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

    def scorer(self, dataset: Data, reference: Reference | None) -> "Scorer":
        return Scorer(dataset, self.spec.name, reference)

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


class Scorer:
    """Metrics of predicted maps of one data set's images.

    Only what the picture covers counts: padding beside it is cut off, and a
    prediction has the sum 1 without it, as in what `umsrep predict` writes.
    Negatives of the shuffled AUC are the fixations on the other pictures of
    the data set, at the same share of their height and width.

    Args:
        dataset: The images.
        task: Name of the map task.
        reference: Gaze on training images; without it there is no information
            gain.
    """

    def __init__(
        self, dataset: Data, task: str, reference: Reference | None
    ) -> None:
        self.dataset = dataset
        self.task = task
        self.reference = reference
        self._pictures = _pictures(dataset.table)
        self._places, self._of = _places(dataset, task, self._pictures)

    def __call__(
        self,
        index: int,
        predicted: ArrayLike,
        true: NDArray | None = None,
        fixations: pd.DataFrame | None = None,
    ) -> dict[str, float]:
        """{metric: value} of one image; empty where it has no map.

        Args:
            index: Number of the image.
            predicted: (height, width), at least 0.
            true, fixations: Map and fixations of some of the people, in pixels
                of the prepared image; default: those of the data set.

        Returns:
            What `metrics.saliency.saliency_metrics` can compute.
        """
        if true is None:
            true = self.dataset.target(self.task, index)
            fixations = self.dataset.fixations(self.task, index)
        if true is None:
            return {}
        frame = self.dataset.frame(index)
        points = others = baseline = None
        if fixations is not None and len(fixations):
            points = inside(fixations, frame)
            others = self._others(index, frame)
        if self.reference is not None:
            baseline = self.reference.inside(frame)
        return saliency.saliency_metrics(
            np.asarray(true)[frame.content],
            np.asarray(predicted)[frame.content],
            points,
            baseline=baseline,
            other_fixations=others,
        )

    def _others(self, index: int, frame: Frame) -> NDArray | None:
        """Fixations on other pictures, in pixels of this one's content."""
        places = self._places[self._of != self._pictures[index]]
        return places * frame.inner[::-1] if len(places) else None


def inside(fixations: pd.DataFrame, frame: Frame) -> NDArray[np.float64]:
    """(n, 2) x and y of fixations in pixels of the picture, without padding."""
    places = fixations[["x", "y"]].to_numpy(float) - frame.offset[::-1]
    return places  # type: ignore[no-any-return]


def _pictures(table: pd.DataFrame) -> NDArray[np.int_]:
    """(n,) a number per image, the same for images of one picture."""
    names = table["image"].astype(str)
    if "copies" in table:
        group = table["copies"].fillna("").astype(str)
        names = names.where(group == "", "copies of " + group)
    return pd.factorize(names)[0]


def _places(
    dataset: Data, task: str, pictures: NDArray[np.int_]
) -> tuple[NDArray[np.float64], NDArray[np.int_]]:
    """(n, 2) x and y of all fixations in [0, 1], and the picture of each."""
    places, of = [np.empty((0, 2))], [np.empty(0, int)]
    for index in np.flatnonzero((dataset.table[task] != "").to_numpy()):
        fixations = dataset.fixations(task, int(index))
        if fixations is not None and len(fixations):
            frame = dataset.frame(int(index))
            places.append(inside(fixations, frame) / frame.inner[::-1])
            of.append(np.full(len(fixations), pictures[index]))
    found, picture = np.concatenate(places), np.concatenate(of)
    if len(found) > MOST_FIXATIONS:
        rng = np.random.default_rng([0, len(found)])
        kept = rng.choice(len(found), MOST_FIXATIONS, replace=False)
        found, picture = found[kept], picture[kept]
    return found, picture


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
