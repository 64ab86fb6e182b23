"""Where a source image lies in the prepared one: stretched, or padded."""

from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from umsrep.data import gaze, resizing
from umsrep.data.scale import AXES, Scale
from umsrep.errors import UmsrepError

FITS = ("stretch", "pad")
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Frame:
    """One geometry for an image, its masks, its maps and its points.

    Args:
        shape: (height, width) of the source image.
        size: (height, width) of the prepared image.
        fit: "stretch" to the size, or "pad": scale by one factor, and centre
            on black.
    """

    shape: tuple[int, int]
    size: tuple[int, int]
    fit: str = "stretch"

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise UmsrepError(
                f"fit='{self.fit}' is unknown. Choose one of {', '.join(FITS)}."
            )

    @property
    def inner(self) -> tuple[int, int]:
        """(height, width) of the content in the prepared image."""
        if self.fit == "stretch":
            return self.size[0], self.size[1]
        ratios = [n / m for n, m in zip(self.size, self.shape, strict=True)]
        height, width = (
            max(1, min(n, round(m * min(ratios))))
            for n, m in zip(self.size, self.shape, strict=True)
        )
        return height, width

    @property
    def offset(self) -> tuple[int, int]:
        """(rows, columns) before the content."""
        rows, columns = (
            (n - m) // 2 for n, m in zip(self.size, self.inner, strict=True)
        )
        return rows, columns

    @property
    def content(self) -> tuple[slice, slice]:
        """The rows and columns of the prepared image that are no padding."""
        return tuple(  # type: ignore[return-value]
            slice(start, start + length)
            for start, length in zip(self.offset, self.inner, strict=True)
        )

    def image(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The prepared image (height, width); black beside the content."""
        return self.pad(resizing.resize_image(grey, self.inner))

    def unrounded(self, grey: NDArray[np.uint8]) -> Floats:
        """`image` before its rounding to whole grey levels."""
        values = resizing.resized_values(grey, self.inner)
        return self.pad(np.clip(values, 0, 255))

    def mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The prepared mask (height, width); False beside the content."""
        return self.pad(resizing.resize_mask(mask, self.inner))

    def map(self, values: NDArray) -> Floats:
        """The prepared map (height, width), sum 1; 0 beside the content."""
        return self.pad(gaze.resize_map(values, self.inner))

    def restore(self, values: ArrayLike) -> Floats:
        """Values of the prepared image at the source image's own size.

        The padding is cut off; the rest is interpolated bilinearly between
        pixel centres, its border repeated. Masks go this way as
        probabilities, and a map is divided by its sum afterwards.

        Args:
            values: (height, width) of the prepared image.

        Returns:
            float32 (height, width) of the source image.
        """
        values = np.asarray(values, np.float32)
        if values.shape != tuple(self.size):
            raise UmsrepError(
                f"values of shape {values.shape}; expected {tuple(self.size)}, "
                "the prepared image's. Pass one result at a time, without "
                "its channel."
            )
        inner = values[self.content]
        if inner.shape == tuple(self.shape):
            return inner.copy()
        return cv2.resize(
            np.ascontiguousarray(inner),
            tuple(self.shape)[::-1],
            interpolation=cv2.INTER_LINEAR,
        )

    def points(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with x and y in pixels of the prepared image."""
        table = table.copy()
        for column, axis in (("y", 0), ("x", 1)):
            scale = self.inner[axis] / self.shape[axis]
            moved = table[column].to_numpy(float) * scale + self.offset[axis]
            # Rounding must not move a point across the far border.
            last = np.nextafter(self.offset[axis] + self.inner[axis], 0)
            table[column] = np.minimum(moved, last)
        return table

    def scale(self, scale: Scale) -> Scale:
        """The scale of the prepared image.

        Args:
            scale: `Scale` of the source image.

        Raises:
            UmsrepError: its region goes beyond the source image.
        """
        moved = {}
        for number, axis in enumerate(AXES):
            value = scale.axes.get(axis)
            if value is not None:
                value.check_within(self.shape[number], axis)
                moved[axis] = value.resized(
                    self.shape[number],
                    self.inner[number],
                    self.offset[number],
                )
        return Scale(**moved)

    def pad(self, inner: NDArray) -> NDArray:
        """What has the content's size, with 0 beside it."""
        if inner.shape == tuple(self.size):
            return inner
        whole = np.zeros(self.size, inner.dtype)
        whole[self.content] = inner
        return whole
