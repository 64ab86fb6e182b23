"""Arrays of one image and its mask: checks, and added noise."""

import numpy as np
from numpy.typing import NDArray

from umsrep.errors import UmsrepError

Floats = NDArray[np.float32]
Mask = NDArray[np.uint8]


def as_float_image(image: NDArray) -> Floats:
    """A new float32 array of an image in [0, 255], checked.

    Raises:
        UmsrepError: not an array of two or three axes, not uint8 or float32,
            or values that are outside [0, 255] or nan.
    """
    if not isinstance(image, np.ndarray) or image.ndim not in (2, 3):
        raise UmsrepError(
            f"An image of shape {np.shape(image)} was received; expected an "
            "array (height, width) or (height, width, channels). Pass one "
            "image, not a batch."
        )
    if image.dtype == np.uint8:
        return image.astype(np.float32)
    if image.dtype != np.float32:
        raise UmsrepError(
            f"An image of type {image.dtype} was received; expected uint8 or "
            "float32 in [0, 255]. Convert it with .astype('float32')."
        )
    if not (image.min() >= 0 and image.max() <= 255):  # False for NaN too.
        raise UmsrepError(
            f"An image with values from {image.min():g} to {image.max():g} "
            "was received; expected finite numbers in [0, 255]. Rescale or "
            "clip it first."
        )
    return image.copy()


def check_mask(image: NDArray, mask: Mask | None) -> None:
    """Raises unless a mask is uint8 of the image's height and width."""
    if mask is None:
        return
    if not isinstance(mask, np.ndarray) or mask.dtype != np.uint8:
        raise UmsrepError(
            f"A mask of type {getattr(mask, 'dtype', type(mask).__name__)} "
            "was received; expected uint8. Convert it with .astype('uint8')."
        )
    if mask.shape[:2] != image.shape[:2]:
        raise UmsrepError(
            f"A mask of shape {mask.shape} was received with an image of "
            f"shape {image.shape}; expected the same height and width. "
            "Resize the mask by nearest neighbour first."
        )


def add_gaussian_noise(
    image: Floats, std: float, seed: int, clip: bool = True
) -> Floats:
    """`image`, changed in place, plus noise of `std` grey levels."""
    if std:
        noise = np.random.default_rng(seed).standard_normal(
            image.shape, dtype=np.float32
        )
        noise *= np.float32(std)
        image += noise
        if clip:
            np.clip(image, 0, 255, out=image)
    return image
