"""Difficulty of synthetic chest X-rays: each part does what it says."""

import collections
import dataclasses
import itertools
import json

import cv2
import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from umsrep.errors import UmsrepError
from umsrep.phantoms import (
    FINDINGS,
    LEVELS,
    Difficulty,
    draw_chest,
    draw_scanpath,
    write_chest,
)
from umsrep.phantoms.chest import egd
from umsrep.phantoms.chest.devices import confounders
from umsrep.phantoms.chest.difficulty import difficulty_of, name_of
from umsrep.phantoms.chest.labels import drawn_findings
from umsrep.phantoms.chest.readers import Reader

EASY = LEVELS["easy"]
NUMBERS = range(16)


def only(**parts):
    """The level "easy" but for these parts."""
    return dataclasses.replace(EASY, **parts)


def draw(number, finding, difficulty, size=64):
    return draw_chest(4, number, finding, size, difficulty=difficulty)


def truth(folder):
    return json.loads((folder / "phantom.json").read_text())


# Levels


def test_every_part_is_harder_from_level_to_level():
    for easier, harder in itertools.pairwise(LEVELS.values()):
        assert easier.contrast > harder.contrast
        for part in ("overlap", "devices", "reader_noise", "label_noise"):
            assert getattr(easier, part) < getattr(harder, part)
        # It would tell the classes apart, so it is never there unasked.
        assert easier.confounding == harder.confounding == 0


def test_the_default_is_usual(tmp_path):
    assert Difficulty() == LEVELS["usual"]
    write_chest(tmp_path / "set", "montgomery", 2, seed=0, size=64)
    written = truth(tmp_path / "set")["difficulty"]
    assert written == {"level": "usual", **dataclasses.asdict(Difficulty())}
    np.testing.assert_array_equal(
        draw_chest(0, 0, size=64).image,
        draw_chest(0, 0, size=64, difficulty="usual").image,
    )


def test_a_level_with_changes_is_custom():
    changed = difficulty_of("hard", contrast=0.5, overlap=None)
    assert changed == dataclasses.replace(LEVELS["hard"], contrast=0.5)
    assert name_of(changed) == "custom"
    assert [name_of(level) for level in LEVELS.values()] == [*LEVELS]


def test_findings_fade_from_level_to_level():
    """Grey values that the same chest gains with an opacity."""
    gains = []
    for level in LEVELS:
        of_level = []
        for number in NUMBERS:
            normal, ill = (draw(number, f, level) for f in ("normal", "viral"))
            gain = ill.image.astype(float) - normal.image
            of_level.append(gain[ill.finding_mask].mean())
        gains.append(np.mean(of_level))
    assert gains[0] > 1.15 * gains[1] > 1.15**2 * gains[2]


def unevenness(phantom):
    """Standard deviation of the blurred lungs: an opacity makes it larger."""
    blurred = cv2.GaussianBlur(phantom.image.astype(np.float32), (0, 0), 3)
    inside = cv2.erode(phantom.lungs.astype(np.uint8), np.ones((5, 5))) > 0
    return blurred[inside].std()


def test_a_simple_probe_tells_less_from_level_to_level():
    labels = np.repeat([0, 1], 30)
    auc = []
    for level in LEVELS:
        chests = [
            draw(i, ("normal", "bacterial")[label], level, 96)
            for i, label in enumerate(labels)
        ]
        auc.append(roc_auc_score(labels, [unevenness(c) for c in chests]))
    assert auc[0] > 0.97
    assert auc[2] < auc[0] - 0.08
    assert auc[2] <= auc[1] <= auc[0]


@pytest.mark.parametrize("level", LEVELS)
def test_the_same_arguments_give_the_same_picture(level):
    first, second = (draw(5, "viral", level) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    assert first.parameters == second.parameters


def test_easy_chests_have_nothing_but_their_finding():
    for number in NUMBERS:
        chest = draw(number, "viral", "easy", 48)
        assert chest.parameters["devices"] == []
        assert chest.parameters["variant_granulomas"] == 0
        assert not chest.variant_mask.any()


# Overlap of the classes


@pytest.mark.parametrize("level", ["usual", "hard"])
def test_what_looks_like_disease_says_nothing_of_the_class(level):
    """The same chest has the same variants, marker and devices."""
    for number in NUMBERS:
        drawn = [draw(number, f, level, 48).parameters for f in FINDINGS]
        names = {n for one in drawn for n in one if n.startswith("variant")}
        for name in (*names, "devices", "marker", "marker_at"):
            assert all(one.get(name) == drawn[0].get(name) for one in drawn)


def test_variants_grow_with_overlap():
    shares = []
    for overlap in (0.2, 0.9):
        chests = [
            draw(i, "normal", only(overlap=overlap), 48) for i in range(30)
        ]
        shares.append(np.mean([c.variant_mask.sum() for c in chests]))
        # A scar is no finding.
        assert not any(c.finding_mask.any() for c in chests)
    assert 0 < 2 * shares[0] < shares[1]


def test_hearts_of_both_classes_meet_with_overlap():
    labels = np.repeat([0, 1], 30)
    auc = []
    for overlap in (0, 0.5, 1):
        ratios = [
            draw(
                i,
                ("normal", "enlarged_heart")[label],
                only(overlap=overlap),
                48,
            ).parameters["cardiothoracic_ratio"]
            for i, label in enumerate(labels)
        ]
        auc.append(roc_auc_score(labels, ratios))
    assert auc[0] == 1
    assert auc[1] > auc[2]
    assert 0.6 < auc[2] < 0.9


def test_contrast_multiplies_the_strength_of_an_opacity():
    whole, half = (
        draw(3, "viral", only(contrast=c)).parameters["finding_strength"]
        for c in (1.0, 0.5)
    )
    assert half == pytest.approx(whole / 2)


# Confounders


def worn(abnormal, difficulty, count=3000):
    """How many of `count` chests have a marker R, and devices."""
    rng = np.random.default_rng(abnormal)
    drawn = [confounders(abnormal, difficulty, rng) for _ in range(count)]
    return [
        sum(marker == "R" for marker, _ in drawn),
        sum(bool(devices) for _, devices in drawn),
    ]


def test_devices_are_as_frequent_as_asked():
    for share in (0, 0.4, 1):
        _, devices = worn(False, only(devices=share))
        assert devices / 3000 == pytest.approx(share, abs=0.03)


def test_the_class_decides_no_confounder_by_default():
    sets = [worn(abnormal, LEVELS["hard"]) for abnormal in (False, True)]
    assert sets[0][0] == sets[1][0] == 0  # the style draws the marker
    table = [[devices, 3000 - devices] for _, devices in sets]
    assert stats.chi2_contingency(table).pvalue > 0.01


@pytest.mark.parametrize("confounding", [0.5, -0.5])
def test_confounders_tell_as_much_as_asked(confounding):
    difficulty = only(devices=0.4, confounding=confounding)
    normal, abnormal = (worn(kind, difficulty) for kind in (False, True))
    assert (abnormal[1] - normal[1]) / 3000 == pytest.approx(
        confounding, abs=0.05
    )
    assert (abnormal[0] - normal[0]) / 3000 == pytest.approx(
        confounding, abs=0.05
    )


def test_confounders_are_drawn():
    """Wholly confounded: devices and "R" in abnormal chests alone."""
    difficulty = only(confounding=1.0)
    for number in NUMBERS:
        normal, ill = (draw(number, f, difficulty) for f in ("normal", "viral"))
        assert (normal.parameters["marker"], ill.parameters["marker"]) == (
            *("L", "R"),
        )
        assert normal.parameters["devices"] == []
        bare = draw(number, "viral", EASY)
        for device in ill.parameters["devices"]:
            assert device in ("ecg_leads", "central_line", "pacemaker")
        assert (ill.image.astype(int) - bare.image).max() > 10
    asked = draw_chest(4, 0, "viral", 64, marker="", difficulty=difficulty)
    assert asked.parameters["marker"] == ""


# Labels


CLASSES = {"normal": ("normal",), "heart": ("large",), "opaque": ("a", "b")}
PLANNED = ["normal", "large", "a", "b"] * 500


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_as_many_labels_are_wrong_as_asked(share):
    rng = np.random.default_rng(0)
    drawn = drawn_findings(PLANNED, CLASSES, share, rng)
    class_of = {f: name for name, found in CLASSES.items() for f in found}
    pairs = [
        (class_of[a], class_of[b])
        for a, b in zip(PLANNED, drawn, strict=True)
        if class_of[a] != class_of[b]
    ]
    assert len(pairs) / len(PLANNED) == pytest.approx(share, abs=0.03)
    if not share:
        assert drawn == PLANNED
        return
    # Each other class is equally likely.
    into = collections.Counter(b for a, b in pairs if a == "normal")
    assert stats.chisquare([*into.values()]).pvalue > 0.01


@pytest.mark.parametrize("layout", ["shenzhen", "kermany", "egd-cxr", "rsna"])
def test_the_truth_beside_wrong_labels_is_kept(layout, tmp_path):
    folder = tmp_path / "set"
    noisy = only(label_noise=0.5)
    write_chest(folder, layout, 24, 0, 64, difficulty=noisy)
    written = truth(folder)
    assert written["difficulty"]["level"] == "custom"
    assert written["difficulty"]["label_noise"] == 0.5
    wrong = [e["label"] != e["true_label"] for e in written["images"]]
    assert 0.2 < np.mean(wrong) < 0.8
    write_chest(tmp_path / "easy", layout, 24, 0, 64, difficulty="easy")
    right = truth(tmp_path / "easy")["images"]
    assert all(e["label"] == e["true_label"] for e in right)
    # Names, patients and labels of the files are as without noise.
    for name in ("file", "patient", "label"):
        assert [e[name] for e in written["images"]] == [e[name] for e in right]
    of_finding = {e["finding"]: e["true_label"] for e in right}
    assert all(
        of_finding[e["finding"]] == e["true_label"] for e in written["images"]
    )


def test_a_box_around_nothing_lies_in_a_lung(tmp_path):
    noisy = only(label_noise=0.5)
    write_chest(tmp_path / "set", "rsna", 24, 0, 64, difficulty=noisy)
    entries = truth(tmp_path / "set")["images"]
    opaque = [e for e in entries if e["label"] == "Lung Opacity"]
    assert any(e["true_label"] != e["label"] for e in opaque)
    assert all(bool(e["boxes"]) == (e in opaque) for e in entries)
    for entry in opaque:
        for x1, y1, x2, y2 in entry["boxes"]:
            assert 0 <= x1 < x2 <= 64
            assert 0 <= y1 < y2 <= 64


# Readers


def seen(chest, number, reader, noise):
    """Map of the samples, as two readers' maps are compared."""
    path = draw_scanpath(chest, 4, number, reader=reader, reader_noise=noise)
    place = path.samples.dropna()
    height, width = chest.image.shape
    edges = np.arange(height + 1), np.arange(width + 1)
    counted = np.histogram2d(place["y"], place["x"], edges)[0]
    return cv2.GaussianBlur(counted, (0, 0), 0.06 * width)


def agreement(noise):
    """Mean correlation of two readers' maps of the same pictures."""
    found = []
    for number in NUMBERS:
        chest = draw(number, "bacterial", EASY)
        maps = [seen(chest, number, reader, noise) for reader in (0, 1)]
        found.append(np.corrcoef(*(m.ravel() for m in maps))[0, 1])
    return np.mean(found)


def test_readers_agree_less_with_more_noise():
    values = [agreement(noise) for noise in (0.0, 0.4, 1.0)]
    assert values[0] < 1
    assert values[0] > values[1] + 0.01
    assert values[1] > values[2] + 0.01


def test_without_noise_all_readers_follow_the_rule():
    readers = [Reader.draw(3, number, 0.0) for number in range(4)]
    assert set(readers) == {Reader()}
    assert len({Reader.draw(3, number, 0.5) for number in range(4)}) == 4
    for number in NUMBERS:
        chest = draw(number, "bacterial", EASY)
        looked = draw_scanpath(chest, 4, number, reader_noise=0.0).fixations
        assert (looked["target"] == "finding").any()
        assert not (looked["target"] == "suspected").any()


def test_noise_overlooks_findings_and_dwells_on_nothing():
    overlooked, doubted = 0, 0
    for number in range(60):
        chest = draw(number % 8, "bacterial", only(contrast=0.3))
        path = draw_scanpath(chest, 4, number, reader_noise=1.0)
        targets = set(path.fixations["target"])
        overlooked += "finding" not in targets
        doubted += "suspected" in targets
    assert 0.2 < overlooked / 60 < 0.8
    assert doubted / 60 > 0.8
    healthy = draw(1, "normal", only(overlap=1.0))
    path = draw_scanpath(healthy, 4, 1, reader_noise=1.0)
    assert (path.fixations["target"] == "suspected").any()


def test_readers_take_turns_by_session(tmp_path, monkeypatch):
    monkeypatch.setattr(egd, "IMAGES_PER_SESSION", 2)
    readers = {}
    for level in ("easy", "usual"):
        write_chest(tmp_path / level, "egd-cxr", 10, 0, 64, difficulty=level)
        entries = truth(tmp_path / level)["images"]
        readers[level] = [entry["reader"] for entry in entries]
    assert readers["easy"] == [0] * 10
    assert readers["usual"] == [0, 0, 1, 1, 2, 2, 3, 3, 0, 0]


# Arguments


@pytest.mark.parametrize(
    ("parts", "advice"),
    [
        ({"contrast": 0}, "contrast=0; expected a number from above 0 to 1"),
        ({"contrast": 1.5}, "Give one in this range"),
        ({"overlap": -0.1}, "overlap=-0.1; expected a number from 0 to 1"),
        ({"devices": "many"}, "devices='many'; expected a number"),
        ({"confounding": -2}, "expected a number from -1 to 1"),
        ({"reader_noise": np.nan}, "leave it out for the level's own"),
        ({"label_noise": 0.6}, "expected a number from 0 to 0.5"),
    ],
)
def test_bad_parts_are_explained(parts, advice):
    with pytest.raises(UmsrepError, match=advice):
        Difficulty(**parts)


def test_an_unknown_level_lists_those_there_are(tmp_path):
    with pytest.raises(UmsrepError, match="Choose one of easy, usual, hard"):
        draw_chest(0, 0, size=64, difficulty="brutal")
    with pytest.raises(UmsrepError, match="Choose one of easy, usual, hard"):
        write_chest(tmp_path / "out", "rsna", 6, 0, 64, difficulty="brutal")
    assert not list(tmp_path.iterdir())


def test_a_bad_reader_is_explained():
    chest = draw(0, "normal", EASY)
    with pytest.raises(UmsrepError, match="reader_noise=1.5; expected"):
        draw_scanpath(chest, 0, 0, reader_noise=1.5)
    with pytest.raises(UmsrepError, match="Give finite numbers of at least 0"):
        draw_scanpath(chest, 0, 0, reader=-1)
