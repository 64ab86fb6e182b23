"""One image file of any kind, with the size of its pixels if it states one."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from umsrep.data import dicom, file_content, images
from umsrep.data.scale import AxisScale, Scale
from umsrep.errors import UmsrepError


@dataclass(frozen=True)
class SourceImage:
    """An image as it is on disk.

    Attributes:
        grey: (height, width).
        pixel_spacing: (row, column) distance in mm, or None. From DICOM files
            only: the resolution in a PNG, JPEG or TIFF file is that of a
            screen or printer.
        spacing_at: "object", "detector" or None, as in `dicom.DicomImage`.
    """

    grey: NDArray[np.uint8]
    pixel_spacing: tuple[float, float] | None = None
    spacing_at: str | None = None

    @property
    def scale(self) -> Scale | None:
        """Millimetres per pixel of the object, where they are known."""
        # At the detector all is larger, by how much nobody says.
        if self.pixel_spacing is None or self.spacing_at == "detector":
            return None
        return Scale(*(AxisScale("mm", s) for s in self.pixel_spacing))


def read(
    path: str | Path, sixteen_bit: str = "refuse", data: bytes | None = None
) -> SourceImage:
    """Reads a PNG, JPEG, TIFF, BMP or DICOM file, judged by its content.

    Arguments and errors are those of `images.read_grey`.
    """
    path = Path(path)
    data = file_content.read_bytes(path) if data is None else data
    try:
        if file_content.is_dicom(data):
            read = dicom.read_dicom(path, data)
            return SourceImage(read.image, read.pixel_spacing, read.spacing_at)
        return SourceImage(images.read_grey(path, sixteen_bit, data))
    except UmsrepError:
        raise
    # One odd file must not end the work on thousands.
    except Exception as error:
        raise UmsrepError(
            f"{path} cannot be read ({type(error).__name__}: {error}). Save "
            "it again as 8-bit grey PNG, or leave it out."
        ) from error
