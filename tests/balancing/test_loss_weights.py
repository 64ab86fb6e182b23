"""DWA, UW-SO and FAMO: equations, state, missing labels."""

import math

import keras
import numpy as np
import pytest
from keras import ops
from tensors import array, gradients

from umsrep.balancing import (
    FAMO,
    DynamicWeightAverage,
    SoftOptimalUncertainty,
)
from umsrep.errors import UmsrepError

TASKS = ("a", "b", "c")


def attached(balancer, tasks=TASKS):
    balancer.attach(tasks)
    return balancer


def tensors(values, tasks=TASKS):
    return {
        task: ops.convert_to_tensor(value, "float32")
        for task, value in zip(tasks, values, strict=True)
    }


def present(tasks=TASKS, absent=()):
    return tensors([float(t not in absent) for t in tasks], tasks)


def weights(balancer, losses, absent=(), tasks=TASKS):
    """What a balancer multiplies the gradient of each loss by."""
    variables = [keras.Variable(float(loss)) for loss in losses]
    found = gradients(
        lambda: balancer(
            {t: v * 1.0 for t, v in zip(tasks, variables, strict=True)},
            present(tasks, absent),
        ),
        variables,
    )
    return np.array([float(one) for one in found])


def follow(balancer, rows, absent=()):
    for row in rows:
        balancer.update(tensors(row), present(absent=absent))


def state(balancer, task):
    return [
        float(array(v)) for v in balancer.variables if v.name.endswith(task)
    ]


class TestDynamicWeightAverage:
    def test_weights_are_equal_until_there_are_two_windows(self):
        balancer = attached(DynamicWeightAverage(window=3))
        # The ratio is known with the first step after the second window.
        follow(balancer, [(3.0, 1.0, 2.0)] * 3 + [(1.0, 0.9, 2.0)] * 3)
        np.testing.assert_allclose(weights(balancer, (1, 1, 1)), 1)

    def test_equation_7(self):
        windows = np.random.default_rng(0).uniform(0.5, 2, (3, 4, 3))
        balancer = attached(DynamicWeightAverage(temperature=1.5, window=4))
        follow(balancer, [*windows.reshape(-1, 3), (9.0, 9.0, 9.0)])
        ratios = windows[2].mean(0) / windows[1].mean(0)
        powers = np.exp(ratios / 1.5)
        np.testing.assert_allclose(
            weights(balancer, (1, 1, 1)), 3 * powers / powers.sum(), rtol=1e-5
        )

    @pytest.mark.parametrize("fall", [0.3, 1.0])
    def test_equal_ratios_give_equal_weights(self, fall):
        balancer = attached(DynamicWeightAverage(window=1))
        follow(
            balancer, [np.array([5.0, 0.1, 1.0]) * fall**t for t in range(4)]
        )
        np.testing.assert_allclose(weights(balancer, (1, 1, 1)), 1, rtol=1e-5)

    def test_what_falls_slowly_weighs_more_and_the_sum_is_k(self):
        balancer = attached(DynamicWeightAverage(window=2))
        follow(balancer, [(1.0, 1.0, 1.0)] * 2 + [(0.9, 0.5, 0.1)] * 3)
        slow, middle, fast = weights(balancer, (1, 1, 1))
        assert slow > middle > fast > 0
        assert slow + middle + fast == pytest.approx(3, rel=1e-6)
        # Ratios between 0 and 1, at the temperature 2.
        assert slow / fast < math.exp(0.5)

    def test_a_step_without_the_label_leaves_the_task_alone(self):
        whole, gaps = (
            attached(DynamicWeightAverage(window=2)) for _ in range(2)
        )
        rows = np.random.default_rng(1).uniform(0.5, 2, (7, 3))
        follow(whole, rows)
        for row in rows:
            follow(gaps, [row])
            before = state(gaps, "_b")
            others = state(gaps, "_a")
            follow(gaps, [(*row[:1], 0.0, *row[2:])], absent=("b",))
            assert state(gaps, "_b") == before
            assert state(gaps, "_a") != others
        assert state(gaps, "_b") == state(whole, "_b")

    def test_a_task_without_any_label_keeps_weight_1(self):
        balancer = attached(DynamicWeightAverage(window=1))
        follow(balancer, [(1.0, 0.0, 1.0)] * 5, absent=("b",))
        np.testing.assert_allclose(weights(balancer, (1, 1, 1)), 1)


class TestSoftOptimalUncertainty:
    def test_weights_are_the_softmax_of_the_inverse_losses(self):
        losses = np.array([0.5, 1.0, 2.0])
        powers = np.exp(1 / losses / 0.7)
        np.testing.assert_allclose(
            weights(attached(SoftOptimalUncertainty(0.7)), losses),
            powers / powers.sum(),
            rtol=1e-5,
        )

    def test_limits_of_the_temperature(self):
        losses = (0.5, 1.0, 2.0)
        hot = weights(attached(SoftOptimalUncertainty(1e4)), losses)
        cold = weights(attached(SoftOptimalUncertainty(1e-3)), losses)
        np.testing.assert_allclose(hot, 1 / 3, rtol=1e-3)
        np.testing.assert_allclose(cold, (1, 0, 0), atol=1e-6)

    def test_larger_losses_are_a_higher_temperature(self):
        losses = np.array([0.5, 1.0, 2.0])
        np.testing.assert_allclose(
            weights(attached(SoftOptimalUncertainty(3.0)), losses * 3),
            weights(attached(SoftOptimalUncertainty(9.0)), losses),
            rtol=1e-5,
        )

    def test_it_is_the_optimum_of_uncertainty_weighting(self):
        # L / sigma + ln sigma is least at sigma = L: the weight is 1 / L, so
        # logarithms of two weights differ by the difference of those, over T.
        losses = np.array([0.5, 0.8, 2.0])
        sigmas = np.linspace(0.1, 4, 4000)
        best = [
            sigmas[np.argmin(loss / sigmas + np.log(sigmas))] for loss in losses
        ]
        found = np.log(weights(attached(SoftOptimalUncertainty(1.0)), losses))
        np.testing.assert_allclose(
            np.diff(found), np.diff(1 / np.array(best)), rtol=0.02
        )

    def test_an_absent_task_takes_no_share(self):
        balancer = attached(SoftOptimalUncertainty())
        found = weights(balancer, (0.5, 0.0, 2.0), absent=("b",))
        alone = attached(SoftOptimalUncertainty(), ("a", "c"))
        pair = weights(alone, (0.5, 2.0), tasks=("a", "c"))
        np.testing.assert_allclose(found, (pair[0], 0, pair[1]), rtol=1e-5)

    def test_nothing_present_is_0_and_a_loss_of_0_is_finite(self):
        balancer = attached(SoftOptimalUncertainty())
        assert (
            float(array(balancer(tensors([0] * 3), present(absent=TASKS)))) == 0
        )
        assert np.isfinite(weights(balancer, (0.0, 1.0, 2.0))).all()


def famo_of_the_paper(losses, rate, decay):
    """z after each row of losses: Algorithm 1, with the authors' Adam."""
    xi, first, second = (np.zeros(losses.shape[1]) for _ in range(3))
    found = []
    for step in range(1, len(losses)):
        z = np.exp(xi) / np.exp(xi).sum()
        jacobian = np.diag(z) - np.outer(z, z)
        fell = np.log(losses[step - 1]) - np.log(losses[step])
        gradient = jacobian @ fell + decay * xi
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        xi = xi - rate * (first / (1 - 0.9**step)) / (
            np.sqrt(second / (1 - 0.999**step)) + 1e-8
        )
        found.append(np.exp(xi) / np.exp(xi).sum())
    return np.array(found)


class TestFAMO:
    def test_parity_with_the_paper_s_algorithm(self):
        rng = np.random.default_rng(2)
        losses = np.exp(np.cumsum(rng.normal(-0.05, 0.1, (30, 3)), axis=0))
        balancer = attached(FAMO(0.1, decay=0.05, smoothing=0.0))
        follow(balancer, losses[:1])
        np.testing.assert_allclose(weights(balancer, (1, 1, 1)), 1 / 3)
        expected = famo_of_the_paper(losses, 0.1, 0.05)
        for row, z in zip(losses[1:], expected, strict=True):
            follow(balancer, [row])
            share = z / row / (z / row).sum()
            np.testing.assert_allclose(weights(balancer, row), share, rtol=2e-4)

    def test_equal_shares_are_a_step_on_the_logarithms(self):
        losses = np.array([0.1, 1.0, 10.0])
        found = weights(attached(FAMO()), losses)
        np.testing.assert_allclose(found * losses, (found * losses)[0], 1e-5)
        assert found.sum() == pytest.approx(1, rel=1e-5)

    @staticmethod
    def log_falls(balancer, steps=400):
        """How far ln L of two tasks fell: one parameter, unequal slopes.

        Each loss is a quadratic of the same distance, but the second one's
        logarithm falls slowly, for most of it is a constant.
        """
        x = np.array([2.0, 2.0])
        first = None
        for _ in range(steps):
            losses = np.array([x[0] ** 2 + 0.01, 0.2 * x[1] ** 2 + 3.0])
            first = losses if first is None else first
            slopes = np.array([2 * x[0], 0.4 * x[1]])
            named = tensors(losses, ("a", "b"))
            balancer.update(named, present(("a", "b")))
            share = weights(balancer, losses, tasks=("a", "b"))
            x = x - 0.02 * share * slopes
        return np.log(first / losses)

    def test_losses_fall_at_a_more_equal_rate(self):
        tasks = ("a", "b")
        still = self.log_falls(attached(FAMO(1e-9, smoothing=0.0), tasks), 60)
        moved = self.log_falls(attached(FAMO(0.1, 0.0, 0.0), tasks), 60)
        assert (still > 0).all()
        assert (moved > 0).all()
        # Without moving logits the first falls much faster than the second.
        assert still[0] > 5 * still[1]
        assert moved[0] / moved[1] < 0.6 * still[0] / still[1]

    def test_an_absent_task_keeps_its_state_and_takes_no_share(self):
        balancer = attached(FAMO(0.1, smoothing=0.5))
        follow(balancer, [(1.0, 2.0, 3.0), (0.9, 1.0, 2.9)])
        before = state(balancer, "_b")
        follow(balancer, [(0.5, 0.0, 2.0)], absent=("b",))
        assert state(balancer, "_b") == before
        assert weights(balancer, (0.5, 0.0, 2.0), absent=("b",))[1] == 0
        follow(balancer, [(0.5, 0.9, 2.0)])
        assert state(balancer, "_b") != before

    def test_smoothing_keeps_chance_out_of_the_logits(self):
        # The first loss falls, the second does not; batches differ by chance.
        steps = np.arange(300)
        falling = np.exp(np.stack([-steps / 100, 0 * steps], axis=1))
        true = famo_of_the_paper(falling, 0.025, 0.01)[-1, 1]
        noise = np.random.default_rng(3).normal(0, 0.4, falling.shape)
        found = {}
        for smoothing in (0.0, 0.95):
            balancer = attached(FAMO(smoothing=smoothing), ("a", "b"))
            for losses in falling * np.exp(noise):
                balancer.update(
                    tensors(losses, ("a", "b")), present(("a", "b"))
                )
            found[smoothing] = balancer.logs()["loss_weight_b"]
        assert true > 0.6
        assert found[0.95] == pytest.approx(true, abs=0.02)
        assert abs(found[0.0] - true) > 0.025


@pytest.mark.parametrize(
    ("build", "advice"),
    [
        (lambda: DynamicWeightAverage(temperature=0), "a number above 0"),
        (lambda: DynamicWeightAverage(window=0), "at least 1, such as 50"),
        (lambda: SoftOptimalUncertainty(math.inf), "a number above 0"),
        (lambda: FAMO(learning_rate=0), "such as 0.025, 0.01 and 0.95"),
        (lambda: FAMO(smoothing=1), "such as 0.025, 0.01 and 0.95"),
    ],
)
def test_bad_arguments(build, advice):
    with pytest.raises(UmsrepError, match=advice):
        build()


def test_logs_are_the_weights():
    balancer = attached(DynamicWeightAverage(window=1))
    follow(balancer, [(1.0, 1.0, 1.0), (0.5, 1.0, 1.0), (1.0, 1.0, 1.0)])
    logs = balancer.logs()
    assert list(logs) == [f"loss_weight_{task}" for task in TASKS]
    np.testing.assert_allclose(
        list(logs.values()), weights(balancer, (1, 1, 1)), rtol=1e-6
    )
