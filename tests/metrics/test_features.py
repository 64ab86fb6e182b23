import numpy as np
import pytest

from umsrep.metrics.features import effective_rank, spread


def test_equal_features_have_no_spread_and_one_direction():
    same = np.ones((10, 6)) * np.arange(6)
    assert spread(same) == pytest.approx(0, abs=1e-12)
    assert effective_rank(same) == 1
    # Nor do features that differ in length alone: direction is what counts.
    assert spread(same * np.arange(1, 11)[:, None]) < 1e-12


def test_even_directions_have_a_spread_of_one():
    features = np.random.default_rng(0).normal(size=(4000, 8))
    assert spread(features) == pytest.approx(1, abs=0.02)
    assert effective_rank(features) == pytest.approx(8, abs=0.05)


@pytest.mark.parametrize("rank", [1, 3])
def test_rank_counts_directions_and_not_their_offset(rank):
    rng = np.random.default_rng(1)
    axes = np.linalg.qr(rng.normal(size=(10, rank)))[0]
    features = rng.normal(size=(5000, rank)) @ axes.T + 100
    assert effective_rank(features) == pytest.approx(rank, abs=0.01)
