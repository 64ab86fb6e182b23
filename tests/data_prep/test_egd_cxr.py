"""EGD-CXR, on synthetic files of its published layout."""

import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from data_prep import _tables
from data_prep.egd_cxr import convert
from umsrep import data
from umsrep.cli.main import app
from umsrep.data.dicom import read_dicom
from umsrep.data.verification import verify
from umsrep.errors import UmsrepError
from umsrep.phantoms import write_egd

COUNT, SIZE = 12, 96
TRANSCRIPTS = "audio_segmentation_transcripts"
CLASSES = {
    "normal": "normal",
    "enlarged_heart": "enlarged_heart",
    "bacterial": "pneumonia",
    "viral": "pneumonia",
}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    out = tmp_path_factory.mktemp("egd") / "egd-cxr"
    write_egd(out, COUNT, 5, SIZE, difficulty="easy")
    return out


@pytest.fixture
def source(published, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(published, tmp_path / "physionet" / "egd-cxr")


@pytest.fixture(scope="module")
def truth(published):
    return json.loads((published / "phantom.json").read_text())["images"]


@pytest.fixture(scope="module")
def prepared(published, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "set"
    convert(published, out, size=64)
    return out


def edit(path, change):
    """Rewrites a CSV table, all cells as text."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    change(table)
    table.to_csv(path, index=False)


def first_id(source):
    return pd.read_csv(source / "master_sheet.csv")["dicom_id"][0]


def test_labels_patients_and_tasks(prepared, truth):
    header = json.loads((prepared / "dataset.json").read_text())
    assert list(header["tasks"]) == ["gaze", "finding", "lung", "heart"]
    assert header["skipped"] == []
    counts = header["counts"]
    assert counts["images"] == COUNT
    assert set(counts["tasks"]["finding"]["classes"].values()) == {COUNT // 3}
    for task in ("gaze", "lung", "heart"):
        assert counts["tasks"][task]["labelled"] == COUNT
    table = pd.read_csv(prepared / "manifest.csv", dtype=str).set_index("image")
    patients = {}
    for entry in truth:
        row = table.loc[f"images/{entry['file'][-48:-4]}.png"]
        assert row["finding"] == CLASSES[entry["finding"]]
        patients.setdefault(entry["patient"], set()).add(row["patient"])
    assert all(len(keys) == 1 for keys in patients.values())
    assert len(set.union(*patients.values())) == len(patients)
    assert not [f for f in verify(prepared) if f.severity == "error"]


def test_masks_are_both_lungs_and_the_mediastinum(published, prepared, truth):
    for entry in truth:
        key = entry["file"][-48:-4]
        below = published / TRANSCRIPTS / key
        lungs, middle = (
            np.max([cv2.imread(str(below / f"{n}.png"), 0) for n in names], 0)
            for names in (("left_lung", "right_lung"), ("mediastanum",))
        )
        for task, mask in (("lung", lungs), ("heart", middle)):
            kept = cv2.imread(str(prepared / f"masks/{task}/{key}.png"), 0)
            assert (kept > 0).mean() == pytest.approx(
                (mask > 0).mean(), abs=0.02
            )


def test_map_is_made_of_the_samples_on_the_image(published, prepared):
    """The blurred map is near that of the counted samples, as a whole."""
    table = pd.read_csv(published / "eye_gaze.csv")
    dataset = data.load(prepared)
    sheet = pd.read_csv(published / "master_sheet.csv").set_index("dicom_id")
    total = 0
    for number, image in enumerate(dataset.table["image"]):
        key = image[len("images/") : -len(".png")]
        seen = table[table["DICOM_ID"] == key]
        seen = seen[seen["X_ORIGINAL"] >= 0]
        total += len(seen)
        height, width = read_dicom(
            published / sheet.loc[key, "path"]
        ).image.shape
        drawn = dataset.map("gaze", number)
        rows, columns = np.indices(drawn.shape) + 0.5
        for places, axis, side in ((columns, "X", width), (rows, "Y", height)):
            mean = (drawn * places).sum() / 64
            expected = (seen[f"{axis}_ORIGINAL"] + 0.5).mean() / side
            assert mean == pytest.approx(expected, abs=0.01)
    header = json.loads((prepared / "dataset.json").read_text())
    assert header["gaze"]["gaze"]["points"] == total


def test_fixations_are_those_of_their_table_either_way(
    published, prepared, tmp_path
):
    convert(published, tmp_path / "out", size=64, points="fixations")
    header = json.loads((tmp_path / "out/dataset.json").read_text())
    table = pd.read_csv(published / "fixations.csv")
    inside = (table["DICOM_ID"].str.len() == 44) & (table["X_ORIGINAL"] >= 0)
    assert header["gaze"]["gaze"]["points"] == inside.sum()
    first, second = (
        (folder / "fixations/gaze.csv").read_text()
        for folder in (prepared, tmp_path / "out")
    )
    assert first == second
    kept = pd.read_csv(prepared / "fixations/gaze.csv")
    assert len(kept) == inside.sum()
    np.testing.assert_allclose(
        sorted(kept["duration_ms"]),
        sorted(1000 * table["FPOGD"][inside]),
        rtol=1e-5,
    )
    maps = [data.load(f).map("gaze", 0) for f in (prepared, tmp_path / "out")]
    assert np.abs(maps[0] - maps[1]).sum() > 0.02


def test_calibration_and_points_outside_are_counted(published, prepared):
    table = pd.read_csv(published / "eye_gaze.csv")
    header = json.loads((prepared / "dataset.json").read_text())
    short = table["DICOM_ID"].str.len() != 44
    assert short.sum() > 0
    assert any(
        text.startswith(f"eye_gaze.csv: {short.sum()} rows of 1 images")
        for text in header["warnings"]
    )
    outside = (table["X_ORIGINAL"][~short] < 0).sum()
    assert outside > 0
    assert header["gaze"]["gaze"]["points_outside"] == outside


def test_reading_in_parts_changes_nothing(
    published, prepared, tmp_path, monkeypatch
):
    monkeypatch.setattr(_tables, "ROWS_AT_A_TIME", 97)
    header = convert(published, tmp_path / "out", size=64)
    assert header == json.loads((prepared / "dataset.json").read_text())


@pytest.mark.parametrize(
    "place",
    [
        "mimic-cxr/files",
        "mimic-cxr/2.0.0/files",
        "MIMIC",
        "egd-cxr/mimic_images/files",
    ],
)
def test_images_are_found_beside_the_set(source, prepared, tmp_path, place):
    target = source.parent / place
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(source / "files", target)
    convert(source, tmp_path / "out", size=64)
    same = [
        (folder / "manifest.csv").read_bytes()
        for folder in (prepared, tmp_path / "out")
    ]
    assert same[0] == same[1]


def test_images_without_the_first_two_folders(source, prepared, tmp_path):
    for folder in (source / "files").iterdir():
        shutil.copytree(folder, source / "mimic", dirs_exist_ok=True)
    shutil.rmtree(source / "files")
    header = convert(source, tmp_path / "out", size=64)
    assert header["counts"]["images"] == COUNT


def test_png_in_place_of_dicom(source, tmp_path):
    path = source / pd.read_csv(source / "master_sheet.csv")["path"][0]
    image = read_dicom(path).image
    path.unlink()
    Image.fromarray(image).save(path.with_suffix(".png"))
    header = convert(source, tmp_path / "out", size=64)
    assert header["counts"]["images"] == COUNT


def test_documented_spelling_of_the_mediastinum(source, prepared, tmp_path):
    for file in source.glob(f"{TRANSCRIPTS}/*/mediastanum.png"):
        file.rename(file.with_name("mediastinum.png"))
    convert(source, tmp_path / "out", size=64)
    key = first_id(source)
    same = [
        (folder / f"masks/heart/{key}.png").read_bytes()
        for folder in (prepared, tmp_path / "out")
    ]
    assert same[0] == same[1]


def test_images_without_gaze_or_masks_stay_and_are_counted(source, tmp_path):
    key = first_id(source)
    for name in ("eye_gaze.csv", "fixations.csv"):
        table = pd.read_csv(source / name)
        table[table["DICOM_ID"] != key].to_csv(source / name, index=False)
    shutil.rmtree(source / TRANSCRIPTS / key)
    header = convert(source, tmp_path / "out", size=64)
    counts = header["counts"]
    assert counts["images"] == COUNT
    for task in ("gaze", "lung", "heart"):
        assert counts["tasks"][task]["labelled"] == COUNT - 1
    assert any("1 images have no row of gaze" in w for w in header["warnings"])


def test_rows_of_unknown_images_are_counted(source, tmp_path):
    edit(
        source / "master_sheet.csv",
        lambda table: table.drop(index=0, inplace=True),
    )
    header = convert(source, tmp_path / "out", size=64)
    assert header["counts"]["images"] == COUNT - 1
    assert any(
        "1 images that are not in the master sheet" in text
        for text in header["warnings"]
    )


def set_cell(column, value, row=0):
    def spoil(source):
        def change(table):
            table.loc[row, column] = value

        edit(source / "master_sheet.csv", change)

    return spoil


def set_gaze(x, y):
    def spoil(source):
        key = first_id(source)

        def change(table):
            chosen = table["DICOM_ID"] == key
            table.loc[chosen, "X_ORIGINAL"] = str(x)
            table.loc[chosen, "Y_ORIGINAL"] = str(y)

        edit(source / "eye_gaze.csv", change)

    return spoil


def drop_image(source):
    (source / pd.read_csv(source / "master_sheet.csv")["path"][0]).unlink()


def cut_image(source):
    path = source / pd.read_csv(source / "master_sheet.csv")["path"][0]
    path.write_bytes(path.read_bytes()[:-999])


def shrink_image(source):
    path = source / pd.read_csv(source / "master_sheet.csv")["path"][0]
    image = read_dicom(path).image[::2, ::2]
    path.unlink()
    Image.fromarray(image).save(path.with_suffix(".jpg"))


def one_lung(source):
    (source / TRANSCRIPTS / first_id(source) / "left_lung.png").unlink()


def small_mask(source):
    file = source / TRANSCRIPTS / first_id(source) / "mediastanum.png"
    Image.fromarray(np.eye(9, dtype=bool)).save(file)


def repeat(source):
    edit(
        source / "master_sheet.csv",
        lambda table: table.__setitem__(
            "dicom_id", [table["dicom_id"][1], *table["dicom_id"][1:]]
        ),
    )


BAD = {
    "no image": (drop_image, "was not found in the.*Get it from MIMIC-CXR"),
    "cut image": (cut_image, "truncated or damaged.*again"),
    "small image": (shrink_image, "gaze points lie beyond.*original size"),
    "one lung": (one_lung, "holds right_lung.png but not.*missing one"),
    "small mask": (small_mask, "9 x 9 pixels but its image.*matching file"),
    "all outside": (set_gaze(-1, -1), "No gaze point lies on.*leave the"),
    "no numbers": (set_gaze("", ""), "No gaze point lies on.*leave the"),
    "far beyond": (set_gaze(5000, 9), r"100% .*up to \(5000, 10\).*original"),
    "all classes": (
        lambda source: [
            set_cell(name, "1")(source)
            for name in ("CHF", "pneumonia", "Normal")
        ],
        "has 3 classes.*remove the record",
    ),
    "no class": (
        lambda source: [
            set_cell(name, "")(source)
            for name in ("CHF", "Normal", "pneumonia")
        ],
        "has 0 classes.*remove the record",
    ),
    "no patient": (set_cell("patient_id", ""), "has no patient.*Give a key"),
    "short id": (set_cell("dicom_id", "0a1b"), "of 4 characters.*correct it"),
    "bad path": (set_cell("path", "../x.dcm"), "Expected a relative one.*get"),
    "repeated id": (repeat, "repeats the dicom_id.*Remove one"),
}


@pytest.mark.parametrize("what", BAD)
def test_record_that_does_not_fit_stops_or_is_counted(source, tmp_path, what):
    spoil, advice = BAD[what]
    spoil(source)
    with pytest.raises(UmsrepError, match=advice):
        convert(source, tmp_path / "out", size=64)
    assert not (tmp_path / "out").exists()
    header = convert(source, tmp_path / "out", size=64, on_error="skip")
    assert header["counts"]["images"] == COUNT - 1
    assert len(header["skipped"]) == 1
    assert str(tmp_path) not in header["skipped"][0]["reason"]
    assert not [f for f in verify(tmp_path / "out") if f.severity == "error"]


def fractions(source):
    def change(table):
        table["X_ORIGINAL"] = table["FPOGX"]
        table["Y_ORIGINAL"] = table["FPOGY"]

    edit(source / "eye_gaze.csv", change)


def of_smaller_images(source):
    def change(table):
        for axis in "XY":
            name = f"{axis}_ORIGINAL"
            table[name] = (table[name].astype(int) / 2).round().astype(str)

    edit(source / "eye_gaze.csv", change)


def without_column(source):
    edit(
        source / "eye_gaze.csv",
        lambda table: table.drop(columns="Y_ORIGINAL", inplace=True),
    )


WRONG = {
    fractions: "eye_gaze.csv has no x above 1.*fractions of a screen.*convert",
    of_smaller_images: "to smaller images.*scale x and y first",
    without_column: "no column 'Y_ORIGINAL'.*published table again",
    lambda source: (source / "fixations.csv").unlink(): (
        "fixations.csv does not exist.*get it from"
    ),
    lambda source: (source / "eye_gaze.csv").write_bytes(b"\x89PNG\r\n\xff"): (
        "eye_gaze.csv.*published table again"
    ),
}


@pytest.mark.parametrize("spoil", WRONG)
def test_table_that_is_wrong_as_a_whole_is_refused(source, tmp_path, spoil):
    spoil(source)
    for on_error in ("stop", "skip"):
        with pytest.raises(UmsrepError, match=WRONG[spoil]):
            convert(source, tmp_path / "out", size=64, on_error=on_error)
        assert not (tmp_path / "out").exists()


def test_two_copies_and_unknown_points_are_refused(source, tmp_path):
    with pytest.raises(UmsrepError, match="Choose one of samples, fixations"):
        convert(source, tmp_path / "out", points="dots")
    for name in ("a", "b"):
        (source.parent / name).mkdir()
        shutil.copy(source / "master_sheet.csv", source.parent / name)
    with pytest.raises(UmsrepError, match="several copies.*Name one of them"):
        convert(source.parent, tmp_path / "out")


def test_command_line(published, tmp_path):
    result = CliRunner().invoke(
        app,
        ["prepare", "egd-cxr", str(published), str(tmp_path / "out")]
        + ["--size", "64x48", "--fit", "pad", "--gaze-points", "fixations"],
    )
    assert result.exit_code == 0, result.output
    assert f"{COUNT} images of 48 x 64 pixels" in result.output
    assert f"Task gaze: {COUNT} with a map." in result.output
    assert "4 normal, 4 enlarged_heart, 4 pneumonia" in result.output
