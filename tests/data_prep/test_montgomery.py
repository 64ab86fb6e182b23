"""The Montgomery set in its public layouts."""

import numpy as np
import pandas as pd
import pytest

from data_prep.montgomery import convert
from umsrep.data.verification import verify
from umsrep.errors import UmsrepError

STEMS = ("MCUCXR_0001_0", "MCUCXR_0162_1", "MCUCXR_0166_1")
LEFT, RIGHT = slice(2, 15), slice(22, 36)


def original(layout, base="MontgomerySet"):
    """NLM's download: two 1-bit masks per image, in two folders."""
    for stem in STEMS:
        layout.image(f"{base}/CXR_png/{stem}.png")
        layout.text(f"{base}/ClinicalReadings/{stem}.txt")
        layout.mask(f"{base}/ManualMask/leftMask/{stem}.png", LEFT, bits=1)
        layout.mask(f"{base}/ManualMask/rightMask/{stem}.png", RIGHT, bits=1)
    layout.text(f"{base}/NLM-MontgomeryCXRSet-ReadMe.pdf")
    layout.text(f"{base}/montgomery_consensus_roi.csv")
    return layout.folder


def kmader(layout):
    folder = original(layout, "Montgomery/MontgomerySet")
    layout.text("Montgomery/MontgomerySet/CXR_png/Thumbs.db")
    layout.text(f"__MACOSX/CXR_png/._{STEMS[0]}.png")
    return folder


def united(layout, image, mask):
    for stem in STEMS:
        layout.image(f"{image}/{stem}.png")
        path = layout.mask(f"{mask}/{stem}.png", LEFT)
        both = np.zeros((48, 40), np.uint8)
        both[10:40, LEFT] = both[10:40, RIGHT] = 255
        layout.write(path.relative_to(layout.folder), both)
    return layout.folder


def bundle(layout):
    """Kaggle's mix of both NLM sets."""
    layout.image("Lung Segmentation/CXR_png/CHNCXR_0001_0.png")
    layout.mask("Lung Segmentation/masks/CHNCXR_0001_0_mask.png")
    return united(
        layout, "Lung Segmentation/CXR_png", "Lung Segmentation/masks"
    )


def plain(layout):
    return united(layout, "montgomery/images", "montgomery/mask")


@pytest.mark.parametrize("make", [original, kmader, bundle, plain])
def test_every_layout_gives_the_same_data_set(
    layout, tmp_path, make, read_stored
):
    out = tmp_path / "out"
    header = convert(make(layout), out, size=(48, 40))
    assert header["skipped"] == []
    assert header["counts"]["tasks"]["lung"] == {"labelled": 3}
    table = pd.read_csv(out / "manifest.csv", dtype=str, keep_default_na=False)
    assert table["image"].tolist() == [f"images/{stem}.png" for stem in STEMS]
    assert table["abnormality"].tolist() == ["normal", "abnormal", "abnormal"]
    assert verify(out) == []
    mask = read_stored(out, f"masks/lung/{STEMS[0]}.png")
    lung = np.zeros((48, 40), np.uint8)
    lung[10:40, LEFT] = lung[10:40, RIGHT] = 255
    np.testing.assert_array_equal(mask, lung)


def test_known_repeats_are_one_patient(layout, tmp_path):
    groups = [
        ["0162", "0166", "0170"],
        ["0052", "0053"],
        ["0144", "0223"],
        ["0254", "0255"],
        ["0367", "0369"],
        ["0001"],
    ]
    for number in sum(groups, []):
        layout.image(f"images/MCUCXR_{number}_1.png")
    convert(layout.folder, tmp_path / "out", size=32)
    table = pd.read_csv(tmp_path / "out/manifest.csv", dtype=str)
    number = table["image"].str.extract(r"_(\d+)_")[0]
    found = number.groupby(table["patient"]).apply(sorted)
    assert sorted(found) == sorted(groups)


def test_image_without_any_mask_is_unlabelled(layout, tmp_path):
    source = plain(layout)
    (source / f"montgomery/mask/{STEMS[0]}.png").unlink()
    header = convert(source, tmp_path / "out", size=32)
    assert header["counts"]["tasks"]["lung"] == {"labelled": 2}
    assert header["counts"]["images"] == 3


@pytest.mark.parametrize("side", ["leftMask", "rightMask"])
def test_mask_of_one_lung_only_stops_or_is_counted(layout, tmp_path, side):
    source = original(layout)
    (source / f"MontgomerySet/ManualMask/{side}/{STEMS[1]}.png").unlink()
    with pytest.raises(
        UmsrepError, match=f"{STEMS[1]}.*one lung only.*get the missing one"
    ):
        convert(source, tmp_path / "out", size=32)
    header = convert(source, tmp_path / "out", size=32, on_error="skip")
    assert header["counts"]["images"] == 2
    (skipped,) = header["skipped"]
    assert skipped["file"] == f"CXR_png/{STEMS[1]}.png"


@pytest.mark.real_data
def test_real_set_has_the_documented_counts(real_data, tmp_path):
    header = convert(real_data / "montgomery", tmp_path / "out", size=64)
    counts = header["counts"]
    assert counts["images"] == 69
    assert counts["patients"] == 63
    assert counts["tasks"]["lung"] == {"labelled": 69}
    assert counts["tasks"]["abnormality"]["classes"] == {
        "normal": 40,
        "abnormal": 29,
    }
    assert verify(tmp_path / "out") == []
