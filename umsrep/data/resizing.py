"""Resizing images and masks."""

import cv2
import numpy as np
from numpy.typing import NDArray


def resize_image(
    image: NDArray[np.uint8], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Stretches a grey image to `size` with OpenCV's bicubic interpolation.

    Bicubic interpolation reads 4 x 4 neighbours however large the reduction,
    so 3000 -> 256 pixels would skip most of the picture and turn fine texture
    into noise. A side longer than twice the target is therefore first
    averaged by area down to exactly twice the target; up to a factor of 2
    the result is plain bicubic interpolation (Zamzmi et al. 2021, Section
    2.1), and at 2 the two agree.

    Args:
        image: Grey levels (height, width).
        size: (height, width) in pixels.

    Returns:
        Grey levels of shape `size`; overshoot is clipped to 0-255.
    """
    if image.shape == tuple(size):
        return image.copy()
    return np.clip(np.rint(resized_values(image, size)), 0, 255).astype(
        np.uint8
    )


def resized_values(
    image: NDArray, size: tuple[int, int]
) -> NDArray[np.float32]:
    """`resize_image` before it rounds: float32, may overshoot 0-255."""
    height, width = size
    values = image.astype(np.float32)
    rows = min(image.shape[0], 2 * height)
    columns = min(image.shape[1], 2 * width)
    if (rows, columns) != image.shape:
        values = cv2.resize(
            values, (columns, rows), interpolation=cv2.INTER_AREA
        )
    return cv2.resize(values, (width, height), interpolation=cv2.INTER_CUBIC)


def resize_mask(
    mask: NDArray[np.bool_], size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Stretches a mask to `size` by nearest neighbour: it stays binary.

    OpenCV's INTER_NEAREST_EXACT takes the pixel under the centre of the new
    one, as the image's interpolation does; its INTER_NEAREST takes the
    pixel's corner and shifts the mask by up to half a pixel.

    Args:
        mask: (height, width), True inside.
        size: (height, width) in pixels.

    Returns:
        A mask of shape `size`.
    """
    height, width = size
    resized = cv2.resize(
        mask.astype(np.uint8),
        (width, height),
        interpolation=cv2.INTER_NEAREST_EXACT,
    )
    return resized.astype(bool)
