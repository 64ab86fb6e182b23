"""Gaze: fixations or raw samples -> a map of where people looked.

A *point* is a fixation or one sample of an eye tracker. Positions are
continuous, in pixels of the image, with the origin at the top-left corner, so
a point lies in pixel (floor(y), floor(x)).
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from umsrep.errors import UmsrepError
from umsrep.tasks.map import normalized

WEIGHTS = ("count", "duration")
COLUMNS = ("observer", "x", "y", "duration_ms")
# A kernel of 500 pixels in MT-UNet's published code, by OpenCV's rule
# 0.3 ((size - 1) / 2 - 1) + 0.8 with the odd size 501.
SIGMA_OF_MT_UNET = 75.5
# The longer side of the images for which both papers chose that kernel.
LONG_SIDE_OF_MT_UNET = 3056


@dataclass(frozen=True)
class GazeMap:
    """How points become a map; stored with the data set.

    Args:
        weight: "count" (each point 1; right for samples of a fixed rate,
            whose number is time) or "duration" (each fixation its duration).
        sigma: Standard deviation of the Gaussian blur in pixels of the source
            image. Give `sigma`, `sigma_degrees` or `sigma_share`.
        sigma_degrees: The same in degrees of visual angle, for data sets that
            state how many pixels a degree is.
        sigma_share: The same as a share of the image's longer side. Default:
            0.0247, MT-UNet's 75.5 pixels of 3,056.
    """

    weight: str = "count"
    sigma: float | None = None
    sigma_degrees: float | None = None
    sigma_share: float | None = None

    def __post_init__(self) -> None:
        if self.weight not in WEIGHTS:
            raise UmsrepError(
                f"weight='{self.weight}' is unknown. Choose one of "
                f"{', '.join(WEIGHTS)}."
            )
        given = [
            value
            for value in (self.sigma, self.sigma_degrees, self.sigma_share)
            if value is not None
        ]
        if len(given) > 1 or any(
            not (math.isfinite(value) and value > 0) for value in given
        ):
            raise UmsrepError(
                f"sigma={self.sigma}, sigma_degrees={self.sigma_degrees}, "
                f"sigma_share={self.sigma_share}: expected at most one of "
                "them, above 0. Leave the others out."
            )

    def pixels(
        self, shape: tuple[int, int], pixels_per_degree: float | None = None
    ) -> float:
        """Sigma in pixels of an image of `shape` (height, width)."""
        if self.sigma is not None:
            return self.sigma
        if self.sigma_degrees is not None:
            if pixels_per_degree is None:
                raise UmsrepError(
                    f"sigma_degrees={self.sigma_degrees}, but this data set "
                    "does not say how many pixels a degree of visual angle "
                    "is. Give sigma in pixels."
                )
            return self.sigma_degrees * pixels_per_degree
        share = self.sigma_share or SIGMA_OF_MT_UNET / LONG_SIDE_OF_MT_UNET
        return share * max(shape)


@dataclass(frozen=True)
class Gaze:
    """What was recorded on one image.

    Args:
        points: Data frame with x and y; `duration_ms` is needed for the
            weight "duration", `observer` tells people apart. The map is made
            from these.
        fixations: Data frame of the same columns, where the points are raw
            samples; metrics at fixations use these. Default: the points.
        pixels_per_degree: Pixels of the image per degree of visual angle.
    """

    points: pd.DataFrame
    fixations: pd.DataFrame | None = None
    pixels_per_degree: float | None = None


def inside(
    points: pd.DataFrame, shape: tuple[int, int]
) -> tuple[pd.DataFrame, int]:
    """The points on the image, and the number of those that are not.

    Args:
        points: Data frame with x and y.
        shape: (height, width).

    Returns:
        (data frame of `COLUMNS`, number dropped). Points outside the image
        and without a position are dropped.

    Raises:
        UmsrepError: a column is missing, or a duration is negative.
    """
    missing = {"x", "y"} - set(points.columns)
    if missing:
        raise UmsrepError(
            f"The gaze has the columns {', '.join(map(str, points.columns))}; "
            f"expected {sorted(missing)[0]!r} among them. Rename the columns."
        )
    table = points.reindex(columns=list(COLUMNS))
    for column in ("x", "y", "duration_ms"):
        table[column] = pd.to_numeric(table[column], errors="coerce")
    if (table["duration_ms"] < 0).any():
        raise UmsrepError(
            f"A fixation lasts {table['duration_ms'].min():g} ms. Expected "
            "durations of at least 0; correct or leave out those rows."
        )
    height, width = shape
    kept = table["x"].between(0, width, inclusive="left") & table["y"].between(
        0, height, inclusive="left"
    )
    return table[kept].reset_index(drop=True), int((~kept).sum())


def density(
    points: pd.DataFrame,
    shape: tuple[int, int],
    sigma: float | ArrayLike,
    weight: str = "count",
) -> NDArray[np.float32]:
    """A map of points: counted or weighted by time, and blurred.

    The blur mirrors at the border, so that no time is lost there; the sum is
    1 (MT-UNet, Section 3.1: a distribution over the pixels).

    Args:
        points: Data frame as `inside` returns.
        shape: (height, width) in pixels.
        sigma: Standard deviation of the Gaussian blur in pixels, or a pair for
            (y, x); 0 is no blur.
        weight: "count" or "duration".

    Returns:
        float32 (height, width), at least 0, sum 1.

    Raises:
        UmsrepError: no point, or no duration where durations count.
    """
    if not len(points):
        raise UmsrepError(
            "No gaze point lies on the image. Check that the positions are in "
            "pixels of this image, or leave the image out."
        )
    weights = np.ones(len(points))
    if weight == "duration":
        weights = points["duration_ms"].to_numpy(float)
        if np.isnan(weights).any() or weights.sum() <= 0:
            raise UmsrepError(
                "A gaze point has no duration, but durations are the "
                "weights. Use weight='count', or fixations with durations."
            )
    dots = np.zeros(shape, np.float64)
    rows = np.floor(points["y"].to_numpy(float)).astype(int)
    columns = np.floor(points["x"].to_numpy(float)).astype(int)
    np.add.at(dots, (rows, columns), weights)
    return normalized(blur(dots, sigma))


def blur(values: NDArray, sigma: ArrayLike) -> NDArray[np.float64]:
    """Gaussian blur, cut at 4 sigma, that keeps the sum."""
    sigmas = np.broadcast_to(sigma, 2)
    if sigmas.max() <= 0:
        return values
    # Mirroring is defined up to the far border only.
    radius = [
        min(math.ceil(4 * deviation), n - 1)
        for deviation, n in zip(sigmas, values.shape, strict=True)
    ]
    return cv2.GaussianBlur(
        np.ascontiguousarray(values, np.float64),
        (2 * radius[1] + 1, 2 * radius[0] + 1),
        sigmas[1],
        sigmaY=sigmas[0],
        borderType=cv2.BORDER_REFLECT,
    )


def resize_map(values: NDArray, size: tuple[int, int]) -> NDArray[np.float32]:
    """A density at another size: area averages down, bilinear up, sum 1."""
    height, width = size
    if values.shape == (height, width):
        return normalized(values)
    smaller = height <= values.shape[0] and width <= values.shape[1]
    resized = cv2.resize(
        np.ascontiguousarray(values, np.float32),
        (width, height),
        interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR,
    )
    return normalized(resized)
