"""Every kind of damage is found, and a whole data set is left in peace."""

import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest

from umsrep.data.prepared import SourceDescription, TaskSpec
from umsrep.data.storage import sha256
from umsrep.data.verification import verify
from umsrep.data.writer import PreparedWriter
from umsrep.errors import UmsrepError

TASKS = (
    TaskSpec("lung", "mask"),
    TaskSpec("finding", "label", ("normal", "nodule")),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Eight images, four in train and four in test, without a flaw."""
    folder = tmp_path_factory.mktemp("verification")
    about = SourceDescription("t", "u", "c", "l", "chest X-ray")
    rng = np.random.default_rng([8])
    mask = np.zeros((48, 40), np.uint8)
    mask[10:30, 5:20] = 255
    cv2.imwrite(str(folder / "mask.png"), mask)
    with PreparedWriter(folder / "data", "x", TASKS, about, 32) as writer:
        for index in range(8):
            file = folder / f"{index}.png"
            pixels = rng.integers(0, 256, (48, 40), dtype=np.uint8)
            cv2.imwrite(str(file), pixels)
            writer.add(
                f"i{index}",
                file,
                f"p{index}",
                ("train", "test")[index % 2],
                {
                    "finding": ("normal", "nodule")[index // 2 % 2],
                    "lung": folder / "mask.png",
                },
            )
    return folder / "data"


class Copy:
    """A copy of the data set to damage; `seal` makes checksums fit again."""

    def __init__(self, path):
        self.path = path

    def header(self, change):
        file = self.path / "dataset.json"
        header = json.loads(file.read_text())
        change(header)
        file.write_text(json.dumps(header))

    def manifest(self, change):
        file = self.path / "manifest.csv"
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
        changed = change(table)
        (table if changed is None else changed).to_csv(file, index=False)
        self.seal()

    def picture(self, name, pixels):
        cv2.imwrite(str(self.path / name), pixels)
        self.seal()

    def seal(self):
        def checksums(header):
            header["checksums"] = {
                file.relative_to(self.path).as_posix(): sha256(file)
                for file in self.path.rglob("*")
                if file.is_file() and file.name != "dataset.json"
            }

        self.header(checksums)

    def findings(self, severity=None):
        return [
            f"{finding.file} {finding.message}"
            for finding in verify(self.path)
            if severity in (None, finding.severity)
        ]


@pytest.fixture
def data(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "data")
    return Copy(tmp_path / "data")


def cell(row, column, value):
    def change(table):
        table.loc[row, column] = value

    return change


def test_whole_data_set_has_no_findings_and_shows_progress(whole):
    seen = []
    assert verify(whole, lambda done, total: seen.append((done, total))) == []
    assert seen == [(n, 8) for n in range(1, 9)]


def test_system_clutter_is_no_finding(data):
    (data.path / "images/Thumbs.db").write_bytes(b"x")
    (data.path / ".DS_Store").write_bytes(b"x")
    assert data.findings() == []


def test_missing_changed_and_unlisted_files(data):
    (data.path / "images/i0.png").unlink()
    (data.path / "masks/lung/i1.png").write_bytes(b"nothing")
    shutil.copy(data.path / "images/i2.png", data.path / "images/new.png")
    (data.path / "notes.txt").write_text("x")
    assert data.findings("error") == [
        "images/i0.png is listed but missing",
        "images/new.png is not listed in dataset.json",
        "masks/lung/i1.png has changed since it was prepared (checksum "
        "differs)",
        "masks/lung/i1.png is not a readable image "
        f"({data.path}/masks/lung/i1.png is not a readable image: it is a "
        "text file. Expected PNG, JPEG, TIFF or BMP; convert it, get the "
        "file again, or leave it out.)",
    ]
    assert data.findings("warning") == [
        "notes.txt is not listed in dataset.json"
    ]


def test_every_finding_says_what_to_do(data):
    (data.path / "images/i0.png").unlink()
    (data.path / "notes.txt").write_text("x")
    findings = verify(data.path)
    assert [f.severity for f in findings] == ["error", "warning"]
    assert findings[0].remedy.endswith("'umsrep prepare'.")
    assert findings[1].remedy.startswith("Remove it")


def test_manifest_that_is_gone_or_broken(data):
    file = data.path / "manifest.csv"
    text = file.read_text()
    file.unlink()
    assert data.findings() == ["manifest.csv is listed but missing"]
    file.write_text(text.replace("finding", "other", 1))
    assert "manifest.csv lacks the columns finding" in data.findings("error")
    file.write_text(text.splitlines()[0] + "\n")
    assert "manifest.csv lists no image" in data.findings("error")


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((32, 32), 9, np.uint8), "is constant: it shows nothing"),
        (np.eye(31, dtype=np.uint8), "is 31 x 31 pixels; expected 32 x 32"),
        (np.eye(32, dtype=np.uint16) * 999, "expected 8-bit grey"),
        (np.dstack([np.eye(32, dtype=np.uint8)] * 3), "expected 8-bit grey"),
    ],
)
def test_stored_image_of_another_kind(data, pixels, message):
    data.picture("images/i3.png", pixels)
    (finding,) = data.findings("error")
    assert finding.startswith("images/i3.png")
    assert message in finding


def test_mask_of_other_values_or_size(data):
    data.picture("masks/lung/i0.png", np.eye(32, dtype=np.uint8))
    data.picture("masks/lung/i1.png", np.eye(16, dtype=np.uint8) * 255)
    assert data.findings("error") == [
        "masks/lung/i0.png holds the values 0, 1; expected 0 and 255",
        "masks/lung/i1.png is 16 x 16 pixels; expected 32 x 32",
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [(0, "covers 0.0% of the image (it is empty)"), (255, "covers 100.0%")],
)
def test_implausible_mask_is_a_warning(data, value, message):
    data.picture("masks/lung/i0.png", np.full((32, 32), value, np.uint8))
    (finding,) = data.findings()
    assert finding.startswith(f"masks/lung/i0.png {message}")
    assert data.findings("error") == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cell(0, "finding", "cat"), "label 'cat' for task 'finding'"),
        (cell(0, "split", "val"), "has the split 'val'"),
        (cell(0, "patient", ""), "has no patient"),
        (cell(0, "image", "../secret.png"), "expected images/<id>.png"),
        (cell(0, "image", "images/none.png"), "in the manifest but missing"),
        (cell(0, "lung", "masks/lung/i1.png"), "expected masks/lung/i0.png"),
        (cell(1, "patient", "p0"), "patient 'p0' is in test and train"),
        (lambda t: pd.concat([t, t[:1]]), "images/i0.png is listed 2 times"),
        (lambda t: t[1:], "counts disagree with the manifest"),
    ],
)
def test_manifest_entries_are_checked(data, change, message):
    data.manifest(change)
    assert any(message in finding for finding in data.findings("error"))


def test_identical_images_are_an_error_across_a_split_only(data):
    shutil.copy(data.path / "images/i0.png", data.path / "images/i2.png")
    data.seal()
    assert data.findings("error") == []
    assert data.findings("warning") == [
        "images/i0.png is identical to images/i2.png, of patients p0 and p2; "
        "finding: nodule and normal"
    ]
    shutil.copy(data.path / "images/i0.png", data.path / "images/i1.png")
    data.seal()
    assert data.findings("error") == [
        "images/i0.png is identical to images/i1.png, images/i2.png, of "
        "patients p0 and p1 and p2; finding: nodule and normal, and they are "
        "in test and train"
    ]


def test_class_missing_on_one_side_is_a_warning(data):
    def change(table):
        train = table["split"] == "train"
        table.loc[train, "finding"] = "normal"
        table.loc[~train, "lung"] = ""

    data.manifest(change)
    assert data.findings("warning") == [
        "manifest.csv task 'finding' has no image of class nodule in split "
        "'train'",
        "manifest.csv task 'lung' has no labelled image in split 'test'",
    ]


def test_split_for_some_images_only_is_a_warning(data):
    data.manifest(cell(0, "split", ""))
    assert any(
        "1 of 8 images have no split" in finding
        for finding in data.findings("warning")
    )


def test_folder_that_is_no_data_set_or_of_another_version(data, tmp_path):
    with pytest.raises(UmsrepError, match="holds no dataset.json.*again"):
        verify(tmp_path)

    def newer(header):
        header["format_version"] = 99

    data.header(newer)
    with pytest.raises(UmsrepError, match="version 99.*Prepare the data again"):
        verify(data.path)
