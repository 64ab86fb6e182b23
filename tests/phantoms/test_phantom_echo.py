"""Synthetic Doppler strips: what they show."""

import dataclasses

import cv2
import numpy as np
import pytest
from echo_strips import NUMBERS, edge, inside_strip, strips
from scipy import ndimage

from umsrep.errors import UmsrepError
from umsrep.phantoms.echo import FLOWS, draw_strip
from umsrep.phantoms.echo.recording import Quality
from umsrep.phantoms.echo.scene import Scene
from umsrep.phantoms.echo.spectrum import draw_spectrum, folded
from umsrep.phantoms.echo.waves import WAVES

CLEAN = Quality("good", 0.0, (), 0.0, 0.0)


# Picture


@pytest.mark.parametrize("flow", FLOWS)
def test_the_mask_ends_where_the_signal_does(flow):
    """Brightness just inside and just outside the mask's edge."""
    for strip in strips(flow):
        scale = strip.truth["velocity"]
        area = np.zeros(strip.mask.shape, bool)
        area[inside_strip(strip)] = True
        rows = np.arange(strip.mask.shape[0])[:, None]
        speeds = (scale["baseline_row"] - rows) * scale["cm_s_per_pixel"]
        for side in set(WAVES[flow].values()):
            outer = edge(strip, side)
            high = outer > 0.6 * outer.max()
            place = side * speeds / np.maximum(outer, 1e-6)
            inner = strip.image[area & high & (0.8 < place) & (place < 0.95)]
            beyond = strip.image[area & high & (1.15 < place) & (place < 1.3)]
            assert inner.mean() > beyond.mean() + 50


@pytest.mark.parametrize("flow", FLOWS)
def test_the_wall_filter_darkens_the_baseline(flow):
    for number in NUMBERS:
        scene = Scene.draw(7, number, flow, number)
        grey = draw_spectrum(scene, CLEAN, np.random.default_rng([number]))
        recording = scene.recording
        span = recording.highest - recording.lowest
        per_cm_s = grey.shape[0] / span
        zero = recording.highest * per_cm_s
        gap = grey[int(zero - 0.5) : int(zero - 0.5) + 2].mean()
        width = max(2, 2.5 * recording.wall_filter * per_cm_s)
        beside = grey[int(zero - width) - 1 : int(zero - width) + 1].mean()
        assert gap < beside


@pytest.mark.parametrize("flow", FLOWS)
def test_the_same_arguments_give_the_same_strip(flow):
    first, second = (draw_strip(3, 5, flow, 96, "low") for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.mask, second.mask)
    assert first.truth == second.truth
    assert first.parameters == second.parameters
    pictures = {
        draw_strip(seed, index, flow, 96).image.tobytes()
        for seed in range(3)
        for index in range(3)
    }
    assert len(pictures) == 9


@pytest.mark.parametrize("flow", FLOWS)
def test_the_picture_size_does_not_change_the_strip(flow):
    small, large = (draw_strip(1, 2, flow, size) for size in (128, 256))
    assert small.truth["measurements"] == large.truth["measurements"]
    assert small.parameters == large.parameters
    shape = small.mask.shape[::-1]
    halved = cv2.resize(large.mask.astype(np.float32), shape) > 0.5
    common = 2 * (halved & small.mask).sum()
    assert common / (halved.sum() + small.mask.sum()) > 0.93
    blurred = [
        cv2.GaussianBlur(cv2.resize(s.image, shape), (0, 0), 4).astype(float)
        for s in (small, large)
    ]
    assert np.corrcoef(*(picture.ravel() for picture in blurred))[0, 1] > 0.95


# Aliasing


def test_aliasing_takes_speeds_beyond_the_scale_to_the_other_side():
    power = np.zeros((30, 4))
    power[12, 0] = 1.0  # inside
    power[8, 1] = 2.0  # two bins above the strip
    power[21, 2] = 3.0  # one bin below it
    wrapped = folded(power, 3)
    assert wrapped.shape == (10, 4)
    assert wrapped.sum() == power.sum()
    assert wrapped[2, 0] == 1.0
    assert wrapped[8, 1] == 2.0  # near the lower edge
    assert wrapped[1, 2] == 3.0  # near the upper edge


@pytest.mark.parametrize(("flow", "side"), [("MV", 1), ("MA", -1)])
def test_an_aliased_tip_is_seen_at_the_opposite_edge(flow, side):
    found = strips(flow, aliased=True)
    assert found
    for strip in found:
        rows, columns = inside_strip(strip)
        picture, mask = strip.image[rows, columns], strip.mask[rows, columns]
        near, far = (0, -1) if side == 1 else (-1, 0)
        tips = mask[near]
        assert tips.any()
        # The mask keeps to the true side of the baseline.
        assert not mask[far].any()
        other = slice(-4, None) if side == 1 else slice(0, 4)
        edge_band = picture[other].astype(float).mean(axis=0)
        tips = ndimage.binary_erosion(tips, iterations=1)
        away = ~ndimage.binary_dilation(mask[near], iterations=6)
        if tips.any():
            assert edge_band[tips].mean() > edge_band[away].mean() + 40


def test_aliasing_is_rare_and_of_pulsed_wave_only():
    share = {
        flow: np.mean([Scene.draw(5, n, flow, n).aliased for n in range(200)])
        for flow in FLOWS
    }
    assert share["TR"] == 0
    assert 0.04 < share["MV"] < 0.18
    assert 0.04 < share["MA"] < 0.18


# Quality


def contrast(grey, mask):
    return float(grey[mask].mean() - grey[~mask].mean())


@pytest.mark.parametrize("flow", FLOWS)
def test_low_quality_lowers_contrast_and_leaves_the_truth(flow):
    for number in NUMBERS:
        good, low = (
            draw_strip(9, number, flow, 128, quality)
            for quality in ("good", "low")
        )
        assert good.truth == low.truth
        np.testing.assert_array_equal(good.mask, low.mask)
        place = inside_strip(good)
        first, second = (
            contrast(strip.image[place], strip.mask[place])
            for strip in (good, low)
        )
        outside = [
            strip.image[place][~strip.mask[place]].mean()
            for strip in (good, low)
        ]
        # Too much gain keeps the difference and brightens the background.
        saturated = low.parameters["quality"]["gain"] > 8
        assert second < first - 5 or (
            saturated and outside[1] > outside[0] + 60
        )


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize(
    "fault",
    [
        {"gain": -15.0},
        {"dropout": ((0.1, 0.15, 20.0), (0.4, 0.15, 20.0), (0.7, 0.1, 20.0))},
        {"incomplete": 0.4},
        {"noise": 12.0},
    ],
    ids=["faint", "dropout", "incomplete", "noise"],
)
def test_each_fault_lowers_contrast_by_itself(flow, fault):
    for number in range(4):
        scene = Scene.draw(9, number, flow, number)
        strip = draw_strip(9, number, flow)
        mask = strip.mask[inside_strip(strip)].astype(np.uint8)
        values = []
        for quality in (CLEAN, dataclasses.replace(CLEAN, **fault)):
            grey = draw_spectrum(scene, quality, np.random.default_rng([1]))
            on_grid = cv2.resize(mask, grey.shape[::-1]) > 0
            values.append(contrast(grey, on_grid))
        assert values[1] < 0.97 * values[0]


@pytest.mark.parametrize("flow", FLOWS)
def test_too_much_gain_saturates_and_brightens_the_background(flow):
    for number in range(4):
        scene = Scene.draw(9, number, flow, number)
        first, second = (
            draw_spectrum(scene, quality, np.random.default_rng([1]))
            for quality in (CLEAN, dataclasses.replace(CLEAN, gain=17.0))
        )
        assert (second == 1).mean() > (first == 1).mean() + 0.05
        assert np.median(second) > np.median(first) + 0.25


def test_low_quality_has_a_fault_that_good_has_not():
    for number in range(200):
        rng = np.random.default_rng([number])
        good, low = (Quality.draw(rng, label) for label in ("good", "low"))
        assert abs(good.gain) <= 3
        assert good.noise <= 3
        assert not good.dropout
        assert not good.incomplete
        faults = [
            abs(low.gain) > 8,
            bool(low.dropout),
            low.incomplete > 0,
            low.noise > 8,
        ]
        assert 1 <= sum(faults) <= 3


# Arguments


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ({"flow": "AV"}, "Choose one of MV, MA, TR"),
        ({"quality": "fair"}, "Choose one of good, low"),
        ({"seed": -1}, "Give non-negative integers"),
        ({"patient": -1}, "Give non-negative integers"),
        ({"size": 63}, "Choose a larger size"),
    ],
)
def test_bad_arguments_are_explained(arguments, advice):
    with pytest.raises(UmsrepError, match=advice):
        draw_strip(**({"seed": 0, "index": 0, "flow": "MV"} | arguments))
