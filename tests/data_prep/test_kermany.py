"""The paediatric set in its public layouts."""

import shutil

import pandas as pd
import pytest

from data_prep.kermany import convert, parse_name
from umsrep.data.verification import verify
from umsrep.errors import UmsrepError

KAGGLE = {
    "train/NORMAL/IM-0115-0001.jpeg": ("normal", "IM-115"),
    "train/NORMAL/NORMAL2-IM-0381-0001-0002.jpeg": (
        "normal",
        "NORMAL2-IM-381",
    ),
    "train/PNEUMONIA/person12_bacteria_46.jpeg": ("bacterial", "bacteria-12"),
    "train/PNEUMONIA/person12_virus_47.jpeg": ("viral", "virus-12"),
    "train/PNEUMONIA/person447_virus_921_1.jpeg": ("viral", "virus-447"),
    "val/PNEUMONIA/person1946_bacteria_4874.jpeg": (
        "bacterial",
        "bacteria-1946",
    ),
    "test/NORMAL/IM-0001-0001.jpeg": ("normal", "IM-1"),
    "test/PNEUMONIA/person1_virus_6.jpeg": ("viral", "virus-1"),
    "test/PNEUMONIA/person100_bacteria_475.jpeg": (
        "bacterial",
        "bacteria-100",
    ),
}
MENDELEY = {
    "train/NORMAL/NORMAL-1049278-0001.jpeg": ("normal", "patient-1049278"),
    "train/PNEUMONIA/BACTERIA-1008087-0001.jpeg": (
        "bacterial",
        "patient-1008087",
    ),
    "test/PNEUMONIA/VIRUS-1019234-0002.jpeg": ("viral", "patient-1019234"),
}
# Three binary tasks: the class of each, where the image is of its two.
LABELS = {
    "normal": {"bacterial_normal": "normal", "viral_normal": "normal"},
    "bacterial": {
        "bacterial_normal": "bacterial",
        "bacterial_viral": "bacterial",
    },
    "viral": {"viral_normal": "viral", "bacterial_viral": "viral"},
}


def kaggle(layout, base="chest_xray"):
    for name in KAGGLE:
        layout.image(f"{base}/{name}", "RGB" if "bacteria" in name else "L")
    return layout.folder


@pytest.mark.parametrize("name", [*KAGGLE, *MENDELEY])
def test_names_give_class_and_patient(name):
    assert parse_name(name) == (KAGGLE | MENDELEY)[name]


@pytest.mark.parametrize(
    "name",
    [
        "person1_fungus_3.jpeg",
        "IM-0115.jpeg",
        "CNV-1016042-1.jpeg",
        "person1_virus_6.gif",
        "person1_virus_6 (copy).jpeg",
    ],
)
def test_unknown_names_are_refused(name):
    with pytest.raises(UmsrepError, match="fit any known name.*correct the"):
        parse_name(name)


@pytest.mark.parametrize(
    ("names", "base"),
    [(KAGGLE, "chest_xray"), (MENDELEY, "CellData/chest_xray")],
)
def test_manifest_holds_three_tasks_and_the_official_split(
    layout, tmp_path, names, base
):
    for name in names:
        layout.image(f"{base}/{name}")
    out = tmp_path / "out"
    header = convert(layout.folder, out, size=32)
    assert header["skipped"] == []
    table = pd.read_csv(out / "manifest.csv", dtype=str, keep_default_na=False)
    assert len(table) == len(names)
    rows = table.set_index("source").to_dict("index")
    for name, (label, patient) in names.items():
        row = rows[name.rsplit("/", 1)[1]]
        assert row["patient"] == patient
        assert row["split"] == ("test" if name.startswith("test") else "train")
        assert {
            task: row[task]
            for task in ("bacterial_normal", "viral_normal", "bacterial_viral")
            if row[task]
        } == LABELS[label]
    assert header["tasks"]["bacterial_viral"]["classes"] == [
        "viral",
        "bacterial",
    ]
    assert not [f for f in verify(out) if f.severity == "error"]


def test_nested_copy_and_clutter_are_not_counted(layout, tmp_path):
    source = kaggle(layout)
    once = convert(source, tmp_path / "once", size=32)
    shutil.copytree(source / "chest_xray", source / "copy")
    (source / "copy").rename(source / "chest_xray/chest_xray")
    shutil.copytree(source / "chest_xray", source / "__MACOSX/chest_xray")
    layout.text("chest_xray/train/.DS_Store")
    layout.text("chest_xray/train/NORMAL/.DS_Store")
    layout.text("chest_xray/train/NORMAL/Thumbs.db")
    layout.text("chest_xray/train/NORMAL/._IM-0115-0001.jpeg")
    assert convert(source, tmp_path / "twice", size=32) == once


def test_optical_coherence_images_beside_it_are_left_alone(layout, tmp_path):
    source = kaggle(layout)
    for part in ("train", "test"):
        layout.image(f"OCT2017/{part}/NORMAL/NORMAL-1001666-1.jpeg")
        layout.image(f"OCT2017/{part}/CNV/CNV-1016042-1.jpeg")
    header = convert(source, tmp_path / "out", size=32)
    assert header["counts"]["images"] == len(KAGGLE)


def test_two_separate_copies_are_refused(layout, tmp_path):
    kaggle(layout, "a")
    kaggle(layout, "b")
    with pytest.raises(UmsrepError, match="several copies.*Name one of them"):
        convert(layout.folder, tmp_path / "out")
    header = convert(layout.folder / "a", tmp_path / "out", size=32)
    assert header["counts"]["images"] == len(KAGGLE)


def test_one_split_folder_alone_will_do(layout, tmp_path):
    source = kaggle(layout) / "chest_xray/test"
    header = convert(source, tmp_path / "out", size=32)
    assert header["counts"]["splits"] == {"test": 3}


def copy(layout, old, new):
    base = layout.folder / "chest_xray"
    shutil.copy(base / old, base / new)


def test_identical_files_of_one_class_are_dropped_and_recorded(
    layout, tmp_path
):
    source = kaggle(layout)
    train = "train/PNEUMONIA/person12_bacteria_"
    copy(layout, f"{train}46.jpeg", f"{train}47.jpeg")
    copy(layout, f"{train}46.jpeg", f"{train}48.jpeg")
    copy(
        layout,
        "test/NORMAL/IM-0001-0001.jpeg",
        "train/NORMAL/IM-0002-0001.jpeg",
    )
    header = convert(source, tmp_path / "out", size=32)
    assert header["counts"]["images"] == len(KAGGLE)
    assert header["skipped"] == [
        {
            "file": "NORMAL/IM-0002-0001.jpeg",
            "reason": "duplicate of IM-0001-0001.jpeg",
        },
        {
            "file": "PNEUMONIA/person12_bacteria_47.jpeg",
            "reason": "duplicate of person12_bacteria_46.jpeg",
        },
        {
            "file": "PNEUMONIA/person12_bacteria_48.jpeg",
            "reason": "duplicate of person12_bacteria_46.jpeg",
        },
    ]
    # The copy in "test" stayed, so nothing leaks.
    assert header["counts"]["splits"]["test"] == 3
    assert not [f for f in verify(tmp_path / "out") if f.severity == "error"]


def wrong_folder(layout):
    layout.image("chest_xray/train/NORMAL/person3_virus_16.jpeg")


def unknown_name(layout):
    layout.image("chest_xray/test/NORMAL/scan3.jpeg")


def truncated(layout):
    path = layout.image("chest_xray/train/NORMAL/IM-0117-0001.jpeg")
    path.write_bytes(path.read_bytes()[:-40])


def same_name_in_both_parts(layout):
    layout.image("chest_xray/test/NORMAL/IM-0115-0001.jpeg")


BAD = {
    wrong_folder: "named as viral but lies in NORMAL.*move or remove",
    unknown_name: "scan3.jpeg does not fit any known name.*move the file away",
    truncated: "IM-0117-0001.jpeg is truncated.*again",
    same_name_in_both_parts: "same image id 'IM-0115-0001'.*rename",
}


@pytest.mark.parametrize("spoil", BAD)
def test_file_that_does_not_fit_stops_or_is_counted(layout, tmp_path, spoil):
    source = kaggle(layout)
    spoil(layout)
    with pytest.raises(UmsrepError, match=BAD[spoil]):
        convert(source, tmp_path / "out", size=32)
    assert not (tmp_path / "out").exists()
    header = convert(source, tmp_path / "out", size=32, on_error="skip")
    assert header["counts"]["images"] == len(KAGGLE)
    assert len(header["skipped"]) == 1


def test_identical_files_of_two_classes_contradict(layout, tmp_path):
    source = kaggle(layout)
    copy(
        layout,
        "train/PNEUMONIA/person12_virus_47.jpeg",
        "train/PNEUMONIA/person99_bacteria_1.jpeg",
    )
    with pytest.raises(
        UmsrepError, match="identical files of different classes.*which is"
    ):
        convert(source, tmp_path / "out", size=32)
    header = convert(source, tmp_path / "out", size=32, on_error="skip")
    # Neither can be believed.
    assert header["counts"]["images"] == len(KAGGLE) - 1
    assert len(header["skipped"]) == 2


@pytest.mark.real_data
def test_sample_of_the_real_set(real_data, tmp_path):
    for part in ("train", "test"):
        for label in ("NORMAL", "PNEUMONIA"):
            folder = real_data / "chest_xray" / part / label
            here = tmp_path / "chest_xray" / part / label
            here.mkdir(parents=True)
            for file in sorted(folder.iterdir())[:40]:
                (here / file.name).symlink_to(file)
    header = convert(tmp_path / "chest_xray", tmp_path / "out", size=64)
    counts = header["counts"]
    assert counts["images"] + len(header["skipped"]) == 160
    assert counts["splits"]["test"] == 80
    assert not [f for f in verify(tmp_path / "out") if f.severity == "error"]
