"""Boxes of EGD-CXR as mask tasks, on synthetic files of its layout."""

import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from data_prep.egd_cxr import convert
from umsrep.cli.main import app
from umsrep.data.dicom import read_shape
from umsrep.data.verification import verify
from umsrep.errors import UmsrepError
from umsrep.phantoms import write_egd

COUNT, SIZE = 6, 96
NAMES = ("cardiac silhouette", "left lung")


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
def prepared(published, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "set"
    convert(published, out, size=SIZE, boxes=NAMES)
    return out


def edit(source, change):
    """Rewrites bounding_boxes.csv, all cells as text."""
    path = source / "bounding_boxes.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    change(table)
    table.to_csv(path, index=False)


def hearts(table):
    return table.index[table["bbox_name"] == "cardiac silhouette"]


def stored(folder, task, key):
    return cv2.imread(str(folder / f"masks/{task}/{key}.png"), 0)


def test_boxes_are_tasks_beside_the_others(prepared, published, tmp_path):
    header = json.loads((prepared / "dataset.json").read_text())
    assert list(header["tasks"]) == [
        *("gaze", "finding", "lung", "heart"),
        *("cardiac_silhouette", "left_lung"),
    ]
    for task in ("cardiac_silhouette", "left_lung"):
        assert header["tasks"][task]["kind"] == "mask"
        assert header["counts"]["tasks"][task]["labelled"] == COUNT
    assert not [f for f in verify(prepared) if f.severity == "error"]
    plain = convert(published, tmp_path / "plain", size=SIZE)
    assert list(plain["tasks"]) == ["gaze", "finding", "lung", "heart"]


def test_mask_is_the_box_of_the_table(prepared, published):
    """x2 comes before y1 in the table."""
    table = pd.read_csv(published / "bounding_boxes.csv")
    sheet = pd.read_csv(published / "master_sheet.csv").set_index("dicom_id")
    for row in table[table["bbox_name"].isin(NAMES)].to_dict("records"):
        key = row["dicom_id"]
        height, width = read_shape(published / sheet.loc[key, "path"])
        task = row["bbox_name"].replace(" ", "_")
        rows, columns = np.nonzero(stored(prepared, task, key))
        for places, axis, side in ((columns, "x", width), (rows, "y", height)):
            scale = SIZE / side
            assert places.min() == pytest.approx(
                row[f"{axis}1"] * scale, abs=0.51
            )
            assert places.max() + 1 == pytest.approx(
                row[f"{axis}2"] * scale, abs=0.51
            )
        area = (row["x2"] - row["x1"]) * (row["y2"] - row["y1"])
        assert len(rows) == pytest.approx(
            area * SIZE**2 / (height * width), rel=0.1
        )


def test_box_of_the_heart_lies_over_its_mask(prepared):
    for path in (prepared / "masks/heart").iterdir():
        heart = cv2.imread(str(path), 0) > 0
        box = stored(prepared, "cardiac_silhouette", path.stem) > 0
        assert (heart & box).sum() > 0.5 * heart.sum()


def test_names_may_be_written_as_tasks(published, prepared, tmp_path):
    """And one name alone need not be in a list."""
    for number, name in enumerate(("Cardiac_Silhouette", [NAMES[0]] * 2)):
        out = tmp_path / str(number)
        header = convert(published, out, size=SIZE, boxes=name)
        assert list(header["tasks"])[4:] == ["cardiac_silhouette"]
        for path in (out / "masks/cardiac_silhouette").iterdir():
            expected = stored(prepared, "cardiac_silhouette", path.stem)
            np.testing.assert_array_equal(cv2.imread(str(path), 0), expected)


def test_several_boxes_of_one_name_are_united(source, prepared, tmp_path):
    def change(table):
        table.loc[table["bbox_name"] == NAMES[1], "bbox_name"] = NAMES[0]

    edit(source, change)
    convert(source, tmp_path / "out", size=SIZE, boxes=NAMES[:1])
    for path in (tmp_path / "out/masks/cardiac_silhouette").iterdir():
        first, second = (
            stored(prepared, task, path.stem)
            for task in ("cardiac_silhouette", "left_lung")
        )
        united = cv2.imread(str(path), 0)
        np.testing.assert_array_equal(united, first | second)
        assert (united != first).any()


def test_image_without_the_box_is_unlabelled(source, tmp_path):
    edit(source, lambda table: table.drop(hearts(table)[0], inplace=True))
    header = convert(source, tmp_path / "out", size=64, boxes=NAMES)
    tasks = header["counts"]["tasks"]
    assert header["counts"]["images"] == COUNT
    assert tasks["cardiac_silhouette"]["labelled"] == COUNT - 1
    assert tasks["left_lung"]["labelled"] == COUNT
    assert not any("bounding_boxes" in text for text in header["warnings"])


def test_box_that_reaches_beyond_is_cut_and_counted(source, tmp_path):
    def change(table):
        table.loc[hearts(table)[0], ["x2", "y1"]] = "5000", "-40"

    edit(source, change)
    key = pd.read_csv(source / "bounding_boxes.csv")["dicom_id"][0]
    header = convert(source, tmp_path / "out", size=64, boxes=NAMES)
    assert "bounding_boxes.csv: boxes of 1 images reach beyond" in "".join(
        header["warnings"]
    )
    mask = stored(tmp_path / "out", "cardiac_silhouette", key) > 0
    assert mask[0].any()
    assert mask[:, -1].any()
    assert not mask[:, 0].any()


def test_boxes_of_unknown_images_are_counted(source, tmp_path):
    sheet = pd.read_csv(
        source / "master_sheet.csv", dtype=str, keep_default_na=False
    )
    sheet[1:].to_csv(source / "master_sheet.csv", index=False)
    header = convert(source, tmp_path / "out", size=64, boxes=NAMES)
    assert "bounding_boxes.csv: the rows of 1 images that are" in "".join(
        header["warnings"]
    )


def set_heart(**cells):
    def change(table):
        for column, value in cells.items():
            table.loc[hearts(table)[0], column] = value

    return change


BAD = {
    "text": (set_heart(x1="left"), "x1 = 'left'.*number.*correct the row"),
    "empty": (set_heart(y2=""), "y2 = ''.*correct the row"),
    "infinite": (set_heart(y2="inf"), "y2 = 'inf'.*correct the row"),
    "turned": (set_heart(x1="60", x2="50"), "wider and higher.*correct the"),
    "no area": (set_heart(y1="50", y2="50"), "wider and higher.*correct the"),
    "outside": (set_heart(x1="900", x2="950"), "covers no pixel.*of that im"),
}


@pytest.mark.parametrize("what", BAD)
def test_box_that_is_none_stops_or_is_counted(source, tmp_path, what):
    change, advice = BAD[what]
    edit(source, change)
    # Nobody asked for it.
    convert(source, tmp_path / "other", size=64, boxes=NAMES[1:])
    with pytest.raises(UmsrepError, match=advice):
        convert(source, tmp_path / "out", size=64, boxes=NAMES)
    assert not (tmp_path / "out").exists()
    header = convert(
        source, tmp_path / "out", size=64, boxes=NAMES, on_error="skip"
    )
    assert header["counts"]["images"] == COUNT - 1
    assert len(header["skipped"]) == 1
    assert str(tmp_path) not in header["skipped"][0]["reason"]


def test_unknown_box_lists_those_that_exist(source, tmp_path):
    for on_error in ("stop", "skip"):
        with pytest.raises(
            UmsrepError,
            match="no box named 'heart'.*cardiac silhouette.*choose one",
        ):
            convert(source, tmp_path / "out", boxes="heart", on_error=on_error)
    (source / "bounding_boxes.csv").unlink()
    with pytest.raises(UmsrepError, match="does not exist.*get it from"):
        convert(source, tmp_path / "out", boxes=NAMES)
    # Not needed otherwise.
    convert(source, tmp_path / "out", size=64)


def test_command_line(published, tmp_path):
    result = CliRunner().invoke(
        app,
        ["prepare", "egd-cxr", str(published), str(tmp_path / "out")]
        + ["--size", "64", "--box", NAMES[0], "--box", NAMES[1]],
    )
    assert result.exit_code == 0, result.output
    for task in ("cardiac_silhouette", "left_lung"):
        assert f"Task {task}: {COUNT} with a mask." in result.output
    result = CliRunner().invoke(
        app,
        ["prepare", "rsna", str(published), str(tmp_path / "no")]
        + ["--box", NAMES[0]],
    )
    assert result.exit_code == 1
    with pytest.raises(UmsrepError, match="'rsna' has no boxes to choose.*Lea"):
        raise result.exception
