"""Synthetic scan paths: reproducible, consistent, drawn by the finding."""

import functools

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from umsrep.errors import UmsrepError
from umsrep.phantoms import draw_chest
from umsrep.phantoms.chest import gaze

NUMBERS = range(30)
SIZE = (96, 80)
# The rule that all readers follow; how they differ has its own tests.
draw_scanpath = functools.partial(gaze.draw_scanpath, reader_noise=0.0)


def counts(phantom, scanpath):
    """Valid samples per pixel, those outside dropped."""
    seen = scanpath.samples.dropna()
    height, width = phantom.image.shape
    edges = np.arange(height + 1), np.arange(width + 1)
    return np.histogram2d(seen["y"], seen["x"], edges)[0]


@pytest.fixture(scope="module")
def read():
    """{finding: [(phantom, scan path)]}."""
    drawn = {}
    for finding in ("normal", "bacterial", "viral", "enlarged_heart"):
        chests = [
            draw_chest(7, i, finding, SIZE, difficulty="easy") for i in NUMBERS
        ]
        drawn[finding] = [
            (chest, draw_scanpath(chest, 7, i))
            for i, chest in enumerate(chests)
        ]
    return drawn


@pytest.fixture(scope="module")
def everything(read):
    return [pair for pairs in read.values() for pair in pairs]


def test_the_same_arguments_give_the_same_gaze():
    chest = draw_chest(1, 2, "viral", SIZE)
    first, second = (draw_scanpath(chest, 1, 2) for _ in range(2))
    for name in ("fixations", "samples"):
        assert getattr(first, name).equals(getattr(second, name))
    paths = {
        tuple(draw_scanpath(chest, seed, index).fixations["x"])
        for seed in range(3)
        for index in range(3)
    }
    assert len(paths) == 9


def test_the_picture_size_does_not_change_where_is_looked():
    places = []
    for size in (128, 256):
        chest = draw_chest(1, 2, "viral", size)
        table = draw_scanpath(chest, 1, 2, noise=0).fixations
        places.append(table[["x", "y"]].to_numpy() / size)
    assert places[0].shape == places[1].shape
    distance = np.hypot(*(places[0] - places[1]).T)
    assert np.median(distance) < 0.01


def test_as_many_fixations_of_such_durations_as_a_reader_makes(everything):
    tables = [path.fixations for _, path in everything]
    assert all(20 <= len(table) <= 50 for table in tables)
    durations = np.concatenate([table["duration_ms"] for table in tables])
    usual = (durations > 150) & (durations < 600)
    assert usual.mean() > 0.85
    # The logarithm is symmetric: the mean exceeds the median.
    assert durations.mean() > np.median(durations)


def test_fixations_follow_each_other(everything):
    for _, path in everything:
        table = path.fixations
        end = table["start_ms"] + table["duration_ms"]
        gap = table["start_ms"].to_numpy()[1:] - end.to_numpy()[:-1]
        assert gap.min() >= 21
        assert table["start_ms"].iloc[0] == 0


def test_samples_are_those_of_the_fixations(everything):
    for chest, path in everything[::8]:
        samples, table = path.samples, path.fixations
        step = np.diff(samples["time_ms"])
        np.testing.assert_allclose(step, 1000 / 60)
        groups = samples[samples["fixation"] >= 0].groupby("fixation")
        expected = table["duration_ms"] * 60 / 1000
        assert np.abs(groups.size() - expected).max() <= 1
        mean = groups[["x", "y"]].mean() - table[["x", "y"]]
        # Jitter of 0.6 % of the picture, over at least six samples.
        assert np.abs(mean).to_numpy().max() < 0.015 * max(chest.image.shape)


def test_without_noise_samples_rest_in_fixations_and_move_between():
    chest = draw_chest(1, 2, "normal", SIZE)
    path = draw_scanpath(chest, 1, 2, noise=0)
    samples, points = path.samples, path.fixations[["x", "y"]].to_numpy()
    resting = samples[samples["fixation"] >= 0]
    np.testing.assert_allclose(
        resting[["x", "y"]], points[resting["fixation"]], rtol=1e-12
    )
    moving = samples[(samples["fixation"] < 0) & samples["valid"]]
    assert len(moving) > 10
    last = np.searchsorted(path.fixations["start_ms"], moving["time_ms"]) - 1
    start, end = points[last], points[last + 1]
    place = moving[["x", "y"]].to_numpy()
    detour = np.hypot(*(place - start).T) + np.hypot(*(end - place).T)
    np.testing.assert_allclose(detour, np.hypot(*(end - start).T))


def test_some_samples_are_invalid_and_some_outside(everything):
    invalid, outside = [], []
    for chest, path in everything:
        samples = path.samples
        assert (samples["x"].isna() == ~samples["valid"]).all()
        assert (samples["fixation"][~samples["valid"]] == -1).all()
        height, width = chest.image.shape
        seen = samples.dropna()
        invalid.append(1 - len(seen) / len(samples))
        inside = seen["x"].between(0, width) & seen["y"].between(0, height)
        outside.append(1 - inside.mean())
    for share in (invalid, outside):
        assert 0.002 < np.mean(share) < 0.1
        assert min(share) == 0


def test_both_lungs_heart_and_mediastinum_are_looked_at(everything):
    wanted = {"left_lung", "right_lung", "heart", "mediastinum"}
    for _, path in everything:
        assert wanted <= set(path.fixations["target"])


def density(chest, path):
    """Samples per pixel inside the finding over those outside."""
    drawn, mask = counts(chest, path), chest.finding_mask
    return drawn[mask].mean() / drawn[~mask].mean()


@pytest.mark.parametrize("finding", ["bacterial", "viral", "enlarged_heart"])
def test_gaze_is_denser_on_the_finding(read, finding):
    """Three times as dense as elsewhere; a reader without knowledge less."""
    ratio = [density(*pair) for pair in read[finding]]
    assert np.mean(ratio) > 3
    unaware = [
        density(chest, draw_scanpath(chest, 7, i, attraction=0))
        for i, (chest, _) in enumerate(read[finding])
    ]
    assert np.mean(ratio) > 1.3 * np.mean(unaware)
    keen = [
        density(chest, draw_scanpath(chest, 7, i, attraction=2))
        for i, (chest, _) in enumerate(read[finding])
    ]
    assert np.mean(keen) > np.mean(ratio)


def test_dwell_on_the_finding_is_longer_and_grows_with_its_strength(read):
    pairs = read["bacterial"] + read["viral"]
    dwell, strength, there, elsewhere = [], [], [], []
    for chest, path in pairs:
        table = path.fixations
        on = table["target"] == "finding"
        dwell.append(table["duration_ms"][on].sum())
        strength.append(chest.parameters["finding_strength"])
        there += [*table["duration_ms"][on]]
        elsewhere += [*table["duration_ms"][~on]]
    assert np.median(there) > 1.3 * np.median(elsewhere)
    assert stats.spearmanr(dwell, strength).statistic > 0.4


def test_class_can_be_told_from_gaze_but_not_surely(read):
    """The share of gaze on the heart, for an enlarged one or a normal one."""
    shares = {}
    for finding in ("normal", "enlarged_heart"):
        shares[finding] = [
            (drawn := counts(*pair))[pair[0].heart].sum() / drawn.sum()
            for pair in read[finding]
        ]
    labels = np.repeat([0, 1], len(NUMBERS))
    auc = roc_auc_score(labels, sum(shares.values(), []))
    assert 0.65 < auc < 0.98


def test_normal_chest_has_nothing_to_return_to(read):
    for _, path in read["normal"]:
        assert "finding" not in set(path.fixations["target"])


@pytest.mark.parametrize(
    "arguments",
    [{"seed": -1}, {"index": -1}, {"attraction": -1}, {"noise": np.inf}],
)
def test_bad_arguments_are_explained(arguments):
    chest = draw_chest(0, 0, size=64)
    with pytest.raises(UmsrepError, match="Give finite numbers of at least 0"):
        draw_scanpath(chest, **({"seed": 0, "index": 0} | arguments))
