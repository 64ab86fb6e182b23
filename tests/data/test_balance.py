"""Rare classes have equal say."""

import numpy as np
import pytest

from umsrep import data
from umsrep.data import ClassBalance, order
from umsrep.errors import UmsrepError

# 60, 20 and 10 images of three classes, and 10 without a label.
LABELS = np.repeat([0, 1, 2, -1], [60, 20, 10, 10])


class TestWeights:
    def test_classes_weigh_the_same_and_the_mean_is_1(self):
        weights = ClassBalance("weights").weights(LABELS)
        known = LABELS[LABELS >= 0]
        totals = np.bincount(known, weights[known])
        np.testing.assert_allclose(totals, len(known) / 3)

    def test_effective_numbers(self):
        beta = 0.9
        weights = ClassBalance("weights", beta).weights(LABELS)
        expected = (1 - beta) / (1 - beta ** np.array([60, 20, 10]))
        np.testing.assert_allclose(weights / weights[0], expected / expected[0])
        assert np.isclose(weights[LABELS[LABELS >= 0]].mean(), 1)

    def test_its_limits(self):
        equal = ClassBalance("weights", 0).weights(LABELS)
        np.testing.assert_allclose(equal, 1)
        np.testing.assert_allclose(
            ClassBalance("weights", 1 - 1e-9).weights(LABELS),
            ClassBalance("weights").weights(LABELS),
            rtol=1e-5,
        )

    def test_in_batches_and_a_missing_label_weighs_nothing(self, dataset):
        few = dataset.subset(
            (dataset.labels("level") != 1) | (np.arange(len(dataset)) < 8)
        )
        batches = few.batches(8, balance=ClassBalance("weights"))
        plain = few.batches(8)
        expected = ClassBalance("weights").weights(few.labels("level"))
        for number in range(len(batches)):
            _, targets, weights = batches[number]
            _, _, before = plain[number]
            # The target of a missing label is some class; its weight tells.
            np.testing.assert_allclose(
                weights["level"],
                expected[targets["level"]] * before["level"],
                rtol=1e-6,
            )
            np.testing.assert_array_equal(weights["blob"], before["blob"])
        counts = batches.class_counts["level"]
        assert counts["high"]["images"] < counts["low"]["images"]
        assert counts["high"]["weight"] > 1 > counts["low"]["weight"]


class TestSampling:
    def test_classes_are_equally_frequent_and_the_unlabelled_keep_theirs(self):
        shares = ClassBalance.shares({"finding": LABELS})
        totals = np.bincount(LABELS + 1, shares)
        np.testing.assert_allclose(totals, [0.1, 0.3, 0.3, 0.3], rtol=2e-3)

    def test_two_tasks_at_once(self):
        rng = np.random.default_rng(0)
        one = rng.choice(2, 300, p=(0.9, 0.1))
        two = np.where(rng.random(300) < 0.2, rng.integers(3, size=300), 0)
        two[:30] = -1
        shares = ClassBalance.shares({"one": one, "two": two})
        assert shares.min() > 0
        for labels in (one, two):
            known = labels >= 0
            totals = np.bincount(labels[known], shares[known])
            np.testing.assert_allclose(totals, totals.mean(), rtol=2e-3)

    def test_tasks_that_cannot_be(self):
        one = np.array([0, 0, 0, 0, 1])
        two = np.array([0, 0, 0, 1, 2])
        with pytest.raises(UmsrepError, match="Pass class_balance='weights'"):
            ClassBalance.shares({"one": one, "two": two})

    def test_an_order_has_the_shares(self):
        shares = ClassBalance.shares({"finding": LABELS})
        counts = np.zeros(len(LABELS))
        for epoch in range(200):
            rng = np.random.default_rng(epoch)
            drawn = order.shuffled(len(LABELS), 8, rng, shares=shares)
            times = np.bincount(
                drawn.positions[drawn.counted], minlength=len(LABELS)
            )
            expected = shares * len(LABELS)
            # Systematic: rounded down or up, in every epoch.
            assert np.all(np.abs(times - expected) < 1)
            counts += times
        for cls in range(3):
            np.testing.assert_allclose(
                counts[cls == LABELS].sum() / counts.sum(), 0.3, atol=0.01
            )
        # Within a class, no image is preferred.
        assert counts[LABELS == 0].min() > 0

    @pytest.mark.parametrize("every_task", [False, True])
    def test_in_batches(self, dataset, every_task):
        rare = (dataset.labels("level") != 1) | (np.arange(len(dataset)) < 10)
        few = dataset.subset(rare)
        batches = few.batches(
            4,
            shuffle=True,
            every_task=every_task,
            balance=ClassBalance("sampling"),
        )
        seen = np.zeros(2)
        for epoch in range(40):
            for number in range(len(batches)):
                _, targets, weights = batches.batch(epoch, number)
                seen += np.bincount(
                    targets["level"][weights["level"] > 0], minlength=2
                )
        before = np.bincount(few.labels("level")[few.labels("level") >= 0])
        assert before[1] / before.sum() < 0.3
        assert abs(seen[1] / seen.sum() - 0.5) < 0.05
        assert batches.class_counts["level"]["high"]["share"] == 0.5

    def test_the_order_follows_from_the_seed(self, dataset):
        one, two = (
            dataset.batches(
                4, shuffle=True, seed=3, balance=ClassBalance("sampling")
            )
            for _ in range(2)
        )
        for number in range(len(one)):
            np.testing.assert_array_equal(one[number][0], two[number][0])


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("often",), "Choose one of sampling, weights"),
        (("sampling", 0.9), "leave beta out"),
        (("weights", 1.0), "such as 0.999"),
    ],
)
def test_bad(arguments, advice):
    with pytest.raises(UmsrepError, match=advice):
        data.ClassBalance(*arguments)
