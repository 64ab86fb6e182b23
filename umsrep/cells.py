"""Where the cells of a feature lie in the image.

A cell is one position of a feature: of the (rows, columns) of a stage, a class
activation map or an attention target. Strided convolutions do not centre their
cells as an even tiling of the image would, so everything that goes between
cells and pixels asks a `Cells`. Coordinates are those of pixel centres: pixel
0 is at 0.0, and the image reaches from -0.5 to its length - 0.5.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from umsrep.errors import UmsrepError

Floats = NDArray[np.float32]
Pair = tuple[float, float]


@dataclass(frozen=True)
class Cells:
    """Rows and columns of cells, and the pixels that they stand for.

    The centre of cell k of an axis is at `offset + k * stride`: the centre of
    its receptive field (Araujo, Norris and Sim 2019, "Computing receptive
    fields of convolutional neural networks", Distill).

    Args:
        grid: (rows, columns).
        image_size: (height, width) of the image in pixels.
        stride: Pixels from one cell to the next, along rows and columns.
        offset: Centre of the first cell, in pixels; that of pixel 0 is 0.

    Raises:
        UmsrepError: no cell, no pixel, or a stride that is not positive.
    """

    grid: tuple[int, int]
    image_size: tuple[int, int]
    stride: Pair
    offset: Pair

    def __post_init__(self) -> None:
        for name, kind in (
            ("grid", int),
            ("image_size", int),
            ("stride", float),
            ("offset", float),
        ):
            value = tuple(kind(n) for n in getattr(self, name))
            object.__setattr__(self, name, value)
            if len(value) != 2 or (name != "offset" and min(value) <= 0):
                raise UmsrepError(
                    f"{name}={value}: expected two positive numbers, of rows "
                    "and of columns, such as (8, 8)."
                )

    @classmethod
    def tiling(cls, grid: Sequence[int], image_size: Sequence[int]) -> "Cells":
        """Cells that tile the image evenly.

        So lie the cells of what is not a network's feature; see
        `Representation.cells` for those.
        """
        rows, columns = grid
        height, width = image_size
        stride = (height / rows, width / columns)
        return cls(
            (rows, columns),
            (height, width),
            stride,
            (stride[0] / 2 - 0.5, stride[1] / 2 - 0.5),
        )

    def centres(self, axis: int) -> NDArray[np.float64]:
        """Coordinates in pixels of the cells along rows (0) or columns (1).

        Those of cells at the border may lie outside the image.
        """
        steps = np.arange(self.grid[axis], dtype=np.float64)
        return self.offset[axis] + self.stride[axis] * steps

    def enlarge(self, maps: ArrayLike) -> Floats:
        """Maps at the image's size, by bilinear interpolation.

        Each cell's value stands at its centre; beyond the outermost centres
        the value is that of the nearest cell. Of cells that tile the image it
        is what OpenCV's and TensorFlow's bilinear resizing give.

        Args:
            maps: (..., rows, columns).

        Returns:
            (..., height, width) float32.

        Raises:
            UmsrepError: maps of another number of cells.
        """
        values = self._checked(maps, self.grid, "cells")
        return self._weighted(values, self.interpolation)

    def average(self, pictures: ArrayLike) -> Floats:
        """Pictures on the cells: each cell has the mean of its pixels.

        A pixel belongs to the cell whose centre is nearest, in parts where a
        border between cells crosses it, so that no pixel is left out: the
        outermost cells reach to the border of the image. A cell that has no
        pixel, as its centre lies outside, has the nearest pixel's value.

        Args:
            pictures: (..., height, width).

        Returns:
            (..., rows, columns) float32.

        Raises:
            UmsrepError: pictures of another size.
        """
        values = self._checked(pictures, self.image_size, "pixels")
        return self._weighted(values, self._shares)

    def at_centres(self, pictures: ArrayLike) -> Floats:
        """A picture's values at the pixel under the centre of each cell.

        A centre between two pixels has the mean of both; one outside the
        image has the value at the border.

        Args:
            pictures: (..., height, width).

        Returns:
            (..., rows, columns) float32.

        Raises:
            UmsrepError: pictures of another size.
        """
        values = self._checked(pictures, self.image_size, "pixels")
        return self._weighted(values, self._nearest)

    def interpolation(self, axis: int) -> Floats:
        """(pixels, cells) weights of the cells at each pixel of an axis."""
        count, length = self.grid[axis], self.image_size[axis]
        place = (np.arange(length) - self.offset[axis]) / self.stride[axis]
        place = np.clip(place, 0, count - 1)
        distance = np.abs(place[:, None] - np.arange(count))
        return np.maximum(0, 1 - distance).astype(np.float32)

    def _shares(self, axis: int) -> Floats:
        """(cells, pixels) weights of a mean over each cell's pixels."""
        length = self.image_size[axis]
        centres = self.centres(axis)
        inner = (centres[1:] + centres[:-1]) / 2
        borders = np.concatenate([[-0.5], inner, [length - 0.5]])
        borders = np.clip(borders, -0.5, length - 0.5)
        pixels = np.arange(length)
        low = np.maximum(borders[:-1, None], pixels - 0.5)
        high = np.minimum(borders[1:, None], pixels + 0.5)
        # Rounding leaves slivers, which would count as a touch.
        covered = np.maximum(0, high - low)
        covered[covered < 1e-6] = 0
        total = covered.sum(axis=1, keepdims=True)
        shares = np.divide(
            covered, total, out=self._nearest(axis) * 1.0, where=total > 0
        )
        return shares.astype(np.float32)

    def _nearest(self, axis: int) -> Floats:
        """(cells, pixels), 1 at the pixel of each centre; half of two."""
        pixels = np.arange(self.image_size[axis])
        centres = np.clip(self.centres(axis), 0, pixels[-1])
        distance = np.abs(centres[:, None] - pixels)
        found = distance <= distance.min(axis=1, keepdims=True) + 1e-6
        return (found / found.sum(axis=1, keepdims=True)).astype(np.float32)

    @staticmethod
    def _weighted(values: Floats, weights: Callable[[int], Floats]) -> Floats:
        """Values through the weights of rows (0) and of columns (1)."""
        result = weights(0) @ values @ weights(1).T
        return result.astype(np.float32, copy=False)

    @staticmethod
    def _checked(
        values: ArrayLike, shape: tuple[int, int], what: str
    ) -> Floats:
        values = np.asarray(values, np.float32)
        if values.shape[-2:] != shape:
            raise UmsrepError(
                f"Got an array of shape {values.shape}; expected "
                f"(..., {shape[0]}, {shape[1]}) {what}. Pass what belongs to "
                "these cells, or the `Cells` of the feature that it is of."
            )
        return values
