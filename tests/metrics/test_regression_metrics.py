import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from umsrep.errors import UmsrepError
from umsrep.metrics import regression


@pytest.fixture
def numbers():
    rng = np.random.default_rng(1)
    true = rng.uniform(20, 90, 40)
    return true, true + rng.normal(3, 8, 40)


def test_parity_with_scikit_learn(numbers):
    weights = np.random.default_rng(2).integers(0, 4, 40).astype(float)
    for some in (None, weights):
        found = regression.regression_metrics(*numbers, some)
        squared = sklearn_metrics.mean_squared_error(
            *numbers, sample_weight=some
        )
        wanted = {
            "mae": sklearn_metrics.mean_absolute_error(
                *numbers, sample_weight=some
            ),
            "rmse": squared**0.5,
            "r2": sklearn_metrics.r2_score(*numbers, sample_weight=some),
            "bias": np.average(numbers[1] - numbers[0], weights=some),
        }
        assert found == pytest.approx(wanted)


def test_resamples_are_rows_of_weights(numbers):
    weights = np.random.default_rng(3).integers(0, 3, (5, 40)).astype(float)
    together = regression.regression_metrics(*numbers, weights)
    for row, some in enumerate(weights):
        alone = regression.regression_metrics(*numbers, some)
        for name, value in alone.items():
            assert together[name][row] == pytest.approx(value)


def test_the_mean_for_every_image_has_r2_0_and_equal_values_none():
    true = np.array([10.0, 20, 30])
    assert regression.r2(true, np.full(3, 20.0)) == pytest.approx(0)
    assert np.isnan(regression.r2(np.full(3, 7.1), true))


def test_what_is_not_finite_or_of_another_length_is_refused():
    with pytest.raises(UmsrepError, match="Drop images without a label"):
        regression.mae([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(UmsrepError, match="in the same order"):
        regression.mae([1.0], [1.0, 2.0])
