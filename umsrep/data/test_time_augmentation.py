"""Predictions as the mean over small changes of an image."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from umsrep.errors import UmsrepError

# Largest shift, as a fraction of height and width, and range of the exponent
# of relative grey levels.
SHIFT = 0.03
GAMMA = (0.8, 1.25)
Floats = NDArray[np.floating]


class TestTimeAugmentation:
    """Test-time augmentation: the mean of predictions of several versions.

    The first version is the image as it is. The others are moved by whole
    pixels, what is left free becoming black, and have their grey levels
    changed by a gamma. Shifts are of whole pixels, so that pictures of a
    result (masks, maps) are moved back to the bit, without interpolation; a
    pixel's mean is over the versions that show it. All images get the same
    versions, so that an image's result does not depend on the others.

    Args:
        copies: Number of versions, 1 or more; 1 changes nothing.
        seed: Seed of what is drawn.

    Attributes:
        drawn: [{"shift": (down, right) as shares of height and width,
            "gamma": exponent}], one per version.

    Raises:
        UmsrepError: no whole number of at least 1.
    """

    # No test, for all its name.
    __test__ = False

    def __init__(self, copies: int, seed: int = 0) -> None:
        if int(copies) != copies or copies < 1:
            raise UmsrepError(
                f"tta={copies}: expected the number of versions of an image, "
                "1 (as it is) or more, such as 8."
            )
        self.copies = int(copies)
        self.seed = seed
        rng = np.random.default_rng(seed)
        self.drawn: list[dict[str, Any]] = [{"shift": (0.0, 0.0), "gamma": 1.0}]
        while len(self.drawn) < self.copies:
            down, right = rng.uniform(-SHIFT, SHIFT, 2)
            gamma = float(np.exp(rng.uniform(*np.log(GAMMA))))
            self.drawn.append(
                {"shift": (float(down), float(right)), "gamma": gamma}
            )

    def get_config(self) -> dict[str, Any]:
        """Everything that was drawn, JSON-able."""
        return {"copies": self.copies, "seed": self.seed, "drawn": self.drawn}

    def recorded(self) -> dict[str, Any] | None:
        """What folders record: the same, or None where nothing changes."""
        return self.get_config() if self.copies > 1 else None

    def apply(self, images: Floats, number: int) -> Floats:
        """A version of images (n, height, width, channels) in [0, 255]."""
        drawn = self.drawn[number]
        moved, _ = _moved(images, self._pixels(images, number))
        if drawn["gamma"] == 1:
            return moved
        grey = np.clip(moved / 255, 0, 1) ** drawn["gamma"] * 255
        return grey.astype(images.dtype)

    def undo(
        self, pictures: Floats, number: int
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Pictures of a version's result, moved back.

        Args:
            pictures: (n, height, width[, channels]).
            number: Which version.

        Returns:
            (pictures, where that version shows the image), the latter
            (1, height, width[, 1]).
        """
        down, right = self._pixels(pictures, number)
        back, shown = _moved(pictures, (-down, -right))
        return back, shown

    def mean(
        self,
        predict: Callable[[Floats], Mapping[str, Any]],
        images: Floats,
        distributions: Collection[str] = (),
    ) -> dict[str, Floats]:
        """The mean of the predictions of all versions.

        Args:
            predict: Maps images to {task: array}, as `predict_on_batch`.
            images: (n, height, width, channels) in [0, 255].
            distributions: Tasks whose pictures sum to 1, as those of maps.

        Returns:
            {task: float32 array}.
        """
        totals: dict[str, Floats] = {}
        shown: dict[str, Any] = {}
        for number in range(self.copies):
            found = predict(self.apply(images, number))
            for task, given in found.items():
                values: Floats = np.asarray(given, np.float64)
                here: Floats = np.ones(1)
                if values.ndim > 2:
                    _check_size(task, values, images)
                    values, there = self.undo(values, number)
                    here = there.astype(np.float64)
                totals[task] = totals.get(task, 0.0) + values
                shown[task] = shown.get(task, 0.0) + here
        means = {task: totals[task] / shown[task] for task in totals}
        for task in set(distributions) & set(means):
            values = means[task]
            sums = values.sum(axis=tuple(range(1, values.ndim)), keepdims=True)
            means[task] = values / np.where(sums > 0, sums, 1)
        return {task: v.astype(np.float32) for task, v in means.items()}

    def _pixels(self, pictures: Floats, number: int) -> tuple[int, int]:
        height, width = pictures.shape[1:3]
        down, right = self.drawn[number]["shift"]
        return round(down * height), round(right * width)


def _check_size(task: str, values: Floats, images: Floats) -> None:
    if values.shape[1:3] != images.shape[1:3]:
        raise UmsrepError(
            f"Task '{task}' gives pictures of {values.shape[1:3]} for images "
            f"of {images.shape[1:3]}, which cannot be moved back. Predict "
            "without test-time augmentation."
        )


def _moved(
    pictures: Floats, by: tuple[int, int]
) -> tuple[Floats, NDArray[np.bool_]]:
    """(moved pictures, 0 where they come from outside; where they do not)."""
    result = np.zeros_like(pictures)
    shown = np.zeros((1, *pictures.shape[1:3], *pictures.shape[3:]), bool)
    here, there = zip(
        *(
            _overlap(length, pixels)
            for length, pixels in zip(pictures.shape[1:3], by, strict=True)
        ),
        strict=True,
    )
    result[(slice(None), *here)] = pictures[(slice(None), *there)]
    shown[(slice(None), *here)] = True
    return result, shown


def _overlap(length: int, pixels: int) -> tuple[slice, slice]:
    """(target, source) of a row moved by a number of pixels."""
    return (
        slice(max(pixels, 0), length + min(pixels, 0)),
        slice(max(-pixels, 0), length + min(-pixels, 0)),
    )
