"""Differences for other patients and other trainings at once."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.evaluation import crossed_tests
from umsrep.evaluation.crossed_tests import analysed, crossed_test, of_values

FINDING = TaskSpec("finding", "label", ("normal", "ill"))


def differences(rng, repeats, patients, spreads, mean=0.0):
    """Crossed random effects of patients, trainings, and both together."""
    of_patients, of_trainings, rest = spreads
    return (
        mean
        + of_patients * rng.normal(size=patients)
        + of_trainings * rng.normal(size=(repeats, 1))
        + rest * rng.normal(size=(repeats, patients))
    )


def tables(values, patients=None):
    """A table of each repeat, of values (repeats, images)."""
    images = [f"i{n:04d}" for n in range(values.shape[1])]
    return [
        of_values(
            pd.DataFrame(
                {
                    "image": images,
                    "patient": images if patients is None else patients,
                    "cc": row,
                }
            ),
            ["cc"],
        )
        for row in values
    ]


def labels(rng, count, apart, patients=None):
    """predictions.csv of a label task; `apart` is how well it is predicted."""
    ill = np.arange(count) % 3 == 0
    scores = stats.norm.cdf(rng.normal(size=count) + np.where(ill, apart, 0))
    people = np.arange(count) if patients is None else patients
    return pd.DataFrame(
        {
            "image": [f"i{n:04d}" for n in range(count)],
            "patient": [f"p{n}" for n in people],
            "finding_true": np.where(ill, "ill", "normal"),
            "finding_pred": np.where(scores > 0.5, "ill", "normal"),
            "finding_p_normal": 1 - scores,
            "finding_p_ill": scores,
        }
    )


def test_the_error_is_that_of_statsmodels_mean_squares():
    d = differences(np.random.default_rng(0), 5, 12, (1, 0.5, 0.7), 0.4)
    long = pd.DataFrame(d).melt(ignore_index=False, var_name="patient")
    long = long.rename_axis("repeat").reset_index()
    table = anova_lm(ols("value ~ C(patient) + C(repeat)", long).fit())
    squares = table["mean_sq"]
    trainings = squares["C(repeat)"]
    patients = squares["C(patient)"] - squares["Residual"]
    total = trainings + patients
    freedom = total**2 / (trainings**2 / 4 + patients**2 / 11)
    error = np.sqrt(total / 60)
    found = analysed(d, d.mean(1))
    assert found.difference == pytest.approx(d.mean())
    assert found.p == pytest.approx(
        2 * stats.t.sf(abs(d.mean()) / error, freedom)
    )
    reach = stats.t.ppf(0.975, freedom) * error
    assert (found.low, found.high) == pytest.approx(
        (d.mean() - reach, d.mean() + reach)
    )


def test_a_single_training_is_the_paired_t_test():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.3, 1, 30), rng.normal(0, 1, 30)
    found = crossed_test(tables(a[None]), tables(b[None]), "cc")
    expected = stats.ttest_rel(a, b)
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx(tuple(interval))


def test_trainings_that_are_the_same_are_one_training():
    d = differences(np.random.default_rng(2), 1, 25, (1, 0, 0), 0.3)
    one, five = (
        analysed(d, d.mean(1)),
        analysed(np.repeat(d, 5, 0), [d.mean()] * 5),
    )
    assert five.p == pytest.approx(one.p)
    assert five.high == pytest.approx(one.high)


def test_patients_who_are_the_same_are_no_more_evidence():
    # All that varies is the training: the t-test of five differences.
    each = np.random.default_rng(3).normal(0.5, 0.4, 5)
    found = analysed(np.repeat(each[:, None], 200, 1), each)
    assert found.p == pytest.approx(stats.ttest_1samp(each, 0).pvalue)


@pytest.mark.parametrize("repeats", [3, 5])
@pytest.mark.parametrize("patients", [10, 30, 100])
@pytest.mark.parametrize(
    "spreads", [(1, 0, 1), (1, 0.1, 1), (1, 0.3, 0.3), (0, 0, 1), (1, 1, 1)]
)
def test_equal_networks_differ_in_a_twentieth(repeats, patients, spreads):
    seed = [repeats, patients, *(int(10 * s) for s in spreads)]
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(2000):
        d = differences(rng, repeats, patients, spreads)
        found.append(analysed(d, d.mean(1)).p < 0.05)
    # Standard error 0.005; three trainings show their spread poorly.
    assert np.mean(found) < (0.07 if repeats > 3 else 0.09)
    # It is not bought with a test that never rejects.
    assert np.mean(found) > 0.02


def test_equally_good_rankings_differ_in_a_twentieth():
    rng = np.random.default_rng(4)
    found = []
    for _ in range(80):
        apart = rng.normal(1.0, 0.15, (2, 4))
        sides = [
            [
                crossed_tests.of_predictions(labels(rng, 60, one), FINDING)
                for one in side
            ]
            for side in apart
        ]
        found.append(crossed_test(*sides, "auc").p < 0.05)
    assert 0.005 < np.mean(found) < 0.12


def test_what_five_trainings_alone_cannot_show():
    # Every one of B is worse than every one of A, so that no test of ranks can
    # say more than 0.008, which ten comparisons make 0.08.
    rng = np.random.default_rng(5)
    shared = rng.normal(size=100)
    a, b = (
        mean
        + shared
        + 0.05 * rng.normal(size=(5, 1))
        + 0.3 * rng.normal(size=(5, 100))
        for mean in (0.4, 0.0)
    )
    ranks = stats.mannwhitneyu(a.mean(1), b.mean(1)).pvalue
    found = crossed_test(tables(a), tables(b), "cc")
    assert ranks * 10 > 0.05
    assert found.p * 10 < 0.01
    assert found.low > 0.2


def test_a_difference_of_these_patients_alone_is_none():
    # Trainings agree entirely, but on six patients who differ among
    # themselves; ranks of trainings see nothing of that.
    rng = np.random.default_rng(6)
    d = rng.normal(0.5, 1.2, 6) + 0.01 * rng.normal(size=(5, 6))
    assert (d.mean(1) > 0).all()
    assert analysed(d, d.mean(1)).p > 0.05


def test_pseudo_values_of_a_mean_are_its_values():
    values = np.random.default_rng(7).random((1, 20))
    (one,) = tables(values)
    np.testing.assert_allclose(one.pseudo_values["cc"], values[0])
    assert one.values["cc"] == pytest.approx(values.mean())


def test_the_jackknife_of_auc_has_delongs_variance():
    rng = np.random.default_rng(8)
    table = labels(rng, 150, 1.0)
    measured = crossed_tests.of_predictions(table, FINDING)
    jackknifed = measured.pseudo_values["auc"].var(ddof=1) / 150
    ill = (table["finding_true"] == "ill").to_numpy()
    scores = table["finding_p_ill"].to_numpy()
    above = (scores[ill][:, None] > scores[~ill]).astype(float)
    delong = sum(
        above.mean(axis).var(ddof=1) / above.shape[1 - axis] for axis in (0, 1)
    )
    assert measured.values["auc"] == pytest.approx(above.mean())
    assert jackknifed == pytest.approx(delong, rel=0.03)


def test_copies_of_a_patients_images_are_no_more_evidence():
    rng = np.random.default_rng(9)
    a, b = rng.normal(0.2, 1, (2, 5, 20))
    once = crossed_test(tables(a), tables(b), "cc")
    people = np.repeat(np.arange(20), 3)
    thrice = crossed_test(
        tables(np.repeat(a, 3, 1), people),
        tables(np.repeat(b, 3, 1), people),
        "cc",
    )
    assert thrice.p == pytest.approx(once.p)
    assert thrice.patients == 20


def test_exchanging_a_and_b_turns_the_sign():
    rng = np.random.default_rng(10)
    a, b = (tables(rng.normal(size=(4, 15))) for _ in "ab")
    one, other = crossed_test(a, b, "cc"), crossed_test(b, a, "cc")
    assert one.difference == -other.difference
    assert one.p == other.p
    assert one.low == pytest.approx(-other.high)


def test_p_and_interval_agree():
    rng = np.random.default_rng(11)
    for _ in range(100):
        d = differences(rng, 4, 20, (1, 0.3, 0.5), 0.5)
        found = analysed(d, d.mean(1))
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high)


def test_without_any_spread_there_is_no_test():
    same = tables(np.full((5, 10), 0.4))
    found = crossed_test(same, same, "cc")
    assert (found.difference, found.p) == (0, 1)
    # A difference that never varies has no error to be compared with.
    better = crossed_test(tables(np.full((5, 10), 0.9)), same, "cc")
    assert np.isnan(better.p)
    assert better.difference == pytest.approx(0.5)


def test_images_in_another_order_are_the_same():
    rng = np.random.default_rng(12)
    table = labels(rng, 30, 1.0)
    one, other = (
        crossed_tests.of_predictions(rows, FINDING)
        for rows in (table, table.sample(frac=1, random_state=0))
    )
    np.testing.assert_allclose(
        one.pseudo_values["accuracy"], other.pseudo_values["accuracy"]
    )


def test_a_class_of_one_patient_has_no_test():
    rng = np.random.default_rng(13)
    table = labels(rng, 30, 1.0)
    people = np.where(table["finding_true"] == "ill", "one", table["patient"])
    one = crossed_tests.of_predictions(table.assign(patient=people), FINDING)
    assert crossed_test([one] * 2, [one] * 2, "auc") is None
    assert crossed_test([one] * 2, [one] * 2, "accuracy").p == 1


def test_bad_input():
    rng = np.random.default_rng(14)
    a, b = tables(rng.random((3, 8))), tables(rng.random((3, 9)))
    with pytest.raises(UmsrepError, match="on the same images"):
        crossed_test(a, b, "cc")
    with pytest.raises(UmsrepError, match="leave out what has no counterpart"):
        crossed_test(a, a[:2], "cc")
    empty = labels(rng, 5, 1.0).assign(finding_true=np.nan)
    with pytest.raises(UmsrepError, match="has this task's labels"):
        crossed_tests.of_predictions(empty, FINDING)
    assert crossed_test(a, a, "auc") is None
