"""Versions of an image, and the mean of their predictions."""

import numpy as np
import pytest

from umsrep.data import TestTimeAugmentation
from umsrep.errors import UmsrepError


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (3, 40, 60, 1)).astype(np.float32)


def test_the_first_version_is_the_image(images):
    for copies in (1, 5):
        one = TestTimeAugmentation(copies).apply(images, 0)
        np.testing.assert_array_equal(one, images)


def test_shifts_are_undone_to_the_bit(images):
    tta = TestTimeAugmentation(8, seed=2)
    moved = 0
    for number in range(tta.copies):
        tta.drawn[number]["gamma"] = 1.0
        version = tta.apply(images, number)
        moved += not np.array_equal(version, images)
        back, shown = tta.undo(version, number)
        shown = np.broadcast_to(shown, images.shape)
        np.testing.assert_array_equal(back[shown], images[shown])
        assert not back[~shown].any()
        assert shown.mean() > 0.9
    assert moved >= 6


def test_an_equivariant_network_gives_the_same_masks(images):
    """One that looks at each pixel alone: the mean is what it says."""
    tta = TestTimeAugmentation(8, seed=1)
    for drawn in tta.drawn:
        drawn["gamma"] = 1.0

    def predict(images):
        return {"mask": images / 255}

    found = tta.mean(predict, images)["mask"]
    np.testing.assert_allclose(found, images / 255, atol=1e-6)


def test_an_invariant_network_gives_the_same_numbers(images):
    """The mean of labels and numbers is over the versions."""
    tta = TestTimeAugmentation(6)
    constant = np.array([[0.2, 0.8]] * 3, np.float32)
    found = tta.mean(lambda images: {"label": constant}, images)["label"]
    np.testing.assert_allclose(found, constant, atol=1e-7)
    seen = []

    def mean_grey(images):
        seen.append(images.mean(axis=(1, 2)))
        return {"grey": seen[-1]}

    found = tta.mean(mean_grey, images)["grey"]
    np.testing.assert_allclose(found, np.mean(seen, axis=0), rtol=1e-6)
    assert len({float(values[0, 0]) for values in seen}) == 6


def test_maps_stay_distributions(images):
    tta = TestTimeAugmentation(5)

    def predict(images):
        return {"gaze": images / images.sum(axis=(1, 2, 3), keepdims=True)}

    found = tta.mean(predict, images, ("gaze",))["gaze"]
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), 1, rtol=1e-5)


def test_it_follows_from_the_seed_and_not_from_the_batch(images):
    one, two, other = (TestTimeAugmentation(4, seed) for seed in (0, 0, 1))
    assert one.get_config() == two.get_config() != other.get_config()
    # More versions begin with the same ones.
    assert TestTimeAugmentation(6).drawn[:4] == one.drawn
    for number in range(4):
        np.testing.assert_array_equal(
            one.apply(images, number)[1:2], one.apply(images[1:2], number)
        )


def test_a_picture_of_another_size(images):
    coarse = np.zeros((3, 10, 15, 2), np.float32)
    tta = TestTimeAugmentation(2)
    with pytest.raises(UmsrepError, match="without test-time augmentation"):
        tta.mean(lambda images: {"cells": coarse}, images)


@pytest.mark.parametrize("copies", [0, -1, 1.5])
def test_bad(copies):
    with pytest.raises(UmsrepError, match="such as 8"):
        TestTimeAugmentation(copies)
