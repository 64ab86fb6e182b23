"""What the DICOM files of every synthetic data set share."""

import pydicom
from pydicom import uid


def new_dicom(key, storage, image, syntax=uid.ExplicitVRLittleEndian):
    """A grey, single-frame DICOM file in memory, without pixel data as yet.

    Args:
        key: Text from which the instance's UID is made; the same text gives
            the same UID.
        storage: UID of the storage class.
        image: (height, width) array, of which only the shape is used.
        syntax: UID of the transfer syntax.

    Returns:
        `pydicom.dataset.FileDataset`.
    """
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = storage
    meta.MediaStorageSOPInstanceUID = uid.generate_uid(entropy_srcs=[key])
    data = pydicom.dataset.FileDataset(
        None, {}, file_meta=meta, preamble=bytes(128)
    )
    data.SOPClassUID = storage
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.SamplesPerPixel, data.PixelRepresentation = 1, 0
    data.Rows, data.Columns = image.shape
    return data


def save(data, path):
    """Writes the file, and creates its folder if necessary."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
