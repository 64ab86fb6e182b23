import numpy as np
import pytest
from scipy import stats

from umsrep.errors import UmsrepError
from umsrep.evaluation import bootstrap


def test_resamples_are_of_whole_patients():
    patients = ["b", "a", "a", "c", "c", "c"]
    weights = np.concatenate(list(bootstrap.patient_weights(patients, 500)))
    assert weights.shape == (500, 6)
    assert (weights[:, 1] == weights[:, 2]).all()
    assert (weights[:, [3]] == weights[:, 3:]).all()
    assert (weights[:, [0, 1, 3]].sum(1) == 3).all()
    assert weights.mean() == pytest.approx(1, abs=0.05)


def test_equal_seeds_and_any_block_size_give_equal_resamples(monkeypatch):
    patients = np.arange(20) // 2
    whole = np.concatenate(list(bootstrap.patient_weights(patients, 50, 7)))
    monkeypatch.setattr(bootstrap, "_CELLS", 60)
    blocks = list(bootstrap.patient_weights(patients, 50, 7))
    assert len(blocks) > 10
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    other = np.concatenate(list(bootstrap.patient_weights(patients, 50, 8)))
    assert (other != whole).any()


def test_jackknife_leaves_out_each_patient(monkeypatch):
    index, values = np.array([0, 1, 1, 2]), np.array([1.0, 2, 3, 4])
    found = bootstrap.jackknife(lambda w: w @ values, index)
    np.testing.assert_array_equal(found, [9, 5, 6])
    monkeypatch.setattr(bootstrap, "_CELLS", 4)
    np.testing.assert_array_equal(
        bootstrap.jackknife(lambda w: w @ values, index), found
    )


def test_bca_is_scipys():
    values = np.random.default_rng([3]).gamma(1.5, size=40)

    def variance(weights):
        if weights is None:
            weights = np.ones(40)
        mean = weights @ values / weights.sum(-1)
        return weights @ values**2 / weights.sum(-1) - mean**2

    found = bootstrap.bca(variance, range(40), 5000)
    expected = stats.bootstrap(
        (values,), np.var, method="BCa", n_resamples=5000, rng=1
    ).confidence_interval
    assert found == pytest.approx(tuple(expected), rel=0.06)


def test_undefined_in_most_resamples_is_no_interval():
    def rarely(weights):
        if weights is None:
            return 1.0
        return np.where(weights[:, 0] > 2, 1.0, np.nan)

    assert np.isnan(bootstrap.bca(rarely, range(4))).all()


def test_no_resamples():
    with pytest.raises(UmsrepError, match="1000 is usual"):
        next(bootstrap.patient_weights(range(3), 0))
