"""Grey values of more than 8 bits, as PNG and TIFF files hold them."""

import io
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from umsrep.errors import UmsrepError

SIXTEEN_BIT = ("refuse", "rescale")
# TIFF's tag; 0 says that the smallest value is white.
PHOTOMETRIC = 262


def check_sixteen_bit(sixteen_bit: str) -> None:
    """Raises unless it is one of `SIXTEEN_BIT`."""
    if sixteen_bit not in SIXTEEN_BIT:
        raise UmsrepError(
            f"sixteen_bit is {sixteen_bit!r}. Use one of "
            f"{', '.join(SIXTEEN_BIT)}."
        )


def is_deep(image: Image.Image, data: bytes) -> bool:
    """Whether a file's values have more than 8 bits."""
    # Pillow silently reads a 16-bit RGB PNG as 8-bit, so ask the file.
    png_depth = data[24] if data.startswith(b"\x89PNG") else 8
    return png_depth == 16 or image.mode.startswith(("I", "F"))


def deep_values(
    path: Path, image: Image.Image, data: bytes
) -> NDArray[np.float64]:
    """The grey values (height, width), unchanged but for white-is-zero.

    Raises:
        UmsrepError: a layout that cannot be read, or values that are not
            finite.
    """
    if not image.mode.startswith(("I", "F")):
        values = cv2.imdecode(
            np.frombuffer(data, np.uint8),
            cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH,
        )
        if values is None:
            raise UmsrepError(
                f"{path} is a 16-bit image of an unusual layout. Convert it "
                "to 8-bit or 16-bit grey first."
            )
        return values.astype(np.float64)
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        raise UmsrepError(
            f"{path} holds {np.count_nonzero(~np.isfinite(values))} NaN or "
            "infinite values. Expected finite grey values; fix the export, "
            "or leave the file out."
        )
    # Pillow inverts a white zero in 8-bit files only.
    if _white_is_zero(data):
        whole = image.mode.startswith("I;16")
        values = (65535 if whole else values.max() + values.min()) - values
    return values


def _white_is_zero(data: bytes) -> bool:
    if data[:4] not in (b"II*\x00", b"MM\x00*"):
        return False
    with Image.open(io.BytesIO(data), formats=["TIFF"]) as image:
        return image.tag_v2.get(PHOTOMETRIC) == 0  # type: ignore[attr-defined]


def rescale(
    path: Path, values: NDArray[np.float64], sixteen_bit: str
) -> NDArray[np.uint8]:
    """The values with minimum and maximum at 0 and 255, if asked for.

    Raises:
        UmsrepError: `sixteen_bit` is "refuse".
    """
    low, high = values.min(), values.max()
    if sixteen_bit == "refuse":
        raise UmsrepError(
            f"{path} has more than 8 bits per pixel (values {low:g} to "
            f"{high:g}). Expected 8-bit grey; convert it with the window a "
            "radiologist would use, or ask for minimum-maximum rescaling "
            "(--sixteen-bit rescale)."
        )
    scale = 255.0 / (high - low) if high > low else 0.0
    return np.rint((values - low) * scale).astype(np.uint8)
