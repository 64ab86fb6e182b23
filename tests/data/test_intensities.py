"""What training images look like, and which images are unlike them."""

import json

import numpy as np
import pytest

from umsrep.data import intensities
from umsrep.data.storage import plain

SIZES = {
    "height": [100, 200],
    "width": [100, 240],
    "aspect_ratio": [1.0, 1.2],
}


def picture(seed):
    """Bright at the bottom, with noise; every seed a little different."""
    rng = np.random.default_rng([seed])
    ramp = np.linspace(60, 160 + 2 * rng.normal(), 32)[:, None]
    return (ramp + rng.normal(0, 8, (32, 32))).clip(1, 254).astype(np.uint8)


@pytest.fixture(scope="module")
def known():
    measured = intensities.measure(map(picture, range(30)), SIZES)
    return json.loads(json.dumps(plain(measured)))


def test_images_of_the_same_kind_are_not_warned_of(known):
    for seed in range(30, 60):
        assert intensities.differences(picture(seed), (120, 130), known) == []


def test_statistics_are_those_of_the_images(known):
    means = [picture(seed).mean() for seed in range(30)]
    assert known["images"] == 30
    assert known["mean"]["mean"] == pytest.approx(np.mean(means))
    assert known["mean"]["std"] == pytest.approx(np.std(means))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: (x * 0.5).astype(np.uint8), "mean 5"),
        (lambda x: (110 + (x - 110.0) * 0.2).astype(np.uint8), "contrast"),
        (lambda x: 220 - x, "layout"),
        (lambda x: x[::-1], "layout"),
        (lambda x: np.where(np.arange(32) < 4, 255, x), "white pixels"),
        (lambda x: np.where(np.arange(32) < 4, 0, x), "black pixels"),
    ],
)
def test_what_is_far_away_is_said(known, change, words):
    changed = np.clip(change(picture(99)), 0, 255).astype(np.uint8)
    found = intensities.differences(changed, (120, 130), known)
    assert any(words in text for text in found), found


@pytest.mark.parametrize(
    ("shape", "words"),
    [((100, 160), "width / height 1.60"), ((45, 50), "50 x 45 pixels")],
)
def test_sizes_far_away_are_said(known, shape, words):
    (found,) = intensities.differences(picture(99), shape, known)
    assert words in found


def test_nothing_known_finds_nothing():
    assert intensities.differences(picture(0), (9, 9), None) == []
    assert intensities.measure([]) is None
    unsized = intensities.measure([picture(0), picture(1)])
    assert intensities.differences(picture(2), (9, 99), unsized) == []
