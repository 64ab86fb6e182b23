"""One geometry for an image, its mask and its maps."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from umsrep.data.parameters import (
    Configured,
    Parameters,
    Range,
    as_number,
    as_range,
    draw_log_uniform,
)
from umsrep.data.pixels import Floats, Mask, as_float_image, check_mask


@dataclass(frozen=True)
class GeometricAugmentation(Configured):
    """Rotation, scale, aspect, shift, black borders; one for image and mask.

    The content is moved by an affine map about the centre of the frame and
    everything that it leaves free is black (mask: 0). A black border shrinks
    the moved content into what the border leaves free, so that a border never
    hides lung that the mask still shows.

    Args:
        rotation: Largest angle in degrees, drawn from [-rotation, rotation].
        scale: Range of the magnification, log-uniform. It reaches down to 0.65
            because a range that ended at 0.8 failed on validation images
            shrunk to 72 % of the frame (`data.simulated_shifts`).
        aspect: Range of the horizontal over the vertical stretch, at equal
            area, log-uniform.
        shift: Largest shift, as a fraction of width and height.
        border: Widest black border at one side, as a fraction of the frame.
        border_probability: How often there is a border: half of them a band
            at one side, half a frame around the content.
        flip: Whether half of the images are mirrored left to right. Leave it
            off for chests: a mirrored chest has its heart on the right (situs
            inversus), and side markers and the lungs' shapes no longer
            tell the sides apart.
    """

    rotation: float = 10.0
    scale: Range = (0.65, 1.25)
    aspect: Range = (0.85, 1.18)
    shift: float = 0.08
    border: float = 0.2
    border_probability: float = 0.25
    flip: bool = False

    def __post_init__(self) -> None:
        self._set("rotation", as_number(self.rotation, "rotation", 0, 180))
        self._set("scale", as_range(self.scale, "scale", 0.1, 10))
        self._set("aspect", as_range(self.aspect, "aspect", 0.1, 10))
        self._set("shift", as_number(self.shift, "shift", 0, 0.5))
        self._set("border", as_number(self.border, "border", 0, 0.4))
        self._set(
            "border_probability",
            as_number(self.border_probability, "border_probability", 0, 1),
        )

    def draw(self, rng: np.random.Generator) -> Parameters:
        """The parameters of one geometry.

        Always consumes the same number of draws, so that two settings with
        one seed differ in their settings only.
        """
        angle = self.rotation * rng.uniform(-1, 1)
        scale = draw_log_uniform(rng, self.scale)
        aspect = draw_log_uniform(rng, self.aspect)
        shift = self.shift * rng.uniform(-1, 1, 2)
        has_border = rng.random() < self.border_probability
        is_band = rng.random() < 0.5
        side = int(rng.integers(4))
        widths = self.border * rng.random(4)
        if is_band:
            widths *= np.arange(4) == side
        flip = rng.random() < 0.5
        return {
            "angle": float(angle),
            "scale": scale,
            "aspect": aspect,
            "shift": [float(value) for value in shift],
            # Left, top, right, bottom, as fractions of the frame.
            "border": [float(value) for value in widths * has_border],
            "flip": bool(self.flip and flip),
        }

    def apply(
        self, image: NDArray, mask: Mask | None, parameters: Parameters
    ) -> tuple[Floats, Mask | None]:
        """Moves an image (linear interpolation) and its mask (nearest).

        Args:
            image: uint8 or float32 in [0, 255], (height, width[, channels]).
            mask: uint8 (height, width), or None.
            parameters: What `draw` returned.

        Returns:
            (image, mask): new arrays; the mask is None if it was.
        """
        image = as_float_image(image)
        check_mask(image, mask)
        moved = _move(image, parameters, cv2.INTER_LINEAR)
        np.clip(moved, 0, 255, out=moved)  # Interpolation rounds past 255.
        if mask is not None:
            mask = _move(mask, parameters, cv2.INTER_NEAREST)
        return moved, mask

    def apply_to_map(self, values: ArrayLike, parameters: Parameters) -> Floats:
        """Moves a float32 map (gaze, attention): linear, 0 outside.

        The values are not normalised again: if a map must sum to 1 or reach
        1, the caller normalises it.
        """
        values = np.asarray(values, np.float32)
        return _move(values, parameters, cv2.INTER_LINEAR)


def _move(
    values: NDArray, parameters: Parameters, interpolation: int
) -> NDArray:
    """Applies one drawn geometry to an array (height, width[, channels])."""
    height, width = values.shape[:2]
    left, top, right, bottom = (
        round(fraction * length)
        for fraction, length in zip(
            parameters["border"], (width, height, width, height), strict=True
        )
    )
    matrix = _matrix(parameters, width, height)
    # Shrinks the frame into the free rectangle. Pixel i covers [i, i + 1].
    matrix = (
        np.array(
            [
                [(width - left - right) / width, 0, left],
                [0, (height - top - bottom) / height, top],
                [0, 0, 1],
            ]
        )
        @ matrix
    )
    # OpenCV counts from the centre of the first pixel.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = np.linalg.inv(half) @ matrix @ half
    moved = cv2.warpAffine(
        values,
        matrix[:2],
        (width, height),
        flags=interpolation,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    ).reshape(values.shape)  # OpenCV drops a single channel.
    # Content outside the frame must not show in the border.
    moved[:top] = 0
    moved[height - bottom :] = 0
    moved[:, :left] = 0
    moved[:, width - right :] = 0
    return moved


def _matrix(
    parameters: Parameters, width: int, height: int
) -> NDArray[np.float64]:
    """3x3 map from source to result, in pixels, about the frame's centre."""
    angle = math.radians(parameters["angle"])
    cosine, sine = math.cos(angle), math.sin(angle)
    stretch = math.sqrt(parameters["aspect"])
    horizontal = parameters["scale"] * stretch
    vertical = parameters["scale"] / stretch
    mirror = -1 if parameters["flip"] else 1
    linear = np.diag([horizontal, vertical]) @ np.array(
        [[cosine * mirror, sine], [-sine * mirror, cosine]]
    )
    centre = np.array([width / 2, height / 2])
    shift = np.array(parameters["shift"]) * (width, height)
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = centre + shift - linear @ centre
    return matrix
