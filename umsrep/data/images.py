"""Reading image and mask files strictly.

Public data sets arrive as palette, RGB and grey PNG, JPEG, TIFF and DICOM,
with truncated downloads among them. A file is read whole or refused, never
half.
"""

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from umsrep.data import dicom, storage
from umsrep.data.deep_pixels import (
    check_sixteen_bit,
    deep_values,
    is_deep,
    rescale,
)
from umsrep.data.file_content import (
    MAX_PIXELS,
    check_not_constant,
    describe,
    is_dicom,
    read_bytes,
    too_large,
)
from umsrep.errors import UmsrepError

FORMATS = ("PNG", "JPEG", "TIFF", "BMP")


def open_image(path: str | Path) -> Image.Image:
    """Opens and fully decodes one image file.

    Args:
        path: A PNG, JPEG, TIFF or BMP file, judged by its content.

    Returns:
        A loaded `PIL.Image.Image`, turned as its EXIF orientation says.

    Raises:
        UmsrepError: missing, unreadable, empty, truncated, damaged, not an
            image, several pictures in one file, or absurdly large.
    """
    return _decode(Path(path), read_bytes(Path(path)))


def _decode(path: Path, data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Odd metadata does not matter, and size is checked below.
            warnings.simplefilter("ignore")
            if data.startswith(b"\x89PNG"):
                # load() forgives wrong checksums and a missing end; this does
                # not.
                with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
                    image.verify()
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            _check_layout(path, image)
            image.load()
            return ImageOps.exif_transpose(image)
    except UmsrepError:
        raise
    except Image.UnidentifiedImageError as error:
        raise UmsrepError(
            f"{path} is not a readable image: it is {describe(data)}. "
            f"Expected {', '.join(FORMATS[:-1])} or {FORMATS[-1]}; convert "
            "it, get the file again, or leave it out."
        ) from error
    except Image.DecompressionBombError as error:
        raise UmsrepError(too_large(path)) from error
    # Decoders of damaged files raise nearly anything.
    except Exception as error:
        raise UmsrepError(
            f"{path} is truncated or damaged ({error}). Expected a whole "
            "image; download or copy it again."
        ) from error


def _check_layout(path: Path, image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise UmsrepError(too_large(path))
    frames = getattr(image, "n_frames", 1)
    if frames != 1:
        raise UmsrepError(
            f"{path} holds {frames} pictures. Expected one; export the "
            "wanted picture to a file of its own."
        )


def read_grey(
    path: str | Path, sixteen_bit: str = "refuse", data: bytes | None = None
) -> NDArray[np.uint8]:
    """Reads an image as 8-bit grey.

    A DICOM file is read by `umsrep.data.dicom.read_dicom`: rescaled,
    windowed, bright = dense. Its header says what its bits mean, so
    `sixteen_bit` does not apply to it. In the other formats, colour and
    palette images become luma (ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B),
    which leaves equal channels exactly as they are; transparency is ignored.

    Args:
        path: A PNG, JPEG, TIFF, BMP or DICOM file, judged by its content.
        sixteen_bit: What to do with more than 8 bits per value: "refuse", or
            "rescale" from the image's own minimum and maximum to 0-255.
        data: The file's bytes, if they are in memory already; `path` is
            then only its name in messages.

    Returns:
        Grey levels (height, width), not constant.

    Raises:
        UmsrepError: the file cannot be read (see `open_image`,
            `read_dicom`), has more than 8 bits, holds NaN or infinite
            values, or is constant.
    """
    check_sixteen_bit(sixteen_bit)
    path = Path(path)
    data = read_bytes(path) if data is None else data
    if is_dicom(data):
        return dicom.read_dicom(path, data).image
    image = _decode(path, data)
    if is_deep(image, data):
        grey = rescale(path, deep_values(path, image, data), sixteen_bit)
    else:
        grey = np.array(_luma(path, image))
    check_not_constant(path, grey)
    return grey


def _luma(path: Path, image: Image.Image) -> Image.Image:
    try:
        if image.mode == "CMYK":
            image = image.convert("RGB")
        return image.convert("L")
    except ValueError as error:
        raise UmsrepError(
            f"{path} has the colours {image.mode}, which have no luma here "
            f"({error}). Expected a grey image; save it as 8-bit grey."
        ) from error


def read_mask(path: str | Path) -> NDArray[np.bool_]:
    """Reads a binary mask.

    Args:
        path: An image whose values are 0 and 255, or 0 and 1 (1-bit PNG).

    Returns:
        (height, width), True inside. It may be empty.

    Raises:
        UmsrepError: the file cannot be read, or holds other values.
    """
    image = open_image(path)
    if image.mode not in ("1", "L") and not image.mode.startswith(("I", "F")):
        image = image.convert("RGB")
        bands = [np.asarray(band) for band in image.split()]
        if any((band != bands[0]).any() for band in bands[1:]):
            raise UmsrepError(
                f"{path} is a coloured mask. Expected black (0) outside and "
                "white (255) inside; save one such mask per task."
            )
        values = bands[0]
    else:
        values = np.asarray(image)
    found = np.unique(values)
    if not (np.isin(found, (0, 255)).all() or np.isin(found, (0, 1)).all()):
        listed = ", ".join(f"{value:g}" for value in found[:6].astype(float))
        more = f", ... ({len(found)} values)" if len(found) > 6 else ""
        raise UmsrepError(
            f"{path} is not a binary mask: it holds the values "
            f"{listed}{more}. Expected 0 outside and 255 (or 1) inside; "
            "threshold it, for example at half its maximum, and save it as "
            "PNG (JPEG blurs the edge)."
        )
    return values != 0


def read_map(path: str | Path) -> NDArray[np.float32]:
    """Reads a heat map: a grey image of 8 or 16 bits, bright where it is high.

    Returns:
        (height, width), at least 0, as in the file.

    Raises:
        UmsrepError: the file cannot be read, is coloured, or is 0 everywhere.
    """
    path = Path(path)
    data = read_bytes(path)
    image = _decode(path, data)
    if image.mode in ("P", "RGB", "RGBA", "CMYK"):
        raise UmsrepError(
            f"{path} is a coloured picture. Expected a grey heat map, bright "
            "where it is high; export it without a colour scale."
        )
    if is_deep(image, data):
        values = deep_values(path, image, data)
    else:
        values = np.array(_luma(path, image), np.float64)
    if values.min() < 0 or values.max() <= 0:
        raise UmsrepError(
            f"{path} has values from {values.min():g} to {values.max():g}. "
            "Expected a heat map of at least 0 that is not 0 everywhere; "
            "export it again, or leave it out."
        )
    return values.astype(np.float32)


def write_png(path: str | Path, picture: NDArray) -> None:
    """Writes a grey or RGB picture atomically.

    Args:
        path: The file.
        picture: (height, width) uint8 or uint16, or (height, width, 3) uint8.
    """
    if picture.ndim == 3:
        picture = picture[..., ::-1]  # OpenCV writes BGR
    done, encoded = cv2.imencode(".png", picture)
    if not done:
        raise UmsrepError(f"{path}: the picture could not be encoded.")
    with storage.atomic_path(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
