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

from umsrep.data import storage
from umsrep.data.deep_pixels import SIXTEEN_BIT, deep_values, is_deep, rescale
from umsrep.errors import UmsrepError

FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
# Far above a full-size radiograph (20 million), far below what fills memory.
MAX_PIXELS = 200_000_000

# What a file is by its first bytes: (offset, bytes, words for the message).
_MAGIC = (
    (0, b"%PDF", "a PDF document"),
    (128, b"DICM", "a DICOM file"),
    (0, b"GIF8", "a GIF image"),
    (8, b"WEBP", "a WebP image"),
    (4, b"ftyp", "a HEIF, AVIF or video file"),
    (4, b"jP  ", "a JPEG 2000 image"),
    (0, b"PK\x03\x04", "a ZIP archive (or an Office document)"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"\x00\x05\x16\x07", "a macOS resource file"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    (0, b"<!DOCTYPE", "an HTML page (often a failed download)"),
    (0, b"<!doctype", "an HTML page (often a failed download)"),
    (0, b"<html", "an HTML page (often a failed download)"),
    (0, b"\x89PNG", "a damaged PNG image"),
    (0, b"\xff\xd8\xff", "a damaged JPEG image"),
    (0, b"II*\x00", "a damaged or unusual TIFF image"),
    (0, b"MM\x00*", "a damaged or unusual TIFF image"),
)


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


def read_bytes(path: Path) -> bytes:
    """The whole content of a file, or an error that says what is wrong."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UmsrepError(
            f"{path} does not exist. Expected an image file; check the path."
        ) from error
    except OSError as error:
        raise UmsrepError(
            f"{path} cannot be read ({error.strerror or error}). Check the "
            "file and its permissions."
        ) from error
    if not data:
        raise UmsrepError(
            f"{path} is empty (0 bytes). Expected an image; download or copy "
            "it again."
        )
    return data


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
            f"{path} is not a readable image: it is {_describe(data)}. "
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


def too_large(path: Path) -> str:
    """The message about an image of more than `MAX_PIXELS`."""
    return (
        f"{path} claims more than {MAX_PIXELS // 1_000_000} million pixels. "
        "Expected a radiograph; check the file, or make it smaller first."
    )


def _check_layout(path: Path, image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise UmsrepError(too_large(path))
    frames = getattr(image, "n_frames", 1)
    if frames != 1:
        raise UmsrepError(
            f"{path} holds {frames} pictures. Expected one; export the "
            "wanted picture to a file of its own."
        )


def _describe(data: bytes) -> str:
    for offset, magic, words in _MAGIC:
        if data[offset : offset + len(magic)] == magic:
            return words
    try:
        data[:512].decode("ascii")
    except UnicodeDecodeError:
        return f"of an unknown type (first bytes {data[:8].hex(' ')})"
    return "a text file"


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
    if sixteen_bit not in SIXTEEN_BIT:
        raise UmsrepError(
            f"sixteen_bit is {sixteen_bit!r}. Use one of "
            f"{', '.join(SIXTEEN_BIT)}."
        )
    path = Path(path)
    data = read_bytes(path) if data is None else data
    if is_dicom(data):
        # Imported here: it reads files with this module, and few need it.
        from umsrep.data import dicom

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


def is_dicom(data: bytes) -> bool:
    """Whether a file that begins with these bytes claims to be DICOM."""
    return data[128:132] == b"DICM"


def check_not_constant(path: Path, grey: NDArray) -> None:
    """Raises if every pixel of `grey` has the same value."""
    if grey.min() == grey.max():
        raise UmsrepError(
            f"{path} is constant (every pixel is {grey.flat[0]}), so it shows "
            "nothing. Get the file again, or leave it out."
        )


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
    """Writes a grey or BGR uint8 picture atomically."""
    done, encoded = cv2.imencode(".png", picture)
    if not done:
        raise UmsrepError(f"{path}: the picture could not be encoded.")
    with storage.atomic_path(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
