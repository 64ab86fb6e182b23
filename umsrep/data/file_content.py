"""The bytes of an image file: read whole, and told apart by what they are."""

from pathlib import Path

from numpy.typing import NDArray

from umsrep.errors import UmsrepError

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


def is_dicom(data: bytes) -> bool:
    """Whether a file that begins with these bytes says it is DICOM."""
    return data[128:132] == b"DICM"


def describe(data: bytes) -> str:
    """What a file that is no readable image is, in words."""
    for offset, magic, words in _MAGIC:
        if data[offset : offset + len(magic)] == magic:
            return words
    try:
        data[:512].decode("ascii")
    except UnicodeDecodeError:
        return f"of an unknown type (first bytes {data[:8].hex(' ')})"
    return "a text file"


def too_large(path: Path) -> str:
    """The message about an image of more than `MAX_PIXELS`."""
    return (
        f"{path} claims more than {MAX_PIXELS // 1_000_000} million pixels. "
        "Expected a radiograph; check the file, or make it smaller first."
    )


def check_not_constant(path: str | Path, grey: NDArray) -> None:
    """Raises if every pixel of `grey` has the same value."""
    if grey.min() == grey.max():
        raise UmsrepError(
            f"{path} is constant (every pixel is {grey.flat[0]}), so it shows "
            "nothing. Get the file again, or leave it out."
        )
