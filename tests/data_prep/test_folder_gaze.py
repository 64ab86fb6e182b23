"""Gaze and DICOM in a user's own folder."""

import numpy as np
import pandas as pd
import pytest
import typer
from pydicom import uid
from pydicom.dataset import FileDataset, FileMetaDataset
from typer.testing import CliRunner

from data_prep.folder import convert
from umsrep import data
from umsrep.cli import prepare
from umsrep.data.gaze import GazeMap
from umsrep.data.images import read_grey
from umsrep.data.verification import verify
from umsrep.errors import UmsrepError

SHAPE = (48, 40)  # of the pictures of `layout`
STEMS = ("a1", "a2", "b1", "c1")
LABELS = """image,patient,finding
a1,A,no
a2,A,yes
b1,B,no
c1,C,yes
"""
# The second row of a1 is another spelling of its name.
TABLE = """image,x,y,observer,duration_ms
a1.png,30.5,12.5,P1,200
images/A1.png,31.5,12.5,P2,100
a1.png,10.25,40,P2,300
a2,5.5,6.5,P1,100
a2,25,35,P1,150
b1.png,20,20,P2,
"""


def own(layout, table=TABLE, stems=STEMS, name="fixations/gaze.csv"):
    for stem in STEMS:
        if stem in stems:
            layout.image(f"images/{stem}.png")
    layout.text("labels.csv", LABELS)
    if table is not None:
        layout.text(name, table)
    return layout.folder


def heat_map(layout, name, top=255, dtype=np.uint8, shape=SHAPE):
    values = np.zeros(shape, dtype)
    values[8:16, 24:32] = top
    return layout.write(name, values)


def dicom(layout, name, photometric="MONOCHROME2"):
    """A 12-bit picture; returns its stored values."""
    stored = layout.rng.integers(0, 4096, SHAPE, dtype=np.uint16)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = uid.DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = uid.generate_uid()
    made = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    made.PatientID = "secret"
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = photometric
    made.Rows, made.Columns = SHAPE
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
    made.PixelRepresentation = 0
    made.PixelData = stored.tobytes()
    path = layout.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)
    return stored


def replaced(old, new):
    assert old in TABLE
    return TABLE.replace(old, new)


def at(dataset, stem):
    return list(dataset.table["image"]).index(f"images/{stem}.png")


def errors(out):
    return [f for f in verify(out) if f.severity == "error"]


def fails(layout, out, match, on_error="stop", **options):
    with pytest.raises(UmsrepError, match=match):
        convert(layout.folder, out, size=32, on_error=on_error, **options)
    assert not out.exists()


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


# ---- fixations


def test_fixations_become_a_map_task_with_its_points(layout, out):
    header = convert(own(layout), out, size=(24, 20))
    assert header["tasks"] == {
        "gaze": {"kind": "map"},
        "finding": {"kind": "label", "classes": ["no", "yes"]},
    }
    about = header["gaze"]["gaze"]
    assert (about["images"], about["points"], about["observers"]) == (3, 6, 2)
    assert errors(out) == []
    dataset = data.load(out)
    # Half the size, in the order of the file whatever the spelling.
    found = dataset.fixations("gaze", at(dataset, "a1"))
    assert found[["x", "y"]].to_numpy().tolist() == [
        [15.25, 6.25],
        [15.75, 6.25],
        [5.125, 20],
    ]
    assert found["duration_ms"].tolist() == [200, 100, 300]
    assert found["observer"].tolist() == ["P1", "P2", "P2"]
    for stem in ("a1", "a2", "b1"):
        assert dataset.map("gaze", at(dataset, stem)).sum() == pytest.approx(
            1, abs=1e-4
        )


def test_map_peaks_where_people_looked_and_options_reach_it(layout, out):
    own(layout)
    convert(layout.folder, out, size=SHAPE, gaze_map=GazeMap(sigma=0.5))
    dataset = data.load(out)
    drawn = dataset.map("gaze", at(dataset, "b1"))
    assert np.unravel_index(drawn.argmax(), SHAPE) == (20, 20)
    # Two points near each other outweigh one of more time: they are counted.
    counted = dataset.map("gaze", at(dataset, "a1"))
    assert counted[12, 28:34].sum() > counted[38:43, 10].sum()
    table = replaced("b1.png,20,20,P2,\n", "").replace(",300", ",3000")
    layout.text("fixations/gaze.csv", table)
    again = out.parent / "again"
    timed = GazeMap(weight="duration", sigma=0.5)
    header = convert(layout.folder, again, size=SHAPE, gaze_map=timed)
    assert header["gaze"]["gaze"]["weight"] == "duration"
    assert header["gaze"]["gaze"]["sigma_pixels"] == [0.5, 0.5]
    weighed = data.load(again).map("gaze", at(dataset, "a1"))
    assert np.unravel_index(weighed.argmax(), SHAPE) == (40, 10)


@pytest.mark.parametrize(
    "table",
    [
        TABLE.replace(",", ";"),
        "\ufeff" + TABLE.replace("\n", "\r\n"),
        replaced("image,x,y,observer", "Image, X, Y, Observer"),
        TABLE + ",,,,\n\n",
        replaced("a2,5.5,6.5", "a2.png,+5.50,65e-1"),
    ],
    ids=["semicolons", "windows", "capitals", "empty-rows", "numbers"],
)
def test_tables_as_spreadsheets_write_them(layout, out, table):
    convert(own(layout), out, size=32)
    (layout.folder / "fixations/gaze.csv").write_bytes(table.encode())
    again = out.parent / "again"
    convert(layout.folder, again, size=32)
    file = "fixations/gaze.csv"
    assert (out / file).read_bytes() == (again / file).read_bytes()


def test_only_image_x_and_y_are_needed(layout, out):
    header = convert(own(layout, "image,x,y\na1,30,12\na1,5,6\n"), out, size=32)
    assert header["gaze"]["gaze"]["observers"] == 0
    assert header["gaze"]["gaze"]["points"] == 2
    assert errors(out) == []


def test_images_without_gaze_are_unlabelled_and_counted(layout, out):
    own(layout)
    layout.image("images/extra.png")
    header = convert(layout.folder, out, size=32)
    assert header["counts"]["tasks"]["gaze"]["labelled"] == 3
    assert header["counts"]["images"] == 5
    mapless, unlabelled = header["warnings"][1:]
    assert "without a map of 'gaze': 2; they are unlabelled" in mapless
    assert "without label, mask and map: 1" in unlabelled


def test_lost_moments_and_unknown_columns_are_left_out_with_a_warning(
    layout, out
):
    table = "image,pupil,x,y\na1,3,30,12\na1,3,,\na2,3,5,6\na2,,,\nb1,3,,\n"
    header = convert(own(layout, table), out, size=32)
    assert header["gaze"]["gaze"]["points"] == 2
    unread, lost, mapless = header["warnings"]
    assert "fixations/gaze.csv that are not read: pupil." in unread
    assert "rename it and prepare again" in unread
    assert "fixations/gaze.csv without a position: 3; left out" in lost
    assert "without a map of 'gaze': 2" in mapless


def test_points_outside_are_dropped_and_counted(layout, out):
    header = convert(own(layout, TABLE + "a1,-3,5,P1,90\n"), out, size=32)
    assert header["gaze"]["gaze"]["points"] == 6
    assert header["gaze"]["gaze"]["points_outside"] == 1
    assert any("1 points outside" in text for text in header["warnings"])


def test_points_in_one_corner_only_are_pointed_out(layout, out):
    rows = ["image,x,y"]
    for number in range(10):
        layout.image(f"images/{number}.png")
        rows += [f"{number},{2 + number},3", f"{number},4,{5 + number}"]
    layout.text("fixations/gaze.csv", "\n".join(rows))
    header = convert(layout.folder, out, size=32)
    assert any(
        "points of fixations/gaze.csv reach only 28% of the width" in text
        and "scale x and y first" in text
        for text in header["warnings"]
    )
    assert str(layout.folder.parent) not in (out / "dataset.json").read_text()


@pytest.mark.parametrize(
    ("table", "match"),
    [
        (replaced("image", "file"), "no column 'image'.*rename the column"),
        (
            replaced(",x,", ",left,"),
            "no column 'x'; it has image, left.*rename",
        ),
        (replaced(",y,", ",top,"), "no column 'y'.*observer and duration_ms"),
        (replaced(",observer", ",x"), "2 columns named 'x'.*rename or remove"),
        (replaced("12.5,P1", "12.5"), "line 2 has 4 cells.*quotation marks"),
        (replaced("a2,5", ",5"), "line 5 names no image.*fill it in"),
        (replaced("5.5,6", "left,6"), "line 5 has the x 'left'.*correct it"),
        (replaced("6.5,P1", "nan,P1"), "line 5 has the y 'nan'.*both x and y"),
        (replaced("5.5,6.5", '"5,5",6.5'), "'5,5'.*with a decimal point"),
        (replaced("5.5,6.5", "5.5,"), "the y ''.*both x and y empty"),
        (replaced("5.5,6.5", "inf,6.5"), "the x 'inf'.*correct it"),
        (replaced(",100\na2", ",0.1 s\na2"), "duration_ms '0.1 s'.*correct it"),
        (replaced(",100\na2", ",-100\na2"), "line 5.*-100.*remove the row"),
        ("image,x,y\n", "holds no position.*move it away"),
        ("image,x,y\na1,,\n", "holds no position.*fill it"),
        ("image,x,y\na1,.5,.2\na2,1,.9\n", "fractions of a screen.*convert"),
        (",image,x,y\n0,a1,20,30\n", "column without a name.*index=False"),
    ],
)
@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_table_that_cannot_be_understood_stops(
    layout, out, table, match, on_error
):
    own(layout, table)
    fails(layout, out, match, on_error)


@pytest.mark.parametrize(
    ("gaze_map", "match"),
    [
        (GazeMap(sigma_degrees=1), r"1 degrees.*gaze.csv.*--gaze-sigma"),
        (GazeMap("duration"), r"no column 'duration_ms'.*--gaze-weight count"),
    ],
)
@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_maps_that_need_what_the_table_lacks_stop(
    layout, out, gaze_map, match, on_error
):
    own(layout, "image,x,y\na1,30,12\na1,5,6\n")
    fails(layout, out, match, on_error, gaze_map=gaze_map)


# ---- heat maps


@pytest.mark.parametrize(
    ("dtype", "top"), [(np.uint8, 255), (np.uint16, 40000), (np.uint16, 200)]
)
def test_heat_maps_become_a_map_task(layout, out, dtype, top):
    own(layout, None)
    heat_map(layout, "maps/gaze/a1.png", top, dtype)
    heat_map(layout, "maps/gaze/ward/B1.png", top, dtype)
    header = convert(layout.folder, out, size=(24, 20))
    assert header["tasks"]["gaze"] == {"kind": "map"}
    assert header["counts"]["tasks"]["gaze"]["labelled"] == 2
    assert any("a map of 'gaze': 2;" in text for text in header["warnings"])
    assert errors(out) == []
    dataset = data.load(out)
    expected = np.zeros((24, 20))
    expected[4:8, 12:16] = 1 / 16
    for stem in ("a1", "b1"):
        np.testing.assert_allclose(
            dataset.map("gaze", at(dataset, stem)), expected, atol=1e-6
        )


def test_a_task_has_one_source_of_maps(layout, out):
    own(layout, name="fixations/Gaze.csv")
    heat_map(layout, "maps/gaze/a1.png")
    match = "maps/gaze and the table fixations/Gaze.csv.*move one of the two"
    fails(layout, out, match, "skip")
    (layout.folder / "maps/gaze").rename(layout.folder / "maps/model")
    header = convert(layout.folder, out, size=32)
    assert list(header["tasks"]) == ["model", "Gaze", "finding"]


def test_names_of_map_tasks_are_names_of_their_own(layout, out):
    own(layout, None)
    heat_map(layout, "maps/finding/a1.png")
    fails(layout, out, "maps/finding and the column 'finding'.*rename one")
    (layout.folder / "maps/finding").rename(layout.folder / "maps/lung")
    layout.mask("masks/lung/a1.png")
    fails(layout, out, "masks/lung and the folder maps/lung.*rename one")
    (layout.folder / "maps/lung").rename(layout.folder / "maps/eye tracks")
    fails(layout, out, "maps/eye tracks: .*Rename the folder")


def test_what_lies_in_the_wrong_place_is_said_so(layout, out):
    own(layout, None)
    path = heat_map(layout, "maps/a1.png")
    fails(
        layout, out, "directly in 'maps'.*such as lung or gaze.*move the maps"
    )
    path.unlink()
    path = layout.text("fixations/my gaze.csv", TABLE)
    fails(layout, out, "my gaze.csv: .*Rename the table")
    path.unlink()
    path = layout.text("fixations/gaze/a1.csv", TABLE)
    fails(layout, out, "fixations/gaze is a folder.*join the tables")
    path.unlink()
    path.parent.rmdir()
    layout.text("fixations.csv", TABLE)
    heat_map(layout, "heatmaps/gaze/a1.png")
    (warning,) = convert(layout.folder, out, size=32)["warnings"]
    assert "Not read: fixations.csv, heatmaps." in warning
    assert "fixations, scales.csv and labels.csv are" in warning


# ---- single files and rows


BAD = {
    "row-without-image": (
        lambda put: own(put, TABLE + "d1.png,5,5,P1,9\nd1.png,6,6,P1,9\n"),
        r"line 8: there is no image 'd1.png'.*name: 2\).*add the image",
        ["fixations/gaze.csv"],
    ),
    "table-named-otherwise": (
        lambda put: put.text("fixations/gaze.xlsx"),
        "not named as a table.*save it as CSV",
        ["fixations/gaze.xlsx"],
    ),
    "all-outside": (
        lambda put: own(put, TABLE + "c1,-4,5,P1,9\nc1,5,-1,P1,9\n"),
        "'gaze' on .*c1.png.*No gaze point lies on.*leave the image out",
        ["images/c1.png"],
    ),
    "other-resolution": (
        lambda put: own(put, TABLE + "c1,400,5,P1,9\n"),
        "c1.png is 40 x 48.*100% of its gaze.*original size.*remove the rows",
        ["images/c1.png"],
    ),
    "truncated-image-with-gaze": (
        lambda put: (put.folder / "images/b1.png").write_bytes(b"%PDF-1.7"),
        "b1.png.*a PDF document.*leave it out",
        ["images/b1.png"],
    ),
    "map-without-image": (
        lambda put: heat_map(put, "maps/heat/a1_map.png"),
        "is a map without an image.*no '_map' after it.*rename it",
        ["heat/a1_map.png"],
    ),
    "map-of-another-size": (
        lambda put: heat_map(put, "maps/heat/a1.png", shape=(96, 80)),
        "a1.png is 80 x 96 pixels but its image.*get the matching file",
        ["images/a1.png"],
    ),
    "all-zero-map": (
        lambda put: heat_map(put, "maps/heat/a1.png", top=0),
        "from 0 to 0.*not 0 everywhere.*leave it out",
        ["images/a1.png"],
    ),
    "coloured-map": (
        lambda put: put.image("maps/heat/a1.png", "RGB"),
        "coloured picture.*without a colour scale",
        ["images/a1.png"],
    ),
    "array": (
        lambda put: put.text("maps/heat/a1.npy"),
        "a1.npy is not named as an image.*convert it",
        ["heat/a1.npy"],
    ),
    "dicom-without-suffix": (
        lambda put: dicom(put, "images/IM0001"),
        r"IM0001 is not named as an image.*\.dcm; rename",
        ["images/IM0001"],
    ),
    "dicom-that-is-none": (
        lambda put: put.text("images/IM0001.dcm"),
        "IM0001.dcm is not a readable image.*leave it out",
        ["images/IM0001.dcm"],
    ),
    "dicom-beside-png": (
        lambda put: dicom(put, "images/a1.dcm"),
        "same name as .*rename or remove one",
        ["images/a1.dcm", "images/a1.png"],
    ),
    "dicom-as-mask": (
        lambda put: dicom(put, "masks/lung/a1.dcm"),
        "a1.dcm is not named as an image.*convert it",
        ["lung/a1.dcm"],
    ),
}


@pytest.mark.parametrize("spoil", BAD)
def test_bad_file_or_row_stops_or_is_counted(layout, out, spoil):
    make, match, skipped = BAD[spoil]
    own(layout)
    make(layout)
    fails(layout, out, match)
    header = convert(layout.folder, out, size=32, on_error="skip")
    assert sorted(s["file"] for s in header["skipped"]) == skipped
    lost = {name for name in skipped if name[:7] == "images/"}
    kept = {f"images/{stem}.png" for stem in STEMS} - lost
    if spoil == "dicom-beside-png":
        kept -= {"images/a1.png"}
    manifest = pd.read_csv(out / "manifest.csv")
    assert set(manifest["image"]) == kept
    assert errors(out) == []
    assert str(layout.folder.parent) not in (out / "dataset.json").read_text()


# ---- DICOM


def test_dicom_beside_other_formats(layout, out, read_stored):
    own(layout, stems=("b1", "c1"))
    stored = dicom(layout, "images/a1.dcm")
    dicom(layout, "images/ward/A2.DCM", "MONOCHROME1")
    layout.mask("masks/lung/a1.png")
    # The table calls the files by their names.
    table = TABLE.replace("a1.png", "a1.dcm").replace("A1.png", "a1")
    layout.text("fixations/gaze.csv", table)
    header = convert(layout.folder, out, size=SHAPE)
    assert header["counts"]["images"] == 4
    assert header["counts"]["tasks"]["gaze"]["labelled"] == 3
    assert header["counts"]["tasks"]["lung"]["labelled"] == 1
    span = stored.astype(float) - stored.min()
    np.testing.assert_array_equal(
        read_stored(out, "images/a1.png"), np.rint(span / span.max() * 255)
    )
    np.testing.assert_array_equal(
        read_stored(out, "images/A2.png"),
        read_grey(layout.folder / "images/ward/A2.DCM"),
    )
    assert errors(out) == []
    manifest = pd.read_csv(out / "manifest.csv")
    assert set(manifest["patient"]) == {"A", "B", "C"}
    # Nothing of the header but the picture travels.
    assert not any(
        b"secret" in path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
    )


def test_gaze_that_does_not_fit_a_dicom_image(layout, out):
    own(layout, TABLE + "d1,400,5,P1,9\n")
    dicom(layout, "images/d1.dcm")
    fails(layout, out, "d1.dcm is 40 x 48.*in its original size")


def test_command_line_passes_the_blur_on(layout, out):
    own(layout)
    app = typer.Typer()
    prepare.add_to(app)
    result = CliRunner().invoke(
        app,
        [
            *("folder", str(layout.folder), str(out), "--size", "32"),
            *("--gaze-sigma", "3"),
        ],
    )
    assert result.exit_code == 0, result.output
    assert "Task gaze: 3 with a map." in result.output
    assert "Warning: Images without a map of 'gaze': 1" in result.output
    assert errors(out) == []
