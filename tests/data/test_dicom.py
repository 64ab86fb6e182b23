"""DICOM files written here with pydicom, read as 8-bit grey."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.pixels import get_decoder

from umsrep.data import deep_pixels, images, load
from umsrep.data.dicom import read_dicom
from umsrep.data.prepared import SourceDescription
from umsrep.data.writer import PreparedWriter
from umsrep.errors import UmsrepError

SHAPE = (24, 20)
STORAGE = uid.ComputedRadiographyImageStorage


@pytest.fixture
def stored():
    """Twelve-bit values that use the whole range."""
    rng = np.random.default_rng([1])
    values = rng.integers(0, 4096, SHAPE).astype(np.uint16)
    values.flat[:2] = 0, 4095
    return values


def dataset(values, bits=12, **elements):
    """A computed radiograph of `values` (height, width), uncompressed."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = STORAGE
    meta.MediaStorageSOPInstanceUID = uid.generate_uid(entropy_srcs=["test"])
    made = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    made.SOPClassUID = meta.MediaStorageSOPClassUID
    made.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    made.PhotometricInterpretation = "MONOCHROME2"
    made.SamplesPerPixel = 1
    made.Rows, made.Columns = values.shape[:2]
    made.BitsAllocated = 8 * values.dtype.itemsize
    made.BitsStored, made.HighBit = bits, bits - 1
    made.PixelRepresentation = int(values.dtype.kind == "i")
    for name, value in elements.items():
        setattr(made, name, value)
    made.PixelData = values.tobytes()
    return made


@pytest.fixture
def write(tmp_path):
    def write(*arguments, name="x.dcm", **elements):
        path = tmp_path / name
        dataset(*arguments, **elements).save_as(path, enforce_file_format=True)
        return path

    return write


def lut(first, values, bits):
    """A lookup table as the item of a sequence."""
    item = pydicom.Dataset()
    item.LUTDescriptor = [len(values), first, bits]
    item.LUTData = list(values)
    item["LUTData"].VR = item["LUTDescriptor"].VR = "US"
    return pydicom.Sequence([item])


def test_twelve_bits_in_sixteen_span_the_whole_range(write, stored):
    read = read_dicom(write(stored))
    assert read.image.dtype == np.uint8
    assert (read.bits_stored, read.photometric) == (12, "MONOCHROME2")
    np.testing.assert_array_equal(read.image, np.rint(stored / 4095 * 255))


def test_eight_bits_are_kept(write):
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    read = read_dicom(write(values, 8))
    np.testing.assert_array_equal(read.image, values)
    assert read.bits_stored == 8


@pytest.mark.parametrize("window", [{}, {"WindowCenter": 900}])
def test_monochrome1_is_the_inverse_of_monochrome2(write, stored, window):
    if window:
        window["WindowWidth"] = 1200
    first, second = (
        read_dicom(
            write(stored, PhotometricInterpretation=f"MONOCHROME{n}", **window)
        ).image
        for n in (1, 2)
    )
    np.testing.assert_array_equal(first, 255 - second)


def by_hand(values, centre, width):
    """PS3.3 C.11.2.1.2.1, from 0 to 255."""
    fraction = (values - (centre - 0.5)) / (width - 1) + 0.5
    return np.rint(255 * np.clip(fraction, 0, 1))


@pytest.mark.parametrize(
    ("slope", "intercept"), [(2.5, -1000), (1, -1000), (-2, 3000)]
)
def test_window_applies_to_rescaled_values(write, stored, slope, intercept):
    """A negative slope alone turns the picture around, nothing else does."""
    path = write(
        stored,
        RescaleSlope=slope,
        RescaleIntercept=intercept,
        WindowCenter=300,
        WindowWidth=1001,
    )
    expected = by_hand(stored * float(slope) + intercept, 300, 1001)
    difference = read_dicom(path).image - expected
    # Halves may round either way.
    assert np.abs(difference).max() <= 1
    assert np.abs(difference).mean() < 0.01


def test_first_of_several_windows_counts(write, stored):
    several = write(stored, WindowCenter=[700, 3000], WindowWidth=[500, 900])
    several = read_dicom(several).image
    one = read_dicom(write(stored, WindowCenter=700, WindowWidth=500)).image
    np.testing.assert_array_equal(several, one)


@pytest.mark.parametrize("function", ["LINEAR_EXACT", "SIGMOID"])
def test_window_functions_of_the_standard(write, stored, function):
    path = write(
        stored,
        WindowCenter=2000,
        WindowWidth=1500,
        VOILUTFunction=function,
    )
    distance = (stored - 2000.0) / 1500
    fraction = {
        "LINEAR_EXACT": np.clip(distance + 0.5, 0, 1),
        "SIGMOID": 1 / (1 + np.exp(-4 * distance)),
    }[function]
    difference = read_dicom(path).image - np.rint(255 * fraction)
    assert np.abs(difference).max() <= 1


def test_lookup_tables_are_applied(write):
    values = np.arange(64, dtype=np.uint8).reshape(8, 8)
    squares = [k * k for k in range(64)]
    voi = write(values, 6, VOILUTSequence=lut(0, squares, 12))
    np.testing.assert_array_equal(
        read_dicom(voi).image, np.rint(np.square(values * 1.0) / 4095 * 255)
    )
    modality = write(values, 6, ModalityLUTSequence=lut(0, squares, 16))
    np.testing.assert_array_equal(
        read_dicom(modality).image,
        np.rint(np.square(values * 1.0) / 3969 * 255),
    )


def test_table_after_a_rescale_with_a_fraction(write):
    values = np.arange(64, dtype=np.uint8).reshape(8, 8)
    path = write(
        values,
        6,
        RescaleSlope=0.5,
        RescaleIntercept=0,
        VOILUTSequence=lut(0, range(0, 4096, 128), 12),
    )
    expected = np.minimum(np.rint(values / 2), 31) * 128 / 4095 * 255
    np.testing.assert_allclose(read_dicom(path).image, expected, atol=0.5)


def test_signed_values_are_negative_numbers(write):
    values = np.arange(-200, 200, dtype=np.int16).reshape(20, 20)
    read = read_dicom(write(values, 12, WindowCenter=0.5, WindowWidth=201))
    np.testing.assert_array_equal(read.image, by_hand(values, 0.5, 201))


def test_bits_above_those_stored_are_ignored(write, stored):
    """Old overlays lie there."""
    marked = stored.copy()
    marked[3:9] |= 0x8000
    np.testing.assert_array_equal(
        read_dicom(write(marked)).image, read_dicom(write(stored)).image
    )


def test_spacing(write, stored):
    detector = {"ImagerPixelSpacing": [0.2, 0.1]}
    for elements, spacing, place in (
        ({}, None, None),
        (detector, (0.2, 0.1), "detector"),
        (detector | {"PixelSpacing": [0.15, 0.075]}, (0.15, 0.075), "object"),
        (detector | {"PixelSpacing": [0.2, 0.1]}, (0.2, 0.1), "detector"),
        (
            detector
            | {
                "PixelSpacing": [0.2, 0.1],
                "PixelSpacingCalibrationType": "FIDUCIAL",
            },
            (0.2, 0.1),
            "object",
        ),
        ({"PixelSpacing": [0.0, 0.1]}, None, None),
    ):
        read = read_dicom(write(stored, **elements))
        assert (read.pixel_spacing, read.spacing_at) == (spacing, place)


def test_spacing_of_the_object_becomes_the_scale_of_a_prepared_image(
    write, stored, tmp_path
):
    files = [
        write(stored, name="object.dcm", PixelSpacing=[0.15, 0.075]),
        write(stored, name="detector.dcm", ImagerPixelSpacing=[0.2, 0.1]),
    ]
    out = tmp_path / "prepared"
    about = SourceDescription(
        title="x", url="", citation="", licence="", modality="x"
    )
    with PreparedWriter(
        out, name="x", tasks=[], size=12, description=about
    ) as writer:
        for number, file in enumerate(files):
            writer.add(file.stem, file, f"p{number}")
    prepared = load(out)
    scales = {
        Path(image).stem: prepared.scale(index)
        for index, image in enumerate(prepared.table["image"])
    }
    # 24 rows and 20 columns became 12 each.
    found = scales["object"]
    assert found.units == {"y": "mm", "x": "mm"}
    assert found.y.per_pixel == pytest.approx(0.15 * 24 / 12)
    assert found.x.per_pixel == pytest.approx(0.075 * 20 / 12)
    assert scales["detector"] is None


PACKED = {
    uid.RLELossless: "MR_small_RLE.dcm",
    uid.JPEG2000Lossless: "MR_small_jp2klossless.dcm",
    uid.JPEGLSLossless: "MR_small_jpeg_ls_lossless.dcm",
}


@pytest.mark.parametrize("syntax", PACKED)
def test_lossless_compressions_hold_the_same_picture(syntax):
    """Of pydicom's own test files, made by other programs."""
    packed = pydicom.data.get_testdata_file(PACKED[syntax], download=False)
    assert pydicom.dcmread(packed).file_meta.TransferSyntaxUID == syntax
    plain = pydicom.data.get_testdata_file("MR_small.dcm", download=False)
    np.testing.assert_array_equal(
        read_dicom(packed).image, read_dicom(plain).image
    )


def test_a_file_in_memory_reads_as_on_disk(write, stored):
    path = write(stored, name="x.dcm")
    data = path.read_bytes()
    np.testing.assert_array_equal(
        images.read_grey("upload", data=data), read_dicom(path).image
    )
    with pytest.raises(UmsrepError, match="upload has truncated"):
        images.read_grey("upload", data=data[:-9])


def test_run_length_encoding_changes_nothing(tmp_path, stored):
    plain, packed = dataset(stored), dataset(stored)
    packed.compress(uid.RLELossless)
    for name, made in (("plain", plain), ("packed", packed)):
        made.save_as(tmp_path / name, enforce_file_format=True)
    assert packed.PixelData != plain.PixelData
    np.testing.assert_array_equal(
        read_dicom(tmp_path / "packed").image,
        read_dicom(tmp_path / "plain").image,
    )


def test_read_grey_takes_dicom_whatever_it_is_called(write, stored):
    path = write(stored, WindowCenter=700, WindowWidth=500, name="x.png")
    for way in deep_pixels.SIXTEEN_BIT:
        np.testing.assert_array_equal(
            images.read_grey(path, way), read_dicom(path).image
        )


BAD = {
    "frames": ({"NumberOfFrames": 3}, "3 frames.*file of its own"),
    "colour": (
        {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3},
        "in colour .RGB.*export it as grey",
    ),
    "ybr": (
        {"PhotometricInterpretation": "YBR_FULL"},
        "in colour .YBR_FULL.*export it as grey",
    ),
    "palette": (
        {"PhotometricInterpretation": "PALETTE COLOR"},
        "in colour .PALETTE COLOR.*export it as grey",
    ),
    "huge": ({"Rows": 60000, "Columns": 60000}, "million pixels.*smaller"),
    "too few": ({"Rows": SHAPE[0] + 1}, "damaged pixel data.*export it again"),
    "high bit": ({"HighBit": 15}, "12 bits up to bit 15.*bit 11.*export it"),
    "two heights": (
        {"Rows": [9, 9]},
        "header value that is not a single number",
    ),
    "slope": (
        {"RescaleSlope": "nan", "RescaleIntercept": 0},
        "cannot be applied .rescaled values that are not finite",
    ),
    "empty table": (
        {"VOILUTSequence": pydicom.Sequence([pydicom.Dataset()])},
        "cannot be applied.*LUTDescriptor",
    ),
    "no width": (
        {"WindowCenter": 5, "WindowWidth": 0},
        "cannot be applied.*remove Window Center",
    ),
    "unknown function": (
        {"WindowCenter": 5, "WindowWidth": 9, "VOILUTFunction": "CUBIC"},
        "cannot be applied.*CUBIC.*remove Window Center",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_single_grey_image_is_refused(write, stored, what):
    elements, advice = BAD[what]
    with pytest.raises(UmsrepError, match=f"x.dcm.*{advice}"):
        read_dicom(write(stored, **elements))


@pytest.mark.parametrize("spacing", [[1e-8, 1e-8], [0.1, 1e4], [0.0, 0.1]])
def test_an_impossible_spacing_is_unknown(write, stored, spacing):
    assert read_dicom(write(stored, PixelSpacing=spacing)).pixel_spacing is None


def test_constant_image_is_refused(write):
    path = write(np.full(SHAPE, 7, np.uint16))
    with pytest.raises(UmsrepError, match="is constant.*leave it out"):
        read_dicom(path)


def test_window_that_hides_everything_is_refused(write, stored):
    path = write(stored, WindowCenter=9000, WindowWidth=10)
    with pytest.raises(UmsrepError, match="is constant.*leave it out"):
        read_dicom(path)


@pytest.mark.parametrize(
    ("element", "advice"),
    [
        ("PixelData", "no pixel data.*Export the image itself"),
        ("BitsStored", "lacks the required BitsStored.*Export"),
        ("Rows", "lacks the required Rows.*Export"),
    ],
)
def test_missing_elements_are_named(tmp_path, stored, element, advice):
    made = dataset(stored)
    delattr(made, element)
    made.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    with pytest.raises(UmsrepError, match=advice):
        read_dicom(tmp_path / "x.dcm")


@pytest.fixture
def without_pylibjpeg():
    """What an installation without the extra 'dicom' can decode."""
    decoder = get_decoder(uid.JPEGLosslessSV1)
    where = ("pydicom.pixels.decoders.pylibjpeg", "_decode_frame")
    decoder.remove_plugin("pylibjpeg")
    yield
    decoder.add_plugin("pylibjpeg", where)


@pytest.mark.usefixtures("without_pylibjpeg")
@pytest.mark.parametrize(
    ("syntax", "words"),
    [
        (uid.JPEGLosslessSV1, "JPEG Lossless.*1.2.840.10008.1.2.4.70"),
        (uid.MPEG2MPML, "MPEG2.*1.2.840.10008.1.2.4.100"),
    ],
)
def test_compression_without_a_decoder_is_named(
    tmp_path, stored, syntax, words
):
    made = dataset(stored)
    made.file_meta.TransferSyntaxUID = syntax
    made.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9"])
    made["PixelData"].VR = "OB"
    made.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    with pytest.raises(UmsrepError, match=f"{words}.*pip install pylibjpeg"):
        read_dicom(tmp_path / "x.dcm")


@pytest.mark.parametrize("packed", [False, True])
def test_truncated_file_is_refused_wherever_it_ends(tmp_path, stored, packed):
    made = dataset(stored)
    if packed:
        made.compress(uid.RLELossless)
    made.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    data = (tmp_path / "x.dcm").read_bytes()
    # Encapsulated pixels end with an 8-byte delimiter that holds nothing.
    last = len(data) - (9 if packed else 1)
    path = tmp_path / "half.dcm"
    for length in [*range(1, last, 7), last]:
        path.write_bytes(data[:length])
        with pytest.raises(
            UmsrepError, match="half.dcm.*(again|leave|complete header)"
        ):
            read_dicom(path)


def test_what_is_not_dicom_is_refused(tmp_path, stored):
    path = tmp_path / "x.dcm"
    Image.fromarray(stored.astype(np.uint8)).save(path, format="PNG")
    with pytest.raises(UmsrepError, match="not a DICOM file.*check the path"):
        read_dicom(path)
    with pytest.raises(UmsrepError, match="does not exist.*check the path"):
        read_dicom(tmp_path / "none.dcm")
