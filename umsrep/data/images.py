"""Reading image and mask files strictly, and resizing them.

Public data sets arrive as palette, RGB and grey PNG, JPEG, TIFF and DICOM,
with truncated downloads among them. A file is read whole or refused, never
half.
"""

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from umsrep.data import storage
from umsrep.errors import UmsrepError

FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
SIXTEEN_BIT = ("refuse", "rescale")
# TIFF's tag; 0 says that the smallest value is white.
PHOTOMETRIC = 262
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


def open_image(path):
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


def read_bytes(path):
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


def _decode(path, data):
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


def too_large(path):
    """The message about an image of more than `MAX_PIXELS`."""
    return (
        f"{path} claims more than {MAX_PIXELS // 1_000_000} million pixels. "
        "Expected a radiograph; check the file, or make it smaller first."
    )


def _check_layout(path, image):
    if image.width * image.height > MAX_PIXELS:
        raise UmsrepError(too_large(path))
    frames = getattr(image, "n_frames", 1)
    if frames != 1:
        raise UmsrepError(
            f"{path} holds {frames} pictures. Expected one; export the "
            "wanted picture to a file of its own."
        )


def _describe(data):
    for offset, magic, words in _MAGIC:
        if data[offset : offset + len(magic)] == magic:
            return words
    try:
        data[:512].decode("ascii")
    except UnicodeDecodeError:
        return f"of an unknown type (first bytes {data[:8].hex(' ')})"
    return "a text file"


def read_grey(path, sixteen_bit="refuse", data=None):
    """Reads an image as 8-bit grey.

    A DICOM file is read as `umsrep.data.dicom.read_dicom` says: rescaled,
    windowed, bright = dense. Its header says what its bits mean, so
    `sixteen_bit` does not apply to it. Of the other formats, colour and
    palette images become luma (ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B),
    which leaves equal channels exactly as they are; transparency is ignored.

    Args:
        path: A PNG, JPEG, TIFF, BMP or DICOM file, judged by its content.
        sixteen_bit: What to do with more than 8 bits per value: "refuse", or
            "rescale" from the image's own minimum and maximum to 0-255.
        data: The file's bytes, where they are in memory already; `path` is
            then only its name in messages.

    Returns:
        uint8 array (height, width), not constant.

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
    if _is_deep(image, data):
        grey = _rescale(path, _deep_values(path, image, data), sixteen_bit)
    else:
        grey = np.array(_luma(path, image))
    check_not_constant(path, grey)
    return grey


def _luma(path, image):
    try:
        if image.mode == "CMYK":
            image = image.convert("RGB")
        return image.convert("L")
    except ValueError as error:
        raise UmsrepError(
            f"{path} has the colours {image.mode}, which have no luma here "
            f"({error}). Expected a grey image; save it as 8-bit grey."
        ) from error


def is_dicom(data):
    """Whether a file that begins with these bytes says it is DICOM."""
    return data[128:132] == b"DICM"


def check_not_constant(path, grey):
    """Raises if every pixel of `grey` has the same value."""
    if grey.min() == grey.max():
        raise UmsrepError(
            f"{path} is constant (every pixel is {grey.flat[0]}), so it shows "
            "nothing. Get the file again, or leave it out."
        )


def _is_deep(image, data):
    # Pillow reads a 16-bit RGB PNG as 8-bit without a word, so ask the file.
    png_depth = data[24] if data.startswith(b"\x89PNG") else 8
    return png_depth == 16 or image.mode.startswith(("I", "F"))


def _deep_values(path, image, data):
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
            "infinite values. Expected finite grey values; mend the export, "
            "or leave the file out."
        )
    # Pillow inverts a white zero in 8-bit files only.
    if _white_is_zero(data):
        whole = image.mode.startswith("I;16")
        values = (65535 if whole else values.max() + values.min()) - values
    return values


def _white_is_zero(data):
    if data[:4] not in (b"II*\x00", b"MM\x00*"):
        return False
    with Image.open(io.BytesIO(data), formats=["TIFF"]) as image:
        return image.tag_v2.get(PHOTOMETRIC) == 0


def _rescale(path, values, sixteen_bit):
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


def read_mask(path):
    """Reads a binary mask.

    Args:
        path: An image whose values are 0 and 255, or 0 and 1 (1-bit PNG).

    Returns:
        bool array (height, width), True inside. It may be empty.

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


def read_map(path):
    """Reads a heat map: a grey image, bright where there is much.

    Returns:
        float32 array (height, width), at least 0; 8 or 16 bits.

    Raises:
        UmsrepError: the file cannot be read, is coloured, or is 0 everywhere.
    """
    path = Path(path)
    data = read_bytes(path)
    image = _decode(path, data)
    if image.mode in ("P", "RGB", "RGBA", "CMYK"):
        raise UmsrepError(
            f"{path} is a coloured picture. Expected a grey heat map, bright "
            "where there is much; export it without a colour scale."
        )
    if _is_deep(image, data):
        values = _deep_values(path, image, data)
    else:
        values = np.array(_luma(path, image), np.float64)
    if values.min() < 0 or values.max() <= 0:
        raise UmsrepError(
            f"{path} has values from {values.min():g} to {values.max():g}. "
            "Expected a heat map of at least 0 that is not 0 everywhere; "
            "export it again, or leave it out."
        )
    return values.astype(np.float32)


def resize_image(image, size):
    """Stretches a grey image to `size` with OpenCV's bicubic interpolation.

    Bicubic interpolation reads 4 x 4 neighbours however large the reduction,
    so 3000 -> 256 pixels would skip most of the picture and turn fine texture
    into noise. A side longer than twice the target is therefore first
    averaged by area down to exactly twice the target; up to a factor of 2
    the result is plain bicubic interpolation (Zamzmi et al. 2021, Section
    2.1), and at 2 the two agree.

    Args:
        image: uint8 array (height, width).
        size: (height, width) in pixels.

    Returns:
        uint8 array of shape `size`; overshoot is clipped to 0-255.
    """
    if image.shape == tuple(size):
        return image.copy()
    return np.clip(np.rint(resized_values(image, size)), 0, 255).astype(
        np.uint8
    )


def resized_values(image, size):
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


def resize_mask(mask, size):
    """Stretches a mask to `size` by nearest neighbour: it stays binary.

    OpenCV's INTER_NEAREST_EXACT takes the pixel under the centre of the new
    one, as the image's interpolation does; its INTER_NEAREST takes the
    pixel's corner and shifts the mask by up to half a pixel.

    Args:
        mask: bool array (height, width).
        size: (height, width) in pixels.

    Returns:
        bool array of shape `size`.
    """
    height, width = size
    resized = cv2.resize(
        mask.astype(np.uint8),
        (width, height),
        interpolation=cv2.INTER_NEAREST_EXACT,
    )
    return resized.astype(bool)


def write_png(path, picture):
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
