import numpy as np
import pytest

from umsrep.errors import UmsrepError
from umsrep.evaluation import bootstrap
from umsrep.metrics import classification


def mean_of(values):
    return lambda weights: {"mean": weights @ values / weights.sum(-1)}


def clustered(rng, patients=30, each=5):
    """Values of alike images; their true mean is 0."""
    names = np.repeat(np.arange(patients), each)
    values = rng.normal(0, 1, patients)[names]
    return names, values + rng.normal(0, 0.2, len(names))


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


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng([3])
    hits = 0
    for trial in range(200):
        patients, values = clustered(rng)
        interval = bootstrap.bootstrap_intervals(
            mean_of(values), patients, 300, trial
        )["mean"]
        hits += interval.low <= 0 <= interval.high
    assert 0.88 <= hits / 200 <= 0.99


def test_alike_images_of_a_patient_widen_the_interval():
    patients, values = clustered(np.random.default_rng([4]))
    by_patient, by_image = (
        bootstrap.bootstrap_intervals(mean_of(values), names)["mean"]
        for names in (patients, np.arange(len(values)))
    )
    width = by_patient.high - by_patient.low
    # Five alike images are worth little more than one: sqrt(5) = 2.2.
    assert width > 1.8 * (by_image.high - by_image.low)


def test_undefined_resamples_are_dropped_and_counted():
    true = np.array([1] + [0] * 9)
    scores = np.linspace(0.9, 0.1, 10)

    def statistics(weights):
        return {
            "auc": classification.auc(true, np.c_[1 - scores, scores], weights)
        }

    interval = bootstrap.bootstrap_intervals(statistics, np.arange(10))["auc"]
    # The one positive is missing from (1 - 1/10) ** 10 of the resamples.
    assert interval.undefined == pytest.approx(1000 * 0.9**10, abs=60)
    assert interval.low == interval.high == 1


def test_no_interval_from_one_patient_or_from_few_resamples():
    values = np.arange(4.0)
    one = bootstrap.bootstrap_intervals(mean_of(values), ["a"] * 4)["mean"]
    assert np.isnan([one.low, one.high]).all()

    def rarely(weights):
        return {"x": np.where(weights[:, 0] > 2, 1.0, np.nan)}

    few = bootstrap.bootstrap_intervals(rarely, range(4))["x"]
    assert np.isnan([few.low, few.high]).all()
    assert few.undefined > 500


@pytest.mark.parametrize("options", [{"resamples": 0}, {"level": 95}])
def test_bad_options(options):
    with pytest.raises(UmsrepError, match="1000 is usual"):
        bootstrap.bootstrap_intervals(mean_of(np.ones(3)), range(3), **options)
