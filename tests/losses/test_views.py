"""VICReg's equations, and losses on what is hidden or agreed on."""

import numpy as np
import pytest
from tensors import array

from umsrep import losses
from umsrep.errors import UmsrepError


def pairs(one, two):
    return np.stack([one, two], axis=1).reshape(-1, one.shape[-1])


def value(embedded, **weights):
    found = array(losses.VICReg(**weights).call(None, embedded))
    assert found.shape == (len(embedded),)
    assert np.ptp(found) == 0
    return found[0]


@pytest.fixture
def views():
    rng = np.random.default_rng(1)
    one = rng.normal(0, 0.7, (12, 5)).astype("float32")
    return one, (one + rng.normal(0, 0.3, one.shape)).astype("float32")


def test_equals_the_papers_pseudocode(views):
    # Algorithm 1 of Bardes et al. 2022, in NumPy.
    def off_diagonal(matrix):
        return matrix[~np.eye(len(matrix), dtype=bool)]

    expected = 25 * np.mean((views[0] - views[1]) ** 2)
    for view in views:
        std = np.sqrt(view.var(axis=0, ddof=1) + 1e-4)
        expected += 25 * np.mean(np.maximum(0, 1 - std)) / 2
        covariance = np.cov(view.T)
        expected += (off_diagonal(covariance) ** 2).sum() / view.shape[1]
    assert value(pairs(*views)) == pytest.approx(expected, rel=1e-5)


def test_a_collapse_costs_the_variance_alone():
    same = np.full((8, 4), 3.0, "float32")
    # Its standard deviation is the root of 1e-4.
    assert value(same) == pytest.approx(25 * (1 - 0.01), rel=1e-5)
    assert value(same, variance=0.0) == pytest.approx(0, abs=1e-6)


def test_equal_views_of_independent_dimensions_cost_nothing():
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], "float32")
    assert value(pairs(signs, signs)) == pytest.approx(0, abs=1e-6)
    # The same number twice does: covariance is redundancy.
    copied = np.repeat(signs[:, :1], 2, axis=1)
    assert value(pairs(copied, copied)) == pytest.approx(
        2 * (4 / 3) ** 2, rel=1e-5
    )


def test_negative_weights():
    with pytest.raises(UmsrepError, match="such as 25, 25, 1"):
        losses.VICReg(covariance=-1)


def test_visible_pixels_have_no_part_in_the_masked_loss():
    rng = np.random.default_rng(0)
    true = rng.random((3, 6, 6, 1)).astype("float32")
    true[:, :, :3] = -1
    predicted = rng.random((3, 6, 6, 1)).astype("float32")
    loss = losses.MaskedSquaredError()
    expected = ((true - predicted)[:, :, 3:] ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(
        array(loss.call(true, predicted)), expected, rtol=1e-5
    )
    predicted[:, :, :3] += 5
    np.testing.assert_allclose(
        array(loss.call(true, predicted)), expected, rtol=1e-5
    )
    # An image of which nothing is hidden teaches nothing.
    assert (array(loss.call(np.full_like(true, -1), predicted)) == 0).all()


@pytest.mark.parametrize("shape", [(3, 4), (3, 5, 5, 1)])
def test_consistency_is_the_mean_of_squares(shape):
    rng = np.random.default_rng(0)
    one, two = rng.random((2, *shape)).astype("float32")
    found = losses.ConsistencySquaredError().call(one, two)
    expected = ((one - two) ** 2).reshape(3, -1).mean(axis=1)
    np.testing.assert_allclose(array(found), expected, rtol=1e-5)
