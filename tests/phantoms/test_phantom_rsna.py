"""The synthetic RSNA set, as its public description says it is laid out."""

import collections
import json
import re

import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.uid import JPEGBaseline8Bit

from umsrep.data.attention import box_mask
from umsrep.data.dicom import read_dicom
from umsrep.errors import UmsrepError
from umsrep.phantoms import draw_chest, write_chest, write_rsna
from umsrep.phantoms.chest.regions import part_boxes
from umsrep.phantoms.chest.rsna import STYLE

COUNT, SIZE, SEED = 40, 96, 4
MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("rsna") / "set"
    write_rsna(out, COUNT, SEED, SIZE, difficulty="easy")
    return out


@pytest.fixture(scope="module")
def truth(folder):
    """{patientId: entry}, in the order of drawing."""
    entries = json.loads((folder / "phantom.json").read_text())["images"]
    return {entry["file"].split("/")[1][:-4]: entry for entry in entries}


@pytest.fixture(scope="module")
def labels(folder):
    return pd.read_csv(folder / "stage_2_train_labels.csv")


def drawn(truth, key):
    """The phantom of an image, drawn again."""
    entry = truth[key]
    return draw_chest(
        SEED,
        4 * 10**6 + [*truth].index(key),
        entry["finding"],
        SIZE,
        STYLE,
        patient=4 * 10**6 + entry["patient"],
        difficulty="easy",
    )


def test_files_are_named_by_image(folder, truth, labels):
    names = {path.stem for path in folder.glob("stage_2_train_images/*.dcm")}
    assert names == set(truth) == set(labels["patientId"])
    assert len(names) == COUNT
    pattern = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-\w{12}"
    assert all(re.fullmatch(pattern, name) for name in names)


def test_images_are_as_in_the_original(folder, truth):
    for key, entry in truth.items():
        data = pydicom.dcmread(folder / entry["file"])
        assert data.PatientID == key
        assert data.file_meta.TransferSyntaxUID == JPEGBaseline8Bit
        assert data.PhotometricInterpretation == "MONOCHROME2"
        assert (data.BitsAllocated, data.BitsStored) == (8, 8)
        for tag in ("RescaleSlope", "WindowCenter", "VOILUTSequence"):
            assert tag not in data
        expected = drawn(truth, key).image.astype(float)
        stored = data.pixel_array
        assert stored.shape == (SIZE, SIZE)
        # JPEG loses some noise, and no more.
        assert np.abs(stored - expected).mean() < 6
        assert np.corrcoef(stored.ravel(), expected.ravel())[0, 1] > 0.99
        read = read_dicom(folder / entry["file"])
        assert read.pixel_spacing == pytest.approx((0.139 * 1024 / SIZE,) * 2)


def test_boxes_are_those_of_the_opacity(truth, labels):
    """They hold all of it, each side touches it, and nothing else has one."""
    several = 0
    for key, rows in labels.groupby("patientId"):
        opaque = truth[key]["finding"] in ("bacterial", "viral")
        assert set(rows["Target"]) == {int(opaque)}
        numbers = rows[["x", "y", "width", "height"]].to_numpy()
        if not opaque:
            assert len(rows) == 1
            assert np.isnan(numbers).all()
            continue
        several += len(rows) > 1
        boxes = np.column_stack(
            [numbers[:, :2], numbers[:, :2] + numbers[:, 2:]]
        ).astype(int)
        assert boxes.tolist() == truth[key]["boxes"]
        finding = drawn(truth, key).finding_mask
        assert finding.any()
        assert not (finding & (box_mask(boxes, finding.shape) == 0)).any()
        for x1, y1, x2, y2 in boxes:
            inside = finding[y1:y2, x1:x2]
            edges = (inside[0], inside[-1], inside[:, 0], inside[:, -1])
            assert all(edge.any() for edge in edges)
    assert several


def test_rows_and_classes(folder, truth, labels):
    classes = pd.read_csv(folder / "stage_2_detailed_class_info.csv")
    assert list(labels.columns) == [
        *("patientId", "x", "y", "width", "height", "Target")
    ]
    assert list(classes.columns) == ["patientId", "class"]
    # Both repeat an image for each box.
    assert classes["patientId"].tolist() == labels["patientId"].tolist()
    assert len(labels) > COUNT
    expected = {
        "normal": "Normal",
        "enlarged_heart": "No Lung Opacity / Not Normal",
        "bacterial": "Lung Opacity",
        "viral": "Lung Opacity",
    }
    found = collections.defaultdict(set)
    for key, name in zip(classes["patientId"], classes["class"], strict=True):
        assert name == expected[truth[key]["finding"]]
        found[name].add(key)
    assert len(found["Normal"]) == round(COUNT * 8851 / 26684)
    assert len(found["Lung Opacity"]) == round(COUNT * 6012 / 26684)


def test_mapping_says_who_the_patient_is(folder, truth):
    mapping = json.loads((folder / MAPPING).read_text())
    assert {entry["subset_img_id"] for entry in mapping} == set(truth)
    pairs = set()
    for entry in mapping:
        key = entry["subset_img_id"]
        assert re.fullmatch(r"\d{8}_\d{3}\.png", entry["img_id"])
        pairs.add((truth[key]["patient"], entry["img_id"][:8]))
        data = pydicom.dcmread(folder / truth[key]["file"])
        for name in ("SOPInstanceUID", "StudyInstanceUID"):
            assert entry[name] == data[name].value
    people = {patient for patient, _ in pairs}
    assert len(pairs) == len(people) == len({number for _, number in pairs})
    assert len(people) < COUNT
    names = [entry["img_id"] for entry in mapping]
    assert len(set(names)) == COUNT


def test_images_of_one_patient_share_the_anatomy(truth):
    by_patient = collections.defaultdict(list)
    for entry in truth.values():
        by_patient[entry["patient"]].append(entry["parameters"])
    repeated = [found for found in by_patient.values() if len(found) > 1]
    assert repeated
    for found in repeated:
        assert len({parameters["half_width"] for parameters in found}) == 1
        assert len({parameters["dose"] for parameters in found}) > 1


def test_the_same_seed_writes_the_same_files(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_chest(tmp_path / name, "rsna", 6, seed, 64)

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


def test_boxes_of_parts():
    mask = np.zeros((9, 12), bool)
    assert part_boxes(mask) == []
    mask[1:3, 2:7] = True
    mask[3, 7] = True  # joined by a corner
    mask[6:, 9:] = True
    assert part_boxes(mask) == [(2, 1, 8, 4), (9, 6, 12, 9)]


def test_bad_arguments_are_explained(tmp_path):
    with pytest.raises(UmsrepError, match="at least 6.*Ask for more"):
        write_rsna(tmp_path / "out", 5, 0)
    with pytest.raises(UmsrepError, match="Choose a larger size"):
        write_rsna(tmp_path / "out", 6, 0, 63)
    assert not list(tmp_path.iterdir())
