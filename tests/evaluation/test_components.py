import numpy as np
import pytest
from skimage.measure import label

from umsrep.errors import UmsrepError
from umsrep.evaluation.components import clean, keep_largest


def specks(seed, count=12, size=40):
    """A map of random discs, as float16 probabilities."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    result = np.full((size, size), 0.1, np.float16)
    for _ in range(count):
        cy, cx = rng.integers(0, size, 2)
        near = (y - cy) ** 2 + (x - cx) ** 2 <= rng.integers(1, 16)
        result[near] = 0.9
    return result


@pytest.mark.parametrize("count", [1, 2, 3])
def test_keeps_the_largest_and_nothing_else(count):
    maps = np.stack([specks(seed) for seed in range(20)])
    kept = keep_largest(maps, count)
    for before, after in zip(maps, kept, strict=True):
        found = label(before > 0.5, connectivity=2)
        areas = np.sort(np.bincount(found.ravel())[1:])[::-1]
        remaining = label(after > 0.5, connectivity=2)
        np.testing.assert_array_equal(
            np.sort(np.bincount(remaining.ravel())[1:])[::-1], areas[:count]
        )
        np.testing.assert_array_equal(after[after > 0.5], before[after > 0.5])
    assert kept.dtype == maps.dtype


def test_touching_corners_are_one_component():
    one = np.zeros((1, 6, 6))
    one[0, 0, 0] = one[0, 1, 1] = one[0, 5, 5] = 1
    assert keep_largest(one, 1).sum() == 2


def test_the_input_is_left_alone_and_few_components_stay():
    maps = specks(0, count=1)[None]
    before = maps.copy()
    np.testing.assert_array_equal(keep_largest(maps, 2), before)
    maps = specks(0)[None]
    before = maps.copy()
    keep_largest(maps, 1)
    np.testing.assert_array_equal(maps, before)


def test_clean_touches_the_named_task_only():
    outputs = {
        "lung": specks(1)[None],
        "heart": specks(2)[None],
        "finding": np.ones((1, 2)),
    }
    result = clean(outputs, {"lung": 1})
    assert result["heart"] is outputs["heart"]
    assert (result["lung"] != outputs["lung"]).any()
    assert clean(outputs, None) == outputs


@pytest.mark.parametrize("task", ["finding", "liver"])
def test_clean_of_no_mask_task(task):
    outputs = {"lung": specks(1)[None], "finding": np.ones((1, 2))}
    with pytest.raises(UmsrepError, match="Its mask tasks: lung"):
        clean(outputs, {task: 1})


@pytest.mark.parametrize("count", [0, 1.5])
def test_bad_count(count):
    with pytest.raises(UmsrepError, match="such as 2 for a pair of lungs"):
        keep_largest(specks(0)[None], count)
