from dataclasses import asdict

import numpy as np
import pytest

from umsrep.errors import UmsrepError
from umsrep.metrics import classification
from umsrep.runs import calibration as cal


def overconfident(classes, images=400, factor=3.0, seed=0):
    """Labels drawn from a softmax whose logits are then exaggerated."""
    rng = np.random.default_rng([classes, seed])
    logits = rng.normal(0, 1, (images, classes))

    def softmax(x):
        return np.exp(x) / np.exp(x).sum(1, keepdims=True)

    labels = np.array([rng.choice(classes, p=p) for p in softmax(logits)])
    return softmax(factor * logits), labels


def youden(positive, labels, threshold):
    predicted = positive >= threshold
    return predicted[labels == 1].mean() - predicted[labels == 0].mean()


@pytest.mark.parametrize("classes", [2, 4])
def test_temperature_lowers_nll_and_keeps_the_likeliest_class(classes):
    probabilities, labels = overconfident(classes)
    fitted = cal.fit(probabilities, labels)
    calibrated = cal.scale(probabilities, fitted.temperature)
    before, after = (
        cal.negative_log_likelihood(p, labels)
        for p in (probabilities, calibrated)
    )
    assert after < before - 0.1
    np.testing.assert_allclose(calibrated.sum(1), 1)
    np.testing.assert_array_equal(calibrated.argmax(1), probabilities.argmax(1))
    assert (fitted.threshold is None) == (classes > 2)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_exaggeration_is_found(factor):
    probabilities, labels = overconfident(3, 4000, factor)
    assert cal.fit(probabilities, labels).temperature == pytest.approx(
        factor, rel=0.1
    )


def test_no_other_temperature_is_better():
    probabilities, labels = overconfident(2)
    best = cal.fit_temperature(probabilities, labels)
    losses = [
        cal.negative_log_likelihood(cal.scale(probabilities, t), labels)
        for t in (best, *np.geomspace(0.1, 10, 50))
    ]
    assert min(losses) == pytest.approx(losses[0], abs=1e-6)


def test_saturated_probabilities_stay_finite():
    probabilities = np.array([[1.0, 0], [0, 1], [0, 1], [1, 0]])
    fitted = cal.fit(probabilities, np.array([0, 1, 0, 1]))
    calibrated, _ = fitted.apply(probabilities)
    assert np.isfinite(calibrated).all()
    # Half of them are wrong: being sure is not warranted.
    assert calibrated.max() < 0.8


@pytest.mark.parametrize("gap", [(0.1, 0.2), (0.7, 0.9), (0.499, 0.501)])
def test_separable_classes_are_separated_in_the_middle(gap):
    low, high = gap
    positive = np.r_[np.linspace(0, low, 7), np.linspace(high, 1, 5)]
    labels = np.r_[np.zeros(7, int), np.ones(5, int)]
    assert cal.fit_threshold(positive, labels) == pytest.approx(
        (low + high) / 2
    )
    probabilities = np.c_[1 - positive, positive]
    fitted = cal.fit(probabilities, labels)
    np.testing.assert_array_equal(fitted.apply(probabilities)[1], labels)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_threshold_has_a_better_j(seed):
    rng = np.random.default_rng([seed])
    labels = rng.integers(2, size=60)
    # Rounded, so that images of both classes are tied.
    positive = np.round(rng.uniform(0, 0.6, 60) + 0.3 * labels, 1)
    chosen = cal.fit_threshold(positive, labels)
    assert chosen not in positive
    assert youden(positive, labels, chosen) == pytest.approx(
        max(youden(positive, labels, t) for t in np.linspace(0, 1, 1001))
    )


def test_the_share_of_classes_does_not_move_the_threshold():
    rng = np.random.default_rng([0])
    labels = rng.integers(2, size=100)
    positive = np.clip(rng.normal(0.3 + 0.3 * labels, 0.15), 0, 1)
    often = np.r_[np.arange(100), np.repeat(np.flatnonzero(labels == 1), 4)]
    assert cal.fit_threshold(positive[often], labels[often]) == (
        cal.fit_threshold(positive, labels)
    )


def test_of_equal_thresholds_the_nearest_to_one_half():
    positive = np.array([0.1, 0.3, 0.5, 0.9])
    labels = np.array([0, 1, 0, 1])
    # Cutting at 0.2 and at 0.7 are equally good.
    assert cal.fit_threshold(positive, labels) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("positive", "labels"),
    [
        ([0.2, 0.4], [1, 1]),
        ([0.3, 0.3, 0.3], [0, 1, 1]),
        ([0.9, 0.1], [0, 1]),
        ([], []),
    ],
)
def test_nothing_to_learn_from_changes_nothing(positive, labels):
    positive, labels = np.array(positive, float), np.array(labels, int)
    assert cal.fit_threshold(positive, labels) == 0.5
    if len(set(labels)) < 2:
        fitted = cal.fit(np.c_[1 - positive, positive], labels)
        assert fitted == cal.Calibration(1.0, 0.5)


def test_neighbouring_floats_are_told_apart():
    low = 0.3
    high = np.nextafter(low, 1)
    threshold = cal.fit_threshold([low, high], np.array([0, 1]))
    assert low < threshold <= high


def test_stored_and_read_back():
    fitted = cal.fit(*overconfident(2))
    assert cal.Calibration(**asdict(fitted)) == fitted


def test_bad_input():
    with pytest.raises(UmsrepError, match="columns 1 - p and p"):
        cal.scale(np.array([0.2, 0.8]), 2.0)
    with pytest.raises(UmsrepError, match="this task's own validation"):
        cal.Calibration(1.0, 0.5).apply(np.full((2, 3), 1 / 3))


def scores_without_signal(seed, count=14):
    rng = np.random.default_rng(seed)
    positive = rng.random(count)
    labels = np.arange(count) % 2
    return np.c_[1 - positive, positive], labels


def test_no_threshold_is_judged_on_what_it_was_chosen_on():
    fitted, crossed = [], []
    for seed in range(100):
        probabilities, labels = scores_without_signal(seed)
        for found, by in (
            (fitted, cal.fit(probabilities, labels)),
            (
                crossed,
                cal.cross_fit(probabilities, labels, range(14)),
            ),
        ):
            _, decided = by.apply(probabilities)
            found.append(classification.mcc(labels, decided))
    assert np.mean(fitted) > 0.2
    assert np.mean(crossed) < 0.05


def test_parts_are_of_whole_patients_and_every_image_is_judged():
    probabilities, labels = scores_without_signal(0, 40)
    patients = np.arange(40) // 4
    labels[7] = -1
    found = cal.cross_fit(probabilities, labels, patients)
    assert len(found.fitted) == 5
    for patient in range(10):
        assert len(set(found.part[patients == patient])) == 1
    calibrated, decided = found.apply(probabilities)
    np.testing.assert_allclose(calibrated.sum(1), 1)
    assert set(decided) <= {0, 1}


def test_one_patient_of_a_class_can_judge_nothing():
    probabilities, _ = scores_without_signal(1)
    labels = np.arange(14) == 0
    found = cal.cross_fit(probabilities, labels.astype(int), range(14))
    assert found.fitted == (cal.Calibration(1.0, 0.5),)


def test_a_temperature_at_its_bound_is_known():
    perfect = np.array([[0.6, 0.4], [0.4, 0.6]] * 5)
    assert cal.fit(perfect, np.array([0, 1] * 5)).at_bound
    assert not cal.Calibration(1.3, 0.5).at_bound
