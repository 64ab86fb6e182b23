"""What lies outside a mask, taken away from an image.

A classifier that sees the lungs alone cannot read a lead marker, a burnt-in
date or a collimator's edge. `layers.Focus` is the same inside a network.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from umsrep.data.pixels import Floats, Mask
from umsrep.data.stores import OtherImages, Store
from umsrep.errors import UmsrepError

FILLS = ("blank", "mean", "crop")
# Lungs cover 8 % and more of a chest X-ray; what covers less than this is a
# mask that failed, and not an organ.
MINIMUM = 0.01
# An island that is nowhere wider than twice this share of the side is no organ:
# on images of another hospital such islands lie on its markers.
OPENING = 0.04
# How often what is wide enough grows back by that width, within the mask.
GROWTH = 3


@dataclass(frozen=True)
class Focusing:
    """How what lies outside a mask is taken away.

    Islands of a mask that are nowhere wider than 8 % of the side are left
    out (opening by reconstruction: eroded, and grown back within the mask),
    and the rest is dilated by a margin. Where the rest covers less than
    `minimum` of the image, the mask has failed and the whole image stays.

    Args:
        fill: "blank": black outside; "mean": the mean of the inside; "crop":
            the bounding box of the dilated mask, enlarged to the size of the
            image (what lies in the box and outside the mask stays).
        margin: Dilation, as a share of the image's height and width.
        minimum: Least share of the image that a mask covers.

    Raises:
        UmsrepError: an unknown fill, or shares out of range.
    """

    fill: str = "blank"
    margin: float = 0.04
    minimum: float = MINIMUM

    def __post_init__(self) -> None:
        if self.fill not in FILLS:
            raise UmsrepError(
                f"fill='{self.fill}' is unknown. Choose one of "
                f"{', '.join(FILLS)}."
            )
        for name, most in (("margin", 0.5), ("minimum", 1.0)):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise UmsrepError(
                    f"{name}={value!r}: expected a share from 0 to {most:g} "
                    f"of the image. Change {name}."
                )

    def radii(self, size: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """Of the opening and of the margin, (rows, columns) in pixels.

        Args:
            size: (height, width) of the images.
        """
        opening = (max(1, round(OPENING * n)) for n in size[:2])
        margin = (round(self.margin * n) for n in size[:2])
        return tuple(opening), tuple(margin)  # type: ignore[return-value]

    def inside(self, mask: Mask) -> Mask:
        """The opened and dilated mask; all ones if it failed.

        Args:
            mask: (height, width) uint8 in {0, 1}.
        """
        organ = self._organ(mask)
        if self._failed(organ):
            return np.ones_like(mask)
        return cv2.dilate(organ, _window(self.radii(mask.shape)[1]))

    def failed(self, mask: Mask) -> bool:
        """Whether a mask covers too little to be one.

        Args:
            mask: (height, width) uint8 in {0, 1}.
        """
        return self._failed(self._organ(mask))

    def _organ(self, mask: Mask) -> Mask:
        """The mask without narrow islands."""
        window = _window(self.radii(mask.shape)[0])
        organ = cv2.erode(mask, window)
        for _ in range(GROWTH):
            organ = cv2.dilate(organ, window) & mask
        return organ

    def _failed(self, organ: Mask) -> bool:
        return bool(organ.mean() < max(self.minimum, 1 / organ.size))

    def __call__(self, image: NDArray, mask: Mask) -> Floats:
        """The focused image, (height, width) float32.

        Args:
            image: (height, width), grey levels in [0, 255].
            mask: (height, width) uint8 in {0, 1}.
        """
        image = np.asarray(image, np.float32)
        inside = self.inside(mask)
        if self.fill == "crop":
            rows, columns = (_ends(inside.max(axis=n)) for n in (1, 0))
            return _cropped(image, rows, columns)
        kept: Floats = image * inside.astype(np.float32)
        if self.fill == "blank":
            return kept
        kept[inside == 0] = kept.sum() / inside.sum()
        return kept

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Self:
        """That of an entry "focus" of run.json; other keys are ignored."""
        names = ("fill", "margin", "minimum")
        return cls(**{name: entry[name] for name in names})


def restore(maps: ArrayLike, boxes: ArrayLike) -> Floats:
    """Maps of cropped images, at their place in the whole images.

    Args:
        maps: (n, height, width), as of the cropped images.
        boxes: (n, 4): top, bottom, left and right edge of each crop in
            pixels of the whole image, counted from its top left corner.

    Returns:
        (n, height, width) float32, 0 outside the boxes.
    """
    maps = np.asarray(maps, np.float32)
    height, width = maps.shape[1:]
    return np.stack(
        [
            _leaving(height, *box[:2]) @ values @ _leaving(width, *box[2:]).T
            for values, box in zip(maps, np.asarray(boxes), strict=True)
        ]
    )


class FocusedImages(OtherImages):
    """Images of which what lies outside a mask is taken away.

    Args:
        store: The whole images and their masks.
        task: The mask task.
        focusing: `Focusing`.
        predicted: {row: mask as of `pack`} where a predicted mask is to be
            used; the reference mask elsewhere.
    """

    def __init__(
        self,
        store: Store,
        task: str,
        focusing: Focusing,
        predicted: Mapping[int, NDArray[np.uint8]],
    ) -> None:
        super().__init__(store)
        self.task = task
        self.focusing = focusing
        self._predicted = predicted

    def mask(self, row: int) -> Mask:
        """(height, width) uint8 in {0, 1}: what is kept of an image."""
        packed = self._predicted.get(row)
        if packed is not None:
            count = self.size[0] * self.size[1]
            return np.unpackbits(packed, count=count).reshape(self.size)
        mask = self.store.picture(self.task, row)
        if mask is None:
            raise UmsrepError(
                f"Image number {row} has no mask of '{self.task}' to focus "
                "by. Pass a predicted one."
            )
        return mask

    def whole(self, row: int) -> NDArray:
        """The image as it was."""
        return self.store.image(row)

    def image(self, row: int) -> NDArray:
        focused = self.focusing(self.whole(row), self.mask(row))
        return focused.round().astype(np.uint8)


def pack(mask: Mask) -> NDArray[np.uint8]:
    """A mask in {0, 1} in an eighth of its memory."""
    return np.packbits(mask)


def _window(radii: tuple[int, int]) -> NDArray[np.uint8]:
    return np.ones((2 * radii[0] + 1, 2 * radii[1] + 1), np.uint8)


def _ends(there: NDArray) -> tuple[int, int]:
    """First and one after the last position that is not 0."""
    found = np.flatnonzero(there)
    return int(found[0]), int(found[-1]) + 1


def _cropped(
    image: Floats, rows: tuple[int, int], columns: tuple[int, int]
) -> Floats:
    height, width = image.shape
    enlarged: Floats = _entering(height, *rows) @ image
    enlarged = enlarged @ _entering(width, *columns).T
    return enlarged


def _entering(length: int, start: float, end: float) -> Floats:
    """(length, length) weights that enlarge [start, end) to the length."""
    places = np.arange(length) + 0.5
    return _linear(start + places * (end - start) / length - 0.5, length)


def _leaving(length: int, start: float, end: float) -> Floats:
    """(length, length) weights of the way back; 0 outside [start, end)."""
    places = np.arange(length) + 0.5
    weights = _linear((places - start) * length / (end - start) - 0.5, length)
    weights[(places < start) | (places >= end)] = 0
    return weights


def _linear(places: NDArray, length: int) -> Floats:
    """Weights of the pixels around each place, by linear interpolation."""
    places = np.clip(places, 0, length - 1)
    distance = np.abs(places[:, None] - np.arange(length))
    return np.maximum(0, 1 - distance).astype(np.float32)
