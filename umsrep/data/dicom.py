"""Reading one radiograph from a DICOM file as 8-bit grey.

The file is parsed, never executed, and a file without the DICOM preamble is
refused rather than guessed at (pydicom's `force` stays off). Grey values take
the path of the standard (PS3.3 C.11): stored values -> Modality LUT (rescale
slope and intercept) -> VOI LUT (window) -> MONOCHROME1 inverted.
"""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import pixels

from umsrep.data import images as reading
from umsrep.errors import UmsrepError

GREY = ("MONOCHROME1", "MONOCHROME2")
# Millimetres between pixels; other values are mistakes in the header.
PLAUSIBLE = (1e-3, 100.0)
_AGAIN = "Download or export it again."
_NEEDED = (
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "PhotometricInterpretation",
)


@dataclass(frozen=True)
class DicomImage:
    """One radiograph of a DICOM file.

    Attributes:
        image: (height, width), bright = dense, not constant.
        pixel_spacing: (row, column) distance in mm, or None. Pixel Spacing
            where the file has it; otherwise Imager Pixel Spacing, which holds
            at the detector and so exceeds the patient's by the magnification.
        bits_stored: Bits of a stored value, for example 12.
        photometric: "MONOCHROME1" or "MONOCHROME2", as in the file.
        spacing_at: "detector" where the spacing is known to hold there only:
            from Imager Pixel Spacing, or a Pixel Spacing that repeats it
            without saying how it was calibrated; else "object", or None
            without a spacing.
    """

    image: NDArray[np.uint8]
    pixel_spacing: tuple[float, float] | None
    bits_stored: int
    photometric: str
    spacing_at: str | None = None


def read_dicom(path: str | Path, data: bytes | None = None) -> DicomImage:
    """Reads a grey, single-frame DICOM file.

    Of several VOI LUTs or windows the first is used. Without any, the image's
    own minimum and maximum become 0 and 255.

    Args:
        path: A DICOM file, judged by its content.
        data: Its bytes, if they are in memory already; `path` is then only its
            name in messages.

    Raises:
        UmsrepError: missing, unreadable, not DICOM, truncated or damaged,
            without pixels, in colour, several frames, absurdly large,
            compressed in a way that no installed decoder reads, with an
            impossible window, or constant.
    """
    path = Path(path)
    dataset = _parse(path, reading.read_bytes(path) if data is None else data)
    _check(path, dataset)
    stored = _decode(path, dataset)
    try:
        image = _grey(stored, dataset)
    # Tables with missing or odd elements raise nearly anything.
    except Exception as error:
        raise UmsrepError(
            f"{path} has a rescale or window that cannot be applied "
            f"({error}). Expected those of PS3.3 C.11; correct or remove "
            "Window Center and Window Width, or export it again."
        ) from error
    reading.check_not_constant(path, image)
    spacing, place = _spacing(dataset)
    return DicomImage(
        image=image,
        pixel_spacing=spacing,
        spacing_at=place,
        bits_stored=int(dataset.BitsStored),
        photometric=str(dataset.PhotometricInterpretation),
    )


def read_shape(path: str | Path) -> tuple[int, int]:
    """(height, width) of a DICOM file, without decoding its pixels.

    Raises:
        UmsrepError: as `read_dicom` does for the header.
    """
    path = Path(path)
    dataset = _parse(path, reading.read_bytes(path))
    return int(dataset.Rows), int(dataset.Columns)


def _parse(path: Path, data: bytes) -> pydicom.FileDataset:
    try:
        with warnings.catch_warnings(record=True) as noticed:
            warnings.simplefilter("always")
            dataset = pydicom.dcmread(io.BytesIO(data), force=False)
            # Values are parsed when they are first read.
            lacking = [name for name in _NEEDED if dataset.get(name) is None]
    except pydicom.errors.InvalidDicomError as error:
        raise UmsrepError(
            f"{path} is not a DICOM file (the preamble 'DICM' is missing). "
            "Expected one file of an X-ray image; check the path, or export "
            "it again."
        ) from error
    # The parser meets damaged files with nearly anything.
    except Exception as error:
        raise UmsrepError(
            f"{path} is truncated or damaged ({error}). {_AGAIN}"
        ) from error
    if any("end of file" in str(item.message).lower() for item in noticed):
        raise UmsrepError(
            f"{path} is truncated: it ends inside an element. {_AGAIN}"
        )
    if "PixelData" not in dataset:
        raise UmsrepError(
            f"{path} has no pixel data"
            + (f" and lacks {', '.join(lacking)}" if lacking else "")
            + ": it is cut off, or no image (a report, for example). Export "
            "the image itself, or leave the file out."
        )
    if lacking:
        raise UmsrepError(
            f"{path} lacks the required {', '.join(lacking)}. Export the "
            "image again with a complete header."
        )
    return dataset


def _check(path: Path, dataset: pydicom.Dataset) -> None:
    try:
        samples, frames, size, bits, high = (
            int(dataset.get("SamplesPerPixel") or 1),
            int(dataset.get("NumberOfFrames") or 1),
            int(dataset.Rows) * int(dataset.Columns),
            int(dataset.BitsStored),
            int(dataset.get("HighBit") or dataset.BitsStored - 1),
        )
    # An element with several values, or with another type.
    except (TypeError, ValueError) as error:
        raise UmsrepError(
            f"{path} has a header value that is not a single number "
            f"({error}). {_AGAIN}"
        ) from error
    photometric = dataset.PhotometricInterpretation
    if photometric not in GREY or samples != 1:
        raise UmsrepError(
            f"{path} is in colour ({photometric}). Expected a grey X-ray "
            f"image ({' or '.join(GREY)}); export it as grey, or leave it "
            "out (colour is used by screenshots and reports)."
        )
    if frames != 1:
        raise UmsrepError(
            f"{path} holds {frames} frames. Expected one image; export the "
            "wanted frame to a file of its own."
        )
    if size > reading.MAX_PIXELS:
        raise UmsrepError(reading.too_large(path))
    if high != bits - 1:
        raise UmsrepError(
            f"{path} stores its {bits} bits up to bit {high} (High Bit). "
            f"Expected bit {bits - 1}, as PS3.3 C.7.6.3 has it; export it "
            "again."
        )


def _decode(path: Path, dataset: pydicom.FileDataset) -> NDArray:
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        raise UmsrepError(f"{path} does not say its transfer syntax. {_AGAIN}")
    try:
        available = pixels.get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    except (TypeError, ValueError) as error:
        raise UmsrepError(
            f"{path} has no readable transfer syntax ({error}). {_AGAIN}"
        ) from error
    if not available:
        raise UmsrepError(
            f"{path} is compressed as {syntax.name} ({syntax}), which no "
            "installed decoder reads. Install one with 'pip install "
            "pylibjpeg[all]' (the extra 'dicom'), or export the file "
            "uncompressed."
        )
    try:
        with warnings.catch_warnings():
            # Padding after the pixels does not matter.
            warnings.simplefilter("ignore")
            return pixels.pixel_array(dataset)
    # Decoders of damaged files raise nearly anything.
    except Exception as error:
        raise UmsrepError(
            f"{path} has truncated or damaged pixel data ({error}). {_AGAIN}"
        ) from error


def _grey(stored: NDArray, dataset: pydicom.Dataset) -> NDArray[np.uint8]:
    """Stored values -> uint8, bright = dense."""
    with np.errstate(all="ignore"):
        values = pixels.apply_modality_lut(stored, dataset)
    _check_finite(values, "rescaled values")
    table = (dataset.get("VOILUTSequence") or [None])[0]
    if table is not None:
        # A table is indexed by integers; rescaling made floats.
        values = np.rint(values).astype(np.int64)
        values = pixels.apply_voi(values, dataset).astype(np.float64)
        low, high = 0.0, 2.0 ** table.LUTDescriptor[2] - 1
    elif None not in (dataset.get("WindowCenter"), dataset.get("WindowWidth")):
        with np.errstate(all="ignore"):
            values = pixels.apply_windowing(values, _eight_bit_window(dataset))
        low, high = 0.0, 255.0
    else:
        values = values.astype(np.float64)
        low, high = values.min(), values.max()
    _check_finite(values, "windowed values")
    scale = 255.0 / (high - low) if high > low else 0.0
    grey = np.clip(np.rint((values - low) * scale), 0, 255).astype(np.uint8)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        grey = 255 - grey
    return grey


def _check_finite(values: NDArray, what: str) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"{what} that are not finite")


def _eight_bit_window(dataset: pydicom.Dataset) -> pydicom.Dataset:
    """The window alone, with 0-255 as its output.

    pydicom takes the output range from the bits stored and the rescaling;
    with those of the file, a negative slope would invert the range.
    """
    window = pydicom.Dataset()
    for name in ("WindowCenter", "WindowWidth", "VOILUTFunction"):
        if dataset.get(name) is not None:
            setattr(window, name, dataset.get(name))
    window.PhotometricInterpretation = "MONOCHROME2"
    window.PixelRepresentation = 0
    window.BitsStored = 8
    return window


def _spacing(
    dataset: pydicom.Dataset,
) -> tuple[tuple[float, float] | None, str | None]:
    """(spacing, where it holds); PS3.3 10.7.1.1 and 10.7.1.3."""
    pixel, imager = (
        _pair(dataset.get(name))
        for name in ("PixelSpacing", "ImagerPixelSpacing")
    )
    if pixel is None:
        return imager, None if imager is None else "detector"
    calibrated = dataset.get("PixelSpacingCalibrationType") is not None
    at_detector = pixel == imager and not calibrated
    return pixel, "detector" if at_detector else "object"


def _pair(value: Any) -> tuple[float, float] | None:
    try:
        rows, columns = (float(part) for part in value)
    except (TypeError, ValueError):  # absent, or no two numbers
        return None
    low, high = PLAUSIBLE
    plausible = low <= rows <= high and low <= columns <= high
    return (rows, columns) if plausible else None
