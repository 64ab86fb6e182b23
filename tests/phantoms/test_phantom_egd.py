"""The synthetic EGD-CXR set, as its public description says it is laid out."""

import collections
import csv
import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from umsrep.data.dicom import read_dicom
from umsrep.errors import UmsrepError
from umsrep.phantoms import draw_chest, write_chest, write_egd
from umsrep.phantoms.chest.egd import STYLE

COUNT, SIZE, SEED = 24, 96, 4
GAZE = ["DICOM_ID", "X_ORIGINAL", "Y_ORIGINAL"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("egd") / "set"
    write_egd(out, COUNT, SEED, SIZE, difficulty="easy")
    return out


@pytest.fixture(scope="module")
def sheet(folder):
    return pd.read_csv(folder / "master_sheet.csv")


@pytest.fixture(scope="module")
def truth(folder):
    return json.loads((folder / "phantom.json").read_text())["images"]


@pytest.fixture(scope="module")
def gaze(folder):
    """eye_gaze.csv without the calibration images."""
    table = pd.read_csv(folder / "eye_gaze.csv")
    return table[table["DICOM_ID"].str.len() == 44]


def test_master_sheet(folder, sheet):
    assert sheet.shape == (COUNT, 59)
    assert list(sheet.columns[:7]) == [
        *("dicom_id", "path", "study_id", "patient_id", "stay_id"),
        *("gender", "anchor_age"),
    ]
    lines = (folder / "master_sheet.csv").read_text().count("\n")
    assert lines > COUNT + 1
    assert (
        sheet["dicom_id"].str.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}").all()
    )
    classes = sheet[["Normal", "CHF", "pneumonia"]]
    assert (classes.sum(axis=1) == 1).all()
    assert (classes.sum() == COUNT // 3).all()
    assert sheet["anchor_age"].str.fullmatch(r"\d0 - \d0").all()
    expert = sheet.filter(regex="__chx$")
    assert expert.shape[1] == 14
    assert set(np.unique(expert.to_numpy()[~expert.isna()])) == {-1, 0, 1}
    assert expert.isna().any(axis=None)
    images = sheet.groupby("patient_id").size()
    assert images.max() == 2
    assert 0.7 * COUNT < len(images) < COUNT


def test_patient_numbers_are_those_of_the_truth(sheet, truth):
    pairs = set(
        zip(sheet["patient_id"], (e["patient"] for e in truth), strict=True)
    )
    assert len(pairs) == sheet["patient_id"].nunique()
    assert len({number for _, number in pairs}) == len(pairs)


def test_images_show_the_chest_whatever_the_file_says(folder, sheet, truth):
    kinds = collections.Counter()
    for number, (path, entry) in enumerate(
        zip(sheet["path"], truth, strict=True)
    ):
        assert re.fullmatch(
            r"files/(p1\d)/\1\d{6}/s5\d{7}/[0-9a-f-]{44}\.dcm", path
        )
        read = read_dicom(folder / path)
        expected = draw_chest(
            SEED,
            3 * 10**6 + number,
            entry["finding"],
            read.image.shape,
            STYLE,
            patient=3 * 10**6 + entry["patient"],
            difficulty="easy",
        ).image.astype(float)
        if not entry["windowed"]:
            # Without a window the whole range is used.
            expected -= expected.min()
            expected *= 255 / expected.max()
        assert np.abs(read.image - expected).max() <= 1
        assert read.bits_stored == 12
        assert read.pixel_spacing == pytest.approx((425 / SIZE,) * 2, rel=1e-3)
        kinds[read.photometric, entry["windowed"], *read.image.shape] += 1
    assert len({kind[:2] for kind in kinds}) == 4
    assert {kind[2:] for kind in kinds} == {(96, 80), (80, 96)}


def test_diagnosis_says_what_is_drawn(sheet, truth):
    drawn = {
        "Normal": {"normal"},
        "CHF": {"enlarged_heart"},
        "pneumonia": {"bacterial", "viral"},
    }
    for name, findings in drawn.items():
        found = [
            e["finding"]
            for e, one in zip(truth, sheet[name], strict=True)
            if one
        ]
        assert set(found) == findings


@pytest.mark.parametrize("name", ["eye_gaze", "fixations"])
def test_gaze_tables(folder, sheet, name):
    table = pd.read_csv(folder / f"{name}.csv")
    assert table.shape[1] == 37
    assert list(table.columns[[0, 2, -2, -1]]) == [
        *("SESSION_ID", "DICOM_ID", "X_ORIGINAL", "Y_ORIGINAL")
    ]
    short = table["DICOM_ID"].str.len() == 39
    assert table["DICOM_ID"][short].nunique() == 2
    starts = {key[:39] for key in sheet["dicom_id"]}
    assert set(table["DICOM_ID"][short]) <= starts
    table = table[~short]
    assert set(table["DICOM_ID"]) == set(sheet["dicom_id"])
    sheet = sheet.set_index("dicom_id")
    pads = sheet.loc[table["DICOM_ID"]].reset_index()
    table = table.reset_index(drop=True)
    inside = table["X_ORIGINAL"] >= 0
    assert (table[~inside][["X_ORIGINAL", "Y_ORIGINAL"]] < 0).all(axis=None)
    assert 0.8 < inside.mean() < 1
    # The screen shows the image between the pads.
    for axis, full, (first, second) in (
        ("X", 1920, ("left", "right")),
        ("Y", 1080, ("top", "bottom")),
    ):
        shown = full - pads[f"image_{first}_pad"] - pads[f"image_{second}_pad"]
        place = table[f"FPOG{axis}"] * full - pads[f"image_{first}_pad"]
        scale = SIZE / 1080
        difference = place * scale - table[f"{axis}_ORIGINAL"]
        assert difference[inside].between(-0.02, 1.02).all()
        assert set(shown) == {1080, 900}


def test_fixations_are_the_last_samples(folder, gaze):
    fixations = pd.read_csv(folder / "fixations.csv")
    fixations = fixations[fixations["DICOM_ID"].str.len() == 44]
    keys = ["DICOM_ID", "CNT"]
    assert len(fixations.merge(gaze, on=keys)) == len(fixations)
    counted = fixations.groupby("DICOM_ID").size()
    assert counted.between(20, 50).all()
    during = gaze[gaze["FPOGD"] > 0].groupby(["DICOM_ID", "FPOGID"])
    longest = during["FPOGD"].max().sort_index()
    whole = fixations.set_index(["DICOM_ID", "FPOGID"])["FPOGD"].sort_index()
    assert longest.index.equals(whole.index)
    assert (whole - longest).between(-1e-4, 1 / 60 + 1e-4).all()


def test_boxes(folder, sheet):
    table = pd.read_csv(folder / "bounding_boxes.csv")
    assert list(table.columns) == [
        "dicom_id",
        "bbox_name",
        "x1",
        "x2",
        "y1",
        "y2",
    ]
    assert (table.groupby("dicom_id").size() == 17).all()
    assert set(table["dicom_id"]) == set(sheet["dicom_id"])
    assert (table["x1"] < table["x2"]).all()
    assert (table["y1"] < table["y2"]).all()
    middle = table.assign(x=table["x1"] + table["x2"]).pivot(
        index="dicom_id", columns="bbox_name", values="x"
    )
    # The patient's right is on the left of the picture.
    assert (middle["right lung"] < middle["left lung"]).all()


def test_masks_and_transcripts(folder, sheet):
    for row in sheet.to_dict("records"):
        below = folder / "audio_segmentation_transcripts" / row["dicom_id"]
        masks = {
            name: np.asarray(Image.open(below / f"{name}.png")) > 0
            for name in (
                "left_lung",
                "right_lung",
                "mediastanum",
                "aortic_knob",
            )
        }
        shape = read_dicom(folder / row["path"]).image.shape
        assert all(
            mask.shape == shape and mask.any() for mask in masks.values()
        )
        lungs = masks["left_lung"] | masks["right_lung"]
        assert not (lungs & masks["mediastanum"]).any()
        columns = {
            key: np.nonzero(mask)[1].mean() for key, mask in masks.items()
        }
        assert (
            columns["right_lung"]
            < columns["mediastanum"]
            < columns["left_lung"]
        )
        said = json.loads((below / "transcript.json").read_text())
        assert set(said) == {"full_text", "time_stamped_text"}
        phrases = [item["phrase"] for item in said["time_stamped_text"]]
        assert " ".join(phrases) == said["full_text"]
        times = [
            item[key]
            for item in said["time_stamped_text"]
            for key in ("begin_time", "end_time")
        ]
        assert times == sorted(times)
        assert ("enlarged" in said["full_text"]) == bool(row["CHF"])


def test_class_can_be_told_from_the_tables(folder, sheet, gaze):
    """The share of gaze inside mediastanum.png; half would be chance."""
    share = {}
    for key, seen in gaze[GAZE].groupby("DICOM_ID"):
        below = folder / "audio_segmentation_transcripts" / key
        mask = np.asarray(Image.open(below / "mediastanum.png")) > 0
        seen = seen[seen["X_ORIGINAL"] >= 0]
        share[key] = mask[seen["Y_ORIGINAL"], seen["X_ORIGINAL"]].mean()
    kept = sheet[sheet["pneumonia"] == 0]
    assert roc_auc_score(kept["CHF"], kept["dicom_id"].map(share)) > 0.65


def test_the_same_seed_writes_the_same_files(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_chest(tmp_path / name, "egd-cxr", 6, seed, 64)

    def content(name):
        return {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*.*")
            if path.is_file()
        }

    assert content("a") == content("b")
    assert not {path for path in content("a") if len(path.parts) > 1} & {
        *content("c")
    }


def test_a_plain_line_reader_would_miscount(folder):
    """Cells span lines: only a CSV parser reads the master sheet."""
    with open(folder / "master_sheet.csv", newline="") as stream:
        rows = list(csv.reader(stream))
    assert {len(row) for row in rows} == {59}
    assert any("\n" in row[-1] for row in rows)


def test_bad_arguments_are_explained(tmp_path):
    with pytest.raises(UmsrepError, match="at least 6.*Ask for more"):
        write_egd(tmp_path / "out", 5, 0)
    with pytest.raises(UmsrepError, match="Choose a larger size"):
        write_egd(tmp_path / "out", 6, 0, 63)
    assert not list(tmp_path.iterdir())
