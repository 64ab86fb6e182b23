import numpy as np
import pytest
from sklearn import metrics
from tensors import array

from umsrep import losses
from umsrep.errors import UmsrepError


def masks(seed=0):
    rng = np.random.default_rng(seed)
    true = (rng.random((3, 8, 6, 1)) > 0.6).astype("float32")
    return true, rng.uniform(0.05, 0.95, true.shape).astype("float32")


class TestBCEDice:
    def test_bce_equals_scikit_learn(self):
        true, p = masks()
        got = array(losses.BCEDice(1, 0).call(true, p))
        want = [
            metrics.log_loss(t.ravel(), q.ravel())
            for t, q in zip(true, p, strict=True)
        ]
        np.testing.assert_allclose(got, want, rtol=1e-5)

    def test_dice_by_hand(self):
        # |y| = 2, |p| = 3, overlap 2: Dice 4/5, loss 1/5.
        true = np.array([1, 1, 0, 0], "float32").reshape(1, 2, 2, 1)
        p = np.array([1, 1, 1, 0], "float32").reshape(1, 2, 2, 1)
        loss = losses.BCEDice(0, 1, epsilon=1e-6).call(true, p)
        assert float(loss[0]) == pytest.approx(0.2, abs=1e-6)

    def test_is_the_weighted_sum_of_both(self):
        true, p = masks()
        both = losses.BCEDice(0.3, 0.7).call(true, p)
        parts = 0.3 * losses.BCEDice(1, 0).call(true, p) + 0.7 * (
            losses.BCEDice(0, 1).call(true, p)
        )
        np.testing.assert_allclose(array(both), array(parts), rtol=1e-6)

    def test_one_value_per_image_whatever_the_batch(self):
        true, p = masks()
        loss = losses.BCEDice()
        alone = [
            float(loss.call(true[i : i + 1], p[i : i + 1])[0]) for i in range(3)
        ]
        np.testing.assert_allclose(array(loss.call(true, p)), alone, rtol=1e-6)

    def test_empty_mask_with_empty_prediction_costs_nothing(self):
        empty = np.zeros((1, 4, 4, 1), "float32")
        assert float(losses.BCEDice().call(empty, empty)[0]) < 1e-5

    def test_negative_weight(self):
        with pytest.raises(UmsrepError, match="weights of at least 0"):
            losses.BCEDice(-1, 1)


class TestCategoricalCrossentropy:
    def test_equals_scikit_learn(self):
        rng = np.random.default_rng(0)
        p = rng.dirichlet([1, 1, 1], 20).astype("float32")
        labels = rng.integers(0, 3, 20)
        loss = losses.CategoricalCrossentropy().call(labels, p)
        want = metrics.log_loss(labels, p, labels=[0, 1, 2])
        assert array(loss).mean() == pytest.approx(want, rel=1e-4)

    def test_smoothing_is_minimal_at_the_smoothed_target(self):
        loss = losses.CategoricalCrossentropy(0.1)
        at = [
            float(loss.call(np.array([1]), np.array([[1 - q, q]], "f4"))[0])
            for q in (0.90, 0.95, 0.99)
        ]
        assert at[1] < min(at[0], at[2])

    def test_bad_smoothing(self):
        with pytest.raises(UmsrepError, match=r"share in \[0, 1\)"):
            losses.CategoricalCrossentropy(1.0)


@pytest.mark.parametrize(
    "loss",
    [
        losses.BCEDice(0.2, 0.8),
        losses.CategoricalCrossentropy(0.1),
        losses.MeanSquaredError(),
    ],
)
def test_config_round_trip(loss):
    copy = type(loss).from_config(loss.get_config())
    assert copy.get_config() == loss.get_config()


def test_mean_squared_error_by_hand():
    a = np.zeros((2, 2, 2, 1), "float32")
    b = a.copy()
    b[1, 0, 0] = 2
    loss = losses.MeanSquaredError().call(a, b)
    np.testing.assert_allclose(array(loss), [0.0, 1.0])
