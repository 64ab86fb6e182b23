import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from umsrep.errors import UmsrepError
from umsrep.evaluation import ranking_tests
from umsrep.evaluation.interval_formulas import placement_values


def scores(seed, count=60, patients=60, apart=(1.5, 1.5)):
    rng = np.random.default_rng([seed])
    people = np.arange(count) % patients
    positive = (rng.random(patients) < 0.4)[people]
    shared = rng.normal(size=count)
    return (
        positive,
        *(shared + rng.normal(size=count) + d * positive for d in apart),
        people,
    )


@pytest.mark.parametrize("digits", [8, 0])
def test_values_are_scikit_learns(digits):
    positive, a, _, _ = scores(0)
    a = np.round(a, digits)
    stacked = np.stack([a, -a])
    np.testing.assert_allclose(
        ranking_tests.auc(positive, stacked),
        [metrics.roc_auc_score(positive, s) for s in stacked],
    )
    np.testing.assert_allclose(
        ranking_tests.average_precision(positive, stacked),
        [metrics.average_precision_score(positive, s) for s in stacked],
    )


@pytest.mark.parametrize("rate", [0.8, 0.9, 1.0])
@pytest.mark.parametrize("digits", [8, 0])
def test_rates_are_on_the_roc_curve(rate, digits):
    positive, a, _, _ = scores(1)
    a = np.round(a, digits)
    false, true, _ = metrics.roc_curve(positive, a, drop_intermediate=False)
    np.testing.assert_allclose(
        ranking_tests.sensitivity_at(rate)(positive, a),
        true[1 - false >= rate - 1e-9].max(),
    )
    np.testing.assert_allclose(
        ranking_tests.specificity_at(rate)(positive, a),
        (1 - false)[true >= rate - 1e-9].max(),
    )


def test_p_is_near_delongs_where_patients_have_one_image():
    for seed in range(4):
        positive, a, b, people = scores(seed, 200, 200, (1.4, 1.0))
        value_a, value_b, found = ranking_tests.exchange_test(
            ranking_tests.auc, positive, a, b, people
        )
        difference = placement_values(positive, a)[0]
        difference = difference - placement_values(positive, b)[0]
        variance = sum(
            np.var(difference[side], ddof=1) / side.sum()
            for side in (positive, ~positive)
        )
        p = 2 * stats.norm.sf(abs(value_a - value_b) / np.sqrt(variance))
        assert found.p == pytest.approx(p, abs=0.05)


def test_p_and_interval_never_contradict_each_other():
    inside = 0
    for seed in range(60):
        data = scores(seed, 40, 20, (1.8, 1.0))
        a, b, found = ranking_tests.exchange_test(ranking_tests.auc, *data)
        if found.p > 0.05:
            assert found.low <= 1e-12
            assert found.high >= -1e-12
        elif found.p < 0.05:
            assert found.low > 0 or found.high < 0
        assert found.low <= a - b <= found.high
        inside += found.p > 0.05
    assert 0 < inside < 60


def test_equal_rankings_do_not_differ_whatever_their_scale():
    positive, a, _, people = scores(2)
    *_, found = ranking_tests.exchange_test(
        ranking_tests.auc, positive, a, np.exp(a), people
    )
    assert found.p == 1
    assert found.low == found.high == 0


def test_repeating_images_of_a_patient_proves_nothing():
    positive, a, b, people = scores(3, 30, 30, (1.6, 1.0))
    once = ranking_tests.exchange_test(
        ranking_tests.auc, positive, a, b, people
    )
    more = ranking_tests.exchange_test(
        ranking_tests.auc,
        *(np.repeat(x, 5) for x in (positive, a, b, people)),
    )
    assert more[2].p == pytest.approx(once[2].p, abs=0.03)


@pytest.mark.parametrize("patients", [1, 3, 5])
def test_five_patients_reject_nothing(patients):
    for seed in range(20):
        positive, a, b, people = scores(seed, 20, patients, (3.0, -3.0))
        if positive.all() or not positive.any():
            continue
        *_, found = ranking_tests.exchange_test(
            ranking_tests.auc, positive, a, b, people, seed
        )
        assert found.p > 0.05
        assert (found.low, found.high) == (-1, 1)


def test_several_classes_are_averaged():
    _, a, b, people = scores(4)
    classes = np.arange(60) % 3
    positive = np.array([classes == k for k in range(3)])
    rows_a, rows_b = (np.array([s, -s, s * s]) for s in (a, b))
    value_a, value_b, _ = ranking_tests.exchange_test(
        ranking_tests.auc, positive, rows_a, rows_b, people
    )
    for value, rows in ((value_a, rows_a), (value_b, rows_b)):
        assert value == pytest.approx(
            np.mean(
                [
                    metrics.roc_auc_score(p, s)
                    for p, s in zip(positive, rows, strict=True)
                ]
            )
        )


def test_bad_input():
    with pytest.raises(UmsrepError, match="images of every class"):
        ranking_tests.exchange_test(
            ranking_tests.auc, [True] * 3, [1, 2, 3], [1, 2, 3], range(3)
        )
    with pytest.raises(UmsrepError, match=r"specificity of 90.*such as\s+0.9"):
        ranking_tests.sensitivity_at(90)
    with pytest.raises(UmsrepError, match=r"sensitivity of 90"):
        ranking_tests.specificity_at(90)
    with pytest.raises(UmsrepError, match="a model gives nan"):
        ranking_tests.exchange_test(
            ranking_tests.auc, [1, 0], [0.1, np.nan], [1, 2], range(2)
        )
