"""Synthetic chest X-rays: what they show, and how they are laid out."""

import collections
import dataclasses
import functools
import json
import re

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from umsrep.errors import UmsrepError
from umsrep.phantoms.chest import drawing, layouts
from umsrep.phantoms.chest.anatomy import Anatomy
from umsrep.phantoms.chest.canvas import Canvas
from umsrep.phantoms.chest.drawing import FINDINGS
from umsrep.phantoms.chest.exposure import KERMANY, MONTGOMERY, SHENZHEN, View
from umsrep.phantoms.chest.layouts import FEWEST

OPACITIES = ("tuberculosis", "bacterial", "viral")
STYLES = (SHENZHEN, MONTGOMERY, KERMANY)
NUMBERS = range(12)
# The image model and the layouts with nothing that hides a finding; what hides
# it has its own tests.
draw_chest = functools.partial(drawing.draw_chest, difficulty="easy")
write_chest = functools.partial(layouts.write_chest, difficulty="easy")


def dice(first, second):
    return 2 * (first & second).sum() / (first.sum() + second.sum())


def body_of(phantom, style, number):
    """The body's outline, from the generator's own parameters."""
    anatomy = Anatomy.draw(
        np.random.default_rng([4, number, 0]), style.child, 0
    )
    view = View.draw(np.random.default_rng([4, number, 1]), style)
    shape = phantom.image.shape
    canvas = Canvas(shape, view.body_to_pixels(shape))
    return canvas.fill(anatomy.body()) > 0.5


# The image model


@pytest.mark.parametrize("finding", FINDINGS)
def test_the_same_arguments_give_the_same_picture(finding):
    first, second = (draw_chest(3, 5, finding, 96) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.finding_mask, second.finding_mask)
    assert first.parameters == second.parameters


def test_index_and_seed_change_the_picture():
    pictures = [
        draw_chest(seed, index, size=96).image.tobytes()
        for seed in range(3)
        for index in range(3)
    ]
    assert len(set(pictures)) == 9


def test_the_picture_size_does_not_change_the_chest():
    small, large = (
        draw_chest(1, 2, "tuberculosis", size) for size in (128, 256)
    )
    for name in ("left_lung", "right_lung", "heart", "finding_mask"):
        halved = getattr(large, name)[::2, ::2]
        assert dice(getattr(small, name), halved) > 0.9, name
    assert (
        small.parameters["finding_strength"]
        == (large.parameters["finding_strength"])
    )


@pytest.mark.parametrize("style", STYLES)
def test_masks_are_disjoint_and_lie_in_body_and_frame(style):
    for number in NUMBERS:
        phantom = draw_chest(4, number, size=96, style=style)
        left, right = phantom.left_lung, phantom.right_lung
        assert not (left & right).any()
        assert not (phantom.lungs & phantom.heart).any()
        assert np.nonzero(left)[1].mean() < np.nonzero(right)[1].mean()
        body = body_of(phantom, style, number)
        everything = phantom.lungs | phantom.heart
        assert not (everything & ~body).any()
        frame = np.ones_like(everything)
        frame[1:-1, 1:-1] = False
        assert not (everything & frame).any()
        assert 0.08 < phantom.lungs.mean() < 0.43


@pytest.mark.parametrize("style", STYLES)
def test_lungs_are_darker_than_the_middle_of_the_chest(style):
    for number in NUMBERS:
        phantom = draw_chest(4, number, size=96, style=style)
        lungs = phantom.image[phantom.lungs].mean()
        assert lungs + 30 < phantom.image[phantom.heart].mean()


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("finding", OPACITIES)
def test_an_opacity_brightens_the_lung_and_nothing_else(finding, style):
    for number in NUMBERS:
        normal = draw_chest(4, number, "normal", 96, style)
        ill = draw_chest(4, number, finding, 96, style)
        mask = ill.finding_mask
        assert mask.sum() > 10
        assert not (mask & ~ill.lungs).any()
        gain = ill.image.astype(float) - normal.image
        assert gain[mask].mean() > 2
        # Blur and local contrast reach over the lungs' rim, not further.
        assert abs(gain[~normal.lungs].mean()) < 0.1 * gain[mask].mean()
        np.testing.assert_array_equal(normal.left_lung, ill.left_lung)


def test_findings_lie_where_the_disease_does():
    """Upper zones, one lobe, or both lungs."""
    for number in NUMBERS:
        tuberculosis = draw_chest(4, number, "tuberculosis", 96)
        rows = np.nonzero(tuberculosis.lungs)[0]
        height = (np.nonzero(tuberculosis.finding_mask)[0] - rows.min()) / (
            np.ptp(rows)
        )
        assert height.mean() < 0.5
        viral = draw_chest(4, number, "viral", 96)
        for side in (viral.left_lung, viral.right_lung):
            assert (viral.finding_mask & side).any()
        bacterial = draw_chest(4, number, "bacterial", 96)
        # A patient's right lung is on the left of the picture.
        right = bacterial.parameters["finding_lobe"].startswith("right")
        other = bacterial.right_lung if right else bacterial.left_lung
        assert not (bacterial.finding_mask & other).any()


def test_conspicuity_varies():
    strengths = [
        draw_chest(4, i, "viral", 48).parameters["finding_strength"]
        for i in range(20)
    ]
    assert max(strengths) > 1.7 * min(strengths)


@pytest.mark.parametrize("style", STYLES)
def test_cardiothoracic_ratio_tells_an_enlarged_heart(style):
    for number in NUMBERS:
        normal = draw_chest(4, number, "normal", 160, style)
        large = draw_chest(4, number, "enlarged_heart", 160, style)
        for phantom, low, high in ((normal, 0, 0.5), (large, 0.55, 1)):
            columns = [
                np.flatnonzero(mask.any(axis=0))
                for mask in (phantom.heart, phantom.lungs)
            ]
            heart, chest = (np.ptp(c) + 1 for c in columns)
            assert low < heart / chest < high
            assert phantom.parameters["cardiothoracic_ratio"] == (
                pytest.approx(heart / chest)
            )
        np.testing.assert_array_equal(large.finding_mask, large.heart)
        assert not normal.finding_mask.any()


def test_the_lead_marker_does_not_depend_on_the_finding():
    drawn = {
        finding: [
            draw_chest(4, 1000 * f + i, finding, 48).parameters["marker"]
            for i in range(60)
        ]
        for f, finding in enumerate(("normal", "tuberculosis"))
    }
    table = [
        [letters.count("L"), letters.count("R")] for letters in drawn.values()
    ]
    assert np.min(table) > 10
    assert stats.chi2_contingency(table).pvalue > 0.01
    same = [draw_chest(4, 7, f, 48).parameters["marker_at"] for f in FINDINGS]
    assert all(place == same[0] for place in same)


def test_a_marker_can_be_asked_for():
    none, left, right = (
        draw_chest(4, 3, size=128, marker=m) for m in ("", "L", "R")
    )
    for phantom, is_left in ((left, True), (right, False)):
        rows, columns = np.nonzero(phantom.image != none.image)
        assert rows.max() < 40
        # "L" stands at the patient's left, the right of the picture.
        assert (columns.mean() > 64) == is_left


def test_pictures_of_one_patient_share_the_anatomy():
    first, second = (draw_chest(4, i, "viral", 96, patient=9) for i in (1, 2))
    fields = [field.name for field in dataclasses.fields(Anatomy)]
    for name in [*fields, "finding_strength"]:
        assert first.parameters[name] == second.parameters[name]
    assert first.parameters["dose"] != second.parameters["dose"]
    assert (first.image != second.image).any()


def test_noise_falls_with_the_square_root_of_the_dose():
    """Quantum noise: 16 times the photons, a quarter of the deviation."""

    def draw(dose):
        style = dataclasses.replace(SHENZHEN, dose=(dose, dose), border=0)
        return draw_chest(4, 3, size=96, style=style)

    silent = draw(1e15)
    noise = [
        (draw(dose).image.astype(float) - silent.image)[silent.lungs].std()
        for dose in (10, 160)
    ]
    assert noise[0] / noise[1] == pytest.approx(4, rel=0.15)


def test_abnormal_is_another_word_for_tuberculosis():
    phantom = draw_chest(1, 1, "abnormal", 48)
    assert phantom.finding == "tuberculosis"


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ({"finding": "flu"}, "Choose one of normal, tuberculosis"),
        ({"size": 20}, "Choose a larger size"),
        ({"size": (64, 64, 3)}, "Choose a larger size"),
        ({"marker": "X"}, "leave it out to have one drawn"),
        ({"seed": -1}, "Give non-negative integers"),
        ({"patient": -1}, "Give non-negative integers"),
    ],
)
def test_bad_arguments_are_explained(arguments, advice):
    with pytest.raises(UmsrepError, match=advice):
        draw_chest(**({"seed": 0, "index": 0} | arguments))


# The file layouts


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """One small folder per layout."""
    folder = tmp_path_factory.mktemp("phantoms")
    for layout, images in (("shenzhen", 28), ("montgomery", 12)):
        write_chest(folder / layout, layout, images, seed=2, size=64)
    write_chest(folder / "kermany", "kermany", 80, seed=2, size=64)
    return folder


def truth(folder):
    return json.loads((folder / "phantom.json").read_text())


def files(folder, pattern):
    return sorted(folder.glob(pattern))


def test_shenzhen_layout(written):
    folder = written / "shenzhen"
    images = files(folder, "ChinaSet_AllFiles/CXR_png/*.png")
    names = [path.stem for path in images]
    assert all(re.fullmatch(r"CHNCXR_\d{4}_[01]", name) for name in names)
    assert [int(name[7:11]) for name in names] == list(range(1, 29))
    labels = [int(name[-1]) for name in names]
    assert labels == sorted(labels)
    assert labels.count(0) == 14
    modes = collections.Counter(Image.open(path).mode for path in images)
    assert set(modes) == {"P", "RGB", "L"}
    masks = files(folder, "mask/mask/*.png")
    assert len(masks) == 24
    for path in masks:
        image = (
            folder
            / "ChinaSet_AllFiles/CXR_png"
            / (path.name.replace("_mask", ""))
        )
        mask = np.asarray(Image.open(path))
        assert set(np.unique(mask)) == {0, 255}
        assert Image.open(image).size == Image.open(path).size
    for path in images:
        reading = folder / f"ChinaSet_AllFiles/ClinicalReadings/{path.stem}.txt"
        first, second = reading.read_text().splitlines()
        assert re.fullmatch(r"(male|femal|female) \d+ ?yrs", first)
        assert (second == "normal") == (path.stem[-1] == "0")


def test_a_palette_image_shows_the_same_picture_as_a_grey_one(written):
    folder = written / "shenzhen"
    seen = set()
    for number, entry in enumerate(truth(folder)["images"]):
        image = Image.open(folder / entry["file"])
        seen.add(image.mode)
        expected = draw_chest(
            2, number, entry["finding"], image.size[::-1]
        ).image
        grey = np.asarray(image.convert("RGB"))[..., 0]
        np.testing.assert_array_equal(grey, expected)
    assert seen == {"P", "RGB", "L"}


def test_montgomery_layout(written):
    folder = written / "montgomery" / "MontgomerySet"
    images = files(folder, "CXR_png/MCUCXR_*.png")
    assert len(images) == 12
    shapes = {Image.open(path).size for path in images}
    assert shapes == {(64, 53), (53, 64)}
    for path in images:
        left, right = (
            Image.open(folder / f"ManualMask/{side}Mask/{path.name}")
            for side in ("left", "right")
        )
        assert left.mode == right.mode == "1"
        assert left.size == right.size == Image.open(path).size
        left, right = np.asarray(left), np.asarray(right)
        assert not (left & right).any()
        assert np.nonzero(left)[1].mean() < np.nonzero(right)[1].mean()
        reading = folder / f"ClinicalReadings/{path.stem}.txt"
        assert re.match(
            r"Patient's Sex: [FM]\nPatient's Age: \d{3}Y\n",
            reading.read_text(),
        )


def test_montgomery_looks_like_another_hospital(written):
    """A domain shift, without a patient in common."""
    means, dark_rows = {}, {}
    for layout in ("shenzhen", "montgomery"):
        folder = written / layout
        drawn = [
            np.asarray(Image.open(folder / entry["file"]).convert("L"))
            for entry in truth(folder)["images"]
        ]
        means[layout] = np.mean([np.median(image) for image in drawn])
        dark_rows[layout] = np.mean([image[-2:].max() < 8 for image in drawn])
    assert means["montgomery"] + 25 < means["shenzhen"]
    assert dark_rows["montgomery"] > dark_rows["shenzhen"]
    widths = [
        {image["parameters"]["half_width"] for image in truth(folder)["images"]}
        for folder in (written / "shenzhen", written / "montgomery")
    ]
    assert not widths[0] & widths[1]


KERMANY_NAMES = {
    "bacterial": r"(person\d+_bacteria)_\d+",
    "viral": r"(person\d+_virus)_\d+",
    "normal": r"((?:NORMAL2-)?IM-\d{4})-0001(?:-\d{4})?",
}


def test_kermany_layout(written):
    folder = written / "kermany"
    images = files(folder, "chest_xray/*/*/*.jpeg")
    assert len(images) == 80
    entries = truth(folder)["images"]
    assert {folder / entry["file"] for entry in entries} == set(images)
    counts = collections.Counter(entry["finding"] for entry in entries)
    assert counts == {"bacterial": 40, "viral": 20, "normal": 20}
    patients = collections.defaultdict(set)
    splits = collections.defaultdict(set)
    classes = collections.defaultdict(set)
    for entry in entries:
        _, split, group, name = entry["file"].split("/")
        pattern = KERMANY_NAMES[entry["finding"]] + r"\.jpeg"
        key = re.fullmatch(pattern, name).group(1)
        assert group == (
            "NORMAL" if entry["finding"] == "normal" else "PNEUMONIA"
        )
        patients[key].add(entry["patient"])
        splits[key].add(split)
        classes[split].add(entry["finding"])
    assert all(len(numbers) == 1 for numbers in patients.values())
    assert len(set.union(*patients.values())) == len(patients) < 80
    assert all(len(names) == 1 for names in splits.values())
    assert len(classes["train"]) == len(classes["test"]) == 3
    tested = len(files(folder, "chest_xray/test/*/*.jpeg"))
    assert 0.08 * 80 <= tested <= 0.16 * 80
    assert {name.split("-")[0] for name in patients if "IM" in name} == {
        "IM",
        "NORMAL2",
    }
    sizes = {Image.open(path).size for path in images}
    assert len(sizes) > 40


def test_kermany_images_of_one_patient_share_the_anatomy(written):
    by_patient = collections.defaultdict(list)
    for entry in truth(written / "kermany")["images"]:
        by_patient[entry["patient"]].append(entry["parameters"])
    repeated = [drawn for drawn in by_patient.values() if len(drawn) > 1]
    assert repeated
    for drawn in repeated:
        assert len({parameters["half_width"] for parameters in drawn}) == 1
        assert len({parameters["dose"] for parameters in drawn}) > 1


def test_the_same_seed_writes_the_same_files(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_chest(tmp_path / name, "montgomery", 2, seed, 64)

    def content(name):
        return [
            path.read_bytes()
            for path in files(tmp_path / name, "**/*.*")
            if path.is_file()
        ]

    assert content("a") == content("b")
    assert content("a") != content("c")


def test_a_small_set_holds_every_class(tmp_path):
    for layout, fewest in FEWEST.items():
        write_chest(tmp_path / layout, layout, fewest, 0, 64)
        drawn = {e["finding"] for e in truth(tmp_path / layout)["images"]}
        two = ("shenzhen", "montgomery")
        assert len(drawn) >= (2 if layout in two else 3)
    for split in ("train", "test"):
        found = files(tmp_path / "kermany", f"chest_xray/{split}/*/*.jpeg")
        assert {path.parent.name for path in found} == {"NORMAL", "PNEUMONIA"}
        assert {"bacteria", "virus"} == {
            path.stem.split("_")[1] for path in found if "person" in path.stem
        }


def test_an_interrupted_set_is_not_left_behind(tmp_path):
    def interrupt():
        raise KeyboardInterrupt("stop here")

    with pytest.raises(KeyboardInterrupt, match="stop here"):
        write_chest(tmp_path / "out", "kermany", 6, 0, 64, interrupt)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_refused(tmp_path):
    note = tmp_path / "out" / "note.txt"
    note.parent.mkdir()
    note.write_text("mine")
    with pytest.raises(UmsrepError, match="Choose a new output folder"):
        write_chest(tmp_path / "out", "kermany", 6, 0, 64)
    assert [path.name for path in note.parent.iterdir()] == ["note.txt"]


@pytest.mark.parametrize(
    ("layout", "images", "seed", "size", "advice"),
    [
        ("padchest", 10, 0, 64, "Choose one of shenzhen, montgomery, kermany"),
        ("shenzhen", 1, 0, 64, "Ask for more"),
        ("kermany", 5, 0, 64, "at least 6"),
        ("shenzhen", 10, 0, 32, "Choose a larger size"),
        ("shenzhen", 10, -1, 64, "Give a non-negative integer"),
    ],
)
def test_bad_sets_are_explained(tmp_path, layout, images, seed, size, advice):
    with pytest.raises(UmsrepError, match=advice):
        write_chest(tmp_path / "out", layout, images, seed, size)
    assert not list(tmp_path.iterdir())
