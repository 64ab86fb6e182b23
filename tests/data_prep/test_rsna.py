"""The RSNA pneumonia set, on synthetic files of its published layout."""

import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pydicom
import pytest
from typer.testing import CliRunner

from data_prep.rsna import convert
from umsrep import data
from umsrep.cli.main import app
from umsrep.data.attention import to_grid
from umsrep.data.resizing import resize_mask
from umsrep.data.verification import verify
from umsrep.errors import UmsrepError
from umsrep.phantoms import draw_chest, write_rsna
from umsrep.phantoms.chest.rsna import STYLE

COUNT, SIZE, SEED = 24, 96, 7
IMAGES = "stage_2_train_images"
LABELS = "stage_2_train_labels.csv"
CLASS_INFO = "stage_2_detailed_class_info.csv"
MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
CLASSES = {
    "normal": "normal",
    "enlarged_heart": "other_abnormal",
    "bacterial": "opacity",
    "viral": "opacity",
}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    out = tmp_path_factory.mktemp("rsna") / "rsna"
    write_rsna(out, COUNT, SEED, SIZE, difficulty="easy")
    return out


@pytest.fixture
def source(published, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(published, tmp_path / "kaggle" / "rsna")


@pytest.fixture(scope="module")
def truth(published):
    """{patientId: entry}, in the order of drawing."""
    entries = json.loads((published / "phantom.json").read_text())["images"]
    return {entry["file"].split("/")[1][:-4]: entry for entry in entries}


@pytest.fixture(scope="module")
def prepared(published, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "set"
    convert(published, out, size=SIZE)
    return out


def header_of(folder):
    return json.loads((folder / "dataset.json").read_text())


def manifest(folder):
    table = pd.read_csv(
        folder / "manifest.csv", dtype=str, keep_default_na=False
    )
    table["key"] = table["image"].str.slice(len("images/"), -len(".png"))
    return table.set_index("key")


def edit(path, change):
    """Rewrites a CSV table, all cells as text."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table = change(table)
    table.to_csv(path, index=False)


def finding_of(truth, key):
    """Where the finding of an image is, drawn again."""
    entry = truth[key]
    return draw_chest(
        SEED,
        4 * 10**6 + [*truth].index(key),
        entry["finding"],
        SIZE,
        STYLE,
        patient=4 * 10**6 + entry["patient"],
        difficulty="easy",
    ).finding_mask


def test_each_image_once_with_its_class(prepared, truth):
    header = header_of(prepared)
    assert list(header["tasks"]) == ["finding", "box"]
    assert header["tasks"]["finding"]["classes"] == [
        *("normal", "other_abnormal", "opacity")
    ]
    assert header["skipped"] == header["warnings"] == []
    table = manifest(prepared)
    assert len(table) == COUNT
    for key, entry in truth.items():
        assert table.loc[key, "finding"] == CLASSES[entry["finding"]]
        boxed = CLASSES[entry["finding"]] == "opacity"
        assert table.loc[key, "box"] == (
            f"masks/box/{key}.png" if boxed else ""
        )
    assert not [f for f in verify(prepared) if f.severity == "error"]


def test_patients_are_those_of_the_nih(prepared, truth):
    table = manifest(prepared)
    pairs = {
        (entry["patient"], table.loc[key, "patient"])
        for key, entry in truth.items()
    }
    people = {entry["patient"] for entry in truth.values()}
    assert len(pairs) == len({name for _, name in pairs}) == len(people)
    assert len(people) < COUNT
    assert header_of(prepared)["counts"]["patients"] == len(people)


@pytest.mark.parametrize("size", [SIZE, 40])
def test_mask_is_the_union_of_the_boxes(
    published, prepared, truth, tmp_path, size
):
    """It holds the whole finding; at the source's size it is the boxes."""
    folder = prepared
    if size != SIZE:
        folder = tmp_path / "small"
        convert(published, folder, size=size)
    several = 0
    for key, entry in truth.items():
        if not entry["boxes"]:
            continue
        mask = cv2.imread(str(folder / f"masks/box/{key}.png"), 0) > 0
        finding = resize_mask(finding_of(truth, key), (size, size))
        assert finding.any()
        assert not (finding & ~mask).any()
        if size == SIZE:
            expected = np.zeros((SIZE, SIZE), bool)
            for x1, y1, x2, y2 in entry["boxes"]:
                expected[y1:y2, x1:x2] = True
            np.testing.assert_array_equal(mask, expected)
            several += len(entry["boxes"]) > 1
    assert several or size != SIZE


def test_box_is_a_target_of_attention(prepared, truth):
    dataset = data.load(prepared)
    checked = 0
    for number, image in enumerate(dataset.table["image"]):
        key = image[len("images/") : -len(".png")]
        if not truth[key]["boxes"]:
            continue
        cells = to_grid(dataset.mask("box", number), (12, 12))
        finding = to_grid(finding_of(truth, key), (12, 12))
        assert (cells >= finding - 1e-6).all()
        checked += 1
    assert checked == round(COUNT * 6012 / 26684)


def test_found_from_above_with_the_mapping_there(source, prepared, tmp_path):
    shutil.move(source / MAPPING, tmp_path / MAPPING)
    convert(tmp_path, tmp_path / "out", size=SIZE)
    same = [
        (folder / "manifest.csv").read_bytes()
        for folder in (prepared, tmp_path / "out")
    ]
    assert same[0] == same[1]


def test_without_mapping_a_warning_tells_of_leaks(source, tmp_path):
    (source / MAPPING).unlink()
    # Beyond the folder that was named: somebody else's.
    (source.parent / MAPPING).write_text("[]")
    header = convert(source, tmp_path / "out", size=48)
    assert header["counts"]["patients"] == COUNT
    (warning,) = header["warnings"]
    assert "every image counts as a patient of its own" in warning
    assert "one trained on and one tested on" in warning
    assert "prepare again" in warning


def test_images_that_the_mapping_lacks_are_counted(source, truth, tmp_path):
    entries = json.loads((source / MAPPING).read_text())
    # Without an image in the challenge, and with other names beside.
    entries[0] = {"subset_img_id": None, "img_id": "00000001_000.png"}
    entries[1]["orig_labels"] = ["Mass"]
    del entries[1]["SeriesInstanceUID"]
    (source / MAPPING).write_text(json.dumps(entries))
    header = convert(source, tmp_path / "out", size=48)
    (warning,) = header["warnings"]
    assert f"Images that {MAPPING} does not hold: 1;" in warning
    key = [*truth][0]
    assert manifest(tmp_path / "out").loc[key, "patient"] == f"image:{key}"


def test_without_the_detailed_classes(source, truth, tmp_path):
    (source / CLASS_INFO).unlink()
    header = convert(source, tmp_path / "out", size=48)
    assert list(header["tasks"]) == ["opacity", "box"]
    (warning,) = header["warnings"]
    assert f"There is no {CLASS_INFO}" in warning
    assert "'no' includes other abnormalities" in warning
    table = manifest(tmp_path / "out")
    for key, entry in truth.items():
        opaque = CLASSES[entry["finding"]] == "opacity"
        assert table.loc[key, "opacity"] == ("yes" if opaque else "no")


def test_repeated_rows_change_nothing(source, prepared, tmp_path):
    for name in (LABELS, CLASS_INFO):
        edit(source / name, lambda table: pd.concat([table, table]))
    convert(source, tmp_path / "out", size=SIZE)
    same = [
        (folder / "manifest.csv").read_bytes()
        for folder in (prepared, tmp_path / "out")
    ]
    assert same[0] == same[1]


def test_what_is_left_out_is_counted(source, tmp_path):
    first = sorted((source / IMAGES).iterdir())[0]
    for name in ("a", "b"):
        target = source / f"stage_2_test_images/{name}.dcm"
        target.parent.mkdir(exist_ok=True)
        shutil.copy(first, target)
    (source / IMAGES / "notes.txt").write_text("mine")
    (source / IMAGES / ".DS_Store").write_text("")
    header = convert(source, tmp_path / "out", size=48)
    assert header["counts"]["images"] == COUNT
    assert header["skipped"] == []
    test, other = header["warnings"]
    assert "stage_2_test_images" in test
    assert test.endswith("no labels: 2.")
    assert "other than .dcm, which were not read: 1 (notes.txt" in other


def rows(table, boxed):
    """The places of the rows that have a box, or have none."""
    return table.index[table["Target"] == ("1" if boxed else "0")]


def set_box(**cells):
    """In the first row of an image with one box."""

    def spoil(source):
        def change(table):
            counts = table["patientId"].map(table["patientId"].value_counts())
            place = [n for n in rows(table, True) if counts[n] == 1][0]
            for column, value in cells.items():
                table.loc[place, column] = value
            return table

        edit(source / LABELS, change)

    return spoil


def set_plain(**cells):
    """In the first row without a box."""

    def spoil(source):
        def change(table):
            for column, value in cells.items():
                table.loc[rows(table, False)[0], column] = value
            return table

        edit(source / LABELS, change)

    return spoil


def contradict(source):
    def change(table):
        row = table.loc[rows(table, True)[:1]].copy()
        row[["x", "y", "width", "height"]] = ""
        return pd.concat([table, row.assign(Target="0")])

    edit(source / LABELS, change)


def set_class(name, place=0):
    def spoil(source):
        def change(table):
            keys = table["patientId"] == table["patientId"][place]
            table.loc[keys, "class"] = name
            return table

        edit(source / CLASS_INFO, change)

    return spoil


def second_class(source):
    def change(table):
        row = table[:1].assign(**{"class": "Lung Opacity"})
        other = table[:1].assign(**{"class": "Normal"})
        return pd.concat([table, row, other])

    edit(source / CLASS_INFO, change)


def no_class(source):
    edit(
        source / CLASS_INFO,
        lambda table: table[table["patientId"] != table["patientId"][0]],
    )


def first_file(source):
    return source / IMAGES / f"{pd.read_csv(source / LABELS).iloc[0, 0]}.dcm"


def no_row(source):
    edit(
        source / LABELS,
        lambda table: table[table["patientId"] != table["patientId"][0]],
    )


def cut_image(source):
    path = first_file(source)
    path.write_bytes(path.read_bytes()[:-999])


def smaller_image(source):
    """As of somebody who reduced the images, but not the boxes."""
    table = pd.read_csv(source / LABELS).dropna()
    far = table["x"] + table["width"]
    path = source / IMAGES / f"{table['patientId'][far.idxmax()]}.dcm"
    data = pydicom.dcmread(path)
    data.decompress()
    data.PixelData = data.pixel_array[::2, ::2].tobytes()
    data.Rows, data.Columns = SIZE // 2, SIZE // 2
    data.save_as(path)


BAD = {
    "beyond the right": (
        set_box(x="80", width="60"),
        "96 x 96 pixels, but a box lies outside.*original size",
    ),
    "above": (set_box(y="-9"), "but a box lies outside it.*original size"),
    "smaller image": (smaller_image, "48 x 48 pixels, but.*original size"),
    "negative width": (
        set_box(width="-12"),
        "box of -12 x .*above 0; get the published table",
    ),
    "no height": (set_box(height="0"), "x 0 pixels.*above 0; get the"),
    "less than a pixel": (
        set_box(x="10.1", width="0.2"),
        "covers no pixel.*in pixels of that image",
    ),
    "text": (set_box(x="left"), "has x = 'left'.*number of pixels; get the"),
    "not a number": (set_box(y="nan"), "has y = 'nan'.*number of pixels"),
    "half a box": (set_box(height=""), "has height = ''.*number of pixels"),
    "no box": (
        set_box(x="", y="", width="", height=""),
        "Target 1 but no box.*correct the row",
    ),
    "box of none": (
        set_plain(x="1", y="2", width="9", height="9"),
        "a box but Target 0.*correct the row",
    ),
    "target": (set_plain(Target="2"), "Target = '2'.*Expected 0 or 1; get"),
    "no target": (set_plain(Target=""), "Target = ''.*Expected 0 or 1; get"),
    "two targets": (contradict, "both Target 0 and Target 1.*remove the other"),
    "unknown class": (set_class("Mass"), "'Mass'. Expected one of Normal.*get"),
    "two classes": (second_class, "'Lung Opacity', 'N.*leave the image out"),
    "no class": (no_class, "no class. Expected one of.*leave the image out"),
    "class against target": (
        lambda source: set_class(
            "Normal", rows(pd.read_csv(source / LABELS, dtype=str), True)[0]
        )(source),
        "'Normal', but its Target is 1.*get both",
    ),
    "no image": (
        lambda source: first_file(source).unlink(),
        "holds no .*dcm. Get the image, or leave out all",
    ),
    "no row": (no_row, "has no row in.*move the image away"),
    "cut image": (cut_image, "is truncated: .*Download or export it again"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_does_not_fit_stops_or_is_counted(source, tmp_path, what):
    spoil, advice = BAD[what]
    spoil(source)
    with pytest.raises(UmsrepError, match=advice):
        convert(source, tmp_path / "out", size=48)
    assert not (tmp_path / "out").exists()
    header = convert(source, tmp_path / "out", size=48, on_error="skip")
    assert header["counts"]["images"] == COUNT - 1
    (skipped,) = header["skipped"]
    assert skipped["file"].endswith(".dcm")
    assert str(tmp_path) not in skipped["reason"]
    assert not [f for f in verify(tmp_path / "out") if f.severity == "error"]


def test_row_without_an_id(source, tmp_path):
    edit(
        source / LABELS,
        lambda table: pd.concat([table, table[:1].assign(patientId=" ")]),
    )
    with pytest.raises(UmsrepError, match="no patientId.*remove the line"):
        convert(source, tmp_path / "out", size=48)
    header = convert(source, tmp_path / "out", size=48, on_error="skip")
    assert header["counts"]["images"] == COUNT
    assert [s["file"] for s in header["skipped"]] == [f"rsna/{LABELS}"]


def test_a_pixel_more_is_rounding(source, truth, tmp_path):
    set_box(x="80", width="16.9")(source)
    header = convert(source, tmp_path / "out", size=SIZE)
    assert header["counts"]["images"] == COUNT
    masks = [
        cv2.imread(str(path), 0)
        for path in (tmp_path / "out/masks/box").iterdir()
    ]
    # Up to the last column, not beyond.
    assert any(mask[:, 80:].any() and mask[:, -1].any() for mask in masks)


def two_patients(source):
    entries = json.loads((source / MAPPING).read_text())
    entries.append(entries[0] | {"img_id": "00099999_000.png"})
    (source / MAPPING).write_text(json.dumps(entries))


def write(name, text):
    return lambda source: (source / name).write_text(text)


WRONG = {
    "no json": (write(MAPPING, "subset"), "not the published mapping.*get the"),
    "other json": (
        write(MAPPING, '[{"id": 3}]'),
        "not the published mapping.*get the file again, or move it away",
    ),
    "no list": (write(MAPPING, "3"), "not the published mapping.*move it away"),
    "no patient": (
        write(MAPPING, '[{"subset_img_id": "a", "img_id": "x.png"}]'),
        "maps a to 'x.png'.*starts with the patient's number; get",
    ),
    "two patients": (two_patients, "and to patient .*get the file again"),
    "no column": (
        lambda source: edit(
            source / LABELS, lambda table: table.drop(columns="width")
        ),
        "no column 'width'.*published table again",
    ),
    "no class column": (
        write(CLASS_INFO, "patientId\na\n"),
        "no column 'class'.*published table again",
    ),
    "no table": (
        lambda source: (source / LABELS).write_bytes(b"\x89PNG\r\n\xff"),
        f"{LABELS}.*published table again",
    ),
    "no images": (
        lambda source: shutil.rmtree(source / IMAGES),
        "does not exist, or holds no .dcm.*unpack them there",
    ),
    "pictures": (
        lambda source: [
            path.rename(path.with_suffix(".png"))
            for path in (source / IMAGES).iterdir()
        ],
        "holds no .dcm file.*boxes are in pixels of the originals",
    ),
    "two copies": (
        lambda source: [
            shutil.copytree(source, source / "a"),
            shutil.copytree(source, source / "b"),
            (source / LABELS).unlink(),
        ],
        "several copies.*Name one of them",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_set_that_is_wrong_as_a_whole_is_refused(source, tmp_path, what):
    spoil, advice = WRONG[what]
    spoil(source)
    for on_error in ("stop", "skip"):
        with pytest.raises(UmsrepError, match=advice):
            convert(source, tmp_path / "out", size=48, on_error=on_error)
        assert not (tmp_path / "out").exists()


def test_command_line(published, tmp_path):
    result = CliRunner().invoke(
        app,
        ["prepare", "rsna", str(published), str(tmp_path / "out")]
        + ["--size", "64x48", "--fit", "pad"],
    )
    assert result.exit_code == 0, result.output
    assert f"{COUNT} images of 48 x 64 pixels" in result.output
    words = " ".join(result.output.split())
    assert "24 labelled (8 normal, 11 other_abnormal, 5 opacity)" in words
    assert "Task box: 5 with a mask." in result.output
    assert "Warning" not in result.output
