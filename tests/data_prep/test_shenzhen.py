"""The Shenzhen set in its public layouts."""

import shutil

import numpy as np
import pandas as pd
import pytest

from data_prep.shenzhen import convert
from umsrep.data.verification import verify
from umsrep.errors import UmsrepError

STEMS = ("CHNCXR_0001_0", "CHNCXR_0326_0", "CHNCXR_0327_1")


def original(layout):
    """NLM's download (palette, RGB and grey) beside yoctoman's masks."""
    for stem, mode in zip(STEMS, ("P", "RGB", "L"), strict=True):
        layout.image(f"ChinaSet_AllFiles/CXR_png/{stem}.png", mode)
        layout.text(f"ChinaSet_AllFiles/ClinicalReadings/{stem}.txt")
    layout.text("ChinaSet_AllFiles/NLM-ChinaCXRSet-ReadMe.docx")
    for stem in STEMS[:2]:
        layout.mask(f"shcxr-lung-mask/mask/mask/{stem}_mask.png")
    return layout.folder


def kmader(layout):
    """Kaggle's nested folders, with what Windows and macOS leave."""
    folder = original(layout)
    inner = folder / "ChinaSet_AllFiles"
    inner.rename(folder / "inner")
    inner.mkdir()
    (folder / "inner").rename(inner / "ChinaSet_AllFiles")
    pictures = inner / "ChinaSet_AllFiles/CXR_png"
    (pictures / "Thumbs.db").write_bytes(b"x")
    (pictures / ".DS_Store").write_bytes(b"x")
    layout.text(f"__MACOSX/CXR_png/._{STEMS[0]}.png")
    return folder


def bundle(layout):
    """Kaggle's mix of both NLM sets; images without a mask lie twice."""
    base = "data/Lung Segmentation"
    for stem in (*STEMS, "MCUCXR_0001_0"):
        layout.image(f"{base}/CXR_png/{stem}.png")
    for stem in STEMS[:2]:
        layout.mask(f"{base}/masks/{stem}_mask.png")
    layout.mask(f"{base}/masks/MCUCXR_0001_0.png")
    (layout.folder / base / "test").mkdir()
    shutil.copy(
        layout.folder / f"{base}/CXR_png/{STEMS[2]}.png",
        layout.folder / f"{base}/test/{STEMS[2]}.png",
    )
    return layout.folder


def plain(layout):
    """Folders images and mask, beside other data sets."""
    for stem in STEMS:
        layout.image(f"shenzhen/images/{stem}.png")
    for stem in STEMS[:2]:
        layout.mask(f"shenzhen/mask/{stem}_mask.png")
    layout.image("montgomery/images/MCUCXR_0001_0.png")
    layout.image("osie/images/1001.jpg")
    return layout.folder


@pytest.mark.parametrize("make", [original, kmader, bundle, plain])
def test_every_layout_gives_the_same_data_set(layout, tmp_path, make):
    source = make(layout)
    out = tmp_path / "out"
    seen = []
    header = convert(
        source, out, size=32, progress=lambda *counts: seen.append(counts)
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert header["skipped"] == []
    table = pd.read_csv(out / "manifest.csv", dtype=str, keep_default_na=False)
    assert table["image"].tolist() == [f"images/{stem}.png" for stem in STEMS]
    assert table["patient"].tolist() == [
        "CHNCXR-0001",
        "CHNCXR-0326",
        "CHNCXR-0327",
    ]
    assert table["abnormality"].tolist() == ["normal", "normal", "abnormal"]
    assert table["lung"].tolist() == [
        *(f"masks/lung/{stem}.png" for stem in STEMS[:2]),
        "",
    ]
    assert table["split"].tolist() == ["", "", ""]
    assert verify(out) == []


def test_the_folder_itself_or_one_above_it_will_do(layout, tmp_path):
    source = plain(layout)
    above = convert(source, tmp_path / "a", size=32)
    itself = convert(source / "shenzhen", tmp_path / "b", size=32)
    assert above == itself


def test_prepared_output_beside_the_source_is_not_read_again(layout):
    source = plain(layout)
    first = convert(source, source / "prepared", size=32)
    second = convert(source, source / "again", size=32)
    assert first == second


def test_pixels_and_masks_arrive(layout, tmp_path, read_stored):
    source = plain(layout)
    convert(source, tmp_path / "out", size=(48, 40))
    for name, stored in (
        (f"images/{STEMS[0]}.png", f"images/{STEMS[0]}.png"),
        (f"mask/{STEMS[0]}_mask.png", f"masks/lung/{STEMS[0]}.png"),
    ):
        np.testing.assert_array_equal(
            read_stored(tmp_path / "out", stored),
            read_stored(source / "shenzhen", name),
        )


def other_label(layout):
    layout.image("shenzhen/images/CHNCXR_0400_2.png")


def no_name(layout):
    layout.image("shenzhen/images/scan.png")


def lonely_mask(layout):
    layout.mask("shenzhen/mask/CHNCXR_0500_1_mask.png")


def second_version(layout):
    layout.image(f"copy/{STEMS[0]}.png")


def both_labels(layout):
    layout.image("shenzhen/images/CHNCXR_0001_1.png")


def pdf(layout):
    layout.text("shenzhen/images/CHNCXR_0002_0.png", "%PDF-1.4")


def mask_of_another_size(layout):
    layout.image("shenzhen/images/CHNCXR_0002_0.png")
    layout.write(
        "shenzhen/mask/CHNCXR_0002_0_mask.png", np.eye(9, dtype=np.uint8)
    )


BAD = {
    other_label: "CHNCXR_0400_2.png does not fit any known.*0 .normal. or 1",
    no_name: "scan.png does not fit any known name.*correct the name",
    lonely_mask: "mask without an image.*move the mask away",
    second_version: "have the same name but differ.*move one copy away",
    both_labels: "same number but different labels.*move the other",
    pdf: "CHNCXR_0002_0.png.*a PDF document.*leave it out",
    mask_of_another_size: "_mask.png is 9 x 9 .*is 40 x 48.*matching file",
}


@pytest.mark.parametrize("spoil", BAD)
def test_file_that_does_not_fit_stops_or_is_counted(layout, tmp_path, spoil):
    source = plain(layout)
    spoil(layout)
    with pytest.raises(UmsrepError, match=BAD[spoil]):
        convert(source, tmp_path / "out", size=32)
    assert not (tmp_path / "out").exists()
    header = convert(source, tmp_path / "out", size=32, on_error="skip")
    assert header["counts"]["images"] == 3
    assert len(header["skipped"]) == 1
    assert verify(tmp_path / "out") == []


@pytest.mark.real_data
def test_real_set_has_the_documented_counts(real_data, tmp_path):
    header = convert(real_data, tmp_path / "out", size=32)
    assert header["counts"] == {
        "images": 662,
        "patients": 662,
        "splits": {"none": 662},
        "tasks": {
            "lung": {"labelled": 566},
            "abnormality": {
                "labelled": 662,
                "classes": {"normal": 326, "abnormal": 336},
            },
        },
    }
    assert header["skipped"] == []
