import numpy as np
import pandas as pd
import pytest
from repeated import A, B, frame
from scipy.stats import f_oneway, mannwhitneyu, norm, ttest_ind
from statsmodels.stats.multitest import multipletests

from umsrep.evaluation.crossed_tests import crossed_test, of_values
from umsrep.experiments.significance import (
    anova,
    combined_p,
    mann_whitney,
    over_patients_and_trainings,
)


def test_mann_whitney_is_scipys_with_holm():
    data = frame(a=A, b=B, c=A[::-1])
    table = mann_whitney(data, [("a", "b"), ("a", "c")], [("finding", "auc")])
    assert list(table["b"]) == ["b", "c"]
    first, second = table["p"]
    assert first == pytest.approx(mannwhitneyu(A, B).pvalue)
    # The same values in another order cannot differ.
    assert second == pytest.approx(1)
    assert table["p_holm"][0] == pytest.approx(min(1, 2 * first))
    assert table["median_b"][0] == 0.53


def test_analysis_of_variance_is_scipys():
    table = mann_whitney(frame(a=A, b=B), [("a", "b")], [("finding", "auc")])
    assert table["p_anova"][0] == pytest.approx(f_oneway(A, B).pvalue)
    # Of two groups it is the t-test's, whose square is F.
    assert anova(A, B) == pytest.approx(ttest_ind(A, B).pvalue)


def test_without_variance_there_is_no_analysis_of_it():
    assert np.isnan(anova([1.0] * 5, [0.9] * 5))
    assert anova([1.0] * 5, B) == pytest.approx(f_oneway([1.0] * 5, B).pvalue)


def test_too_few_repeats_are_not_compared():
    few = frame(a=A[:2], b=B[:2])
    assert mann_whitney(few, [("a", "b")], [("finding", "auc")]).empty


def test_an_undefined_value_leaves_the_others_their_test():
    holes = [*A[:4], float("nan")]
    table = mann_whitney(
        frame(a=holes, b=B), [("a", "b")], [("finding", "auc")]
    )
    assert table["p"][0] == pytest.approx(mannwhitneyu(A[:4], B).pvalue)


def test_combined_p_is_valid_for_repeats_that_agree_entirely():
    # Equal repeats are one test: no more evidence than one of them.
    assert combined_p([0.03] * 5) >= 0.03
    assert combined_p([0.2, 0.001, 0.9, 0.03, 0.04]) == pytest.approx(
        0.04 * 5 / 3
    )
    assert combined_p([0.7] * 5) == 1
    assert combined_p([0.02]) == pytest.approx(0.02)


def test_combined_p_rejects_no_more_often_than_it_says():
    # Under the null, with repeats that correlate as strongly as they like.
    random = np.random.default_rng(0)
    for correlation in (0.0, 0.5, 0.95):
        shared = random.normal(size=(4000, 1))
        own = random.normal(size=(4000, 5))
        scores = correlation**0.5 * shared + (1 - correlation) ** 0.5 * own
        values = 2 * norm.sf(np.abs(scores))
        rejected = np.mean([combined_p(one) < 0.05 for one in values])
        assert rejected < 0.06


def trainings(**shifts):
    """Trainings of networks, each with its own mean of a value per image."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=60)
    known = {
        (name, repeat): of_values(
            pd.DataFrame(
                {
                    "image": [f"i{n:02d}" for n in range(60)],
                    "patient": [f"p{n}" for n in range(60)],
                    "cc": shift + shared + 0.3 * rng.normal(size=60),
                }
            ),
            ["cc"],
        )
        for name, shift in shifts.items()
        for repeat in range(5)
    }

    def measured(network, repeat, task):
        return known.get((network, repeat)) if task == "gaze" else None

    return measured


def test_over_patients_and_trainings_is_adjusted_over_all_rows():
    measured = trainings(a=0.3, b=0.0, c=0.01)
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    metrics = [("gaze", "cc"), ("gaze", "nss"), ("finding", "auc")]
    table = over_patients_and_trainings(measured, pairs, metrics, 5)
    # What is not measured is left out.
    assert list(zip(table["a"], table["b"], strict=True)) == pairs
    assert set(table["metric"]) == {"cc"}
    assert list(table["p"] < 0.01) == [True, True, False]
    expected = multipletests(table["p"], method="holm")[1]
    np.testing.assert_allclose(table["p_holm"], expected)
    found = crossed_test(
        [measured("a", n, "gaze") for n in range(5)],
        [measured("b", n, "gaze") for n in range(5)],
        "cc",
    )
    assert table["p"][0] == found.p
    np.testing.assert_allclose(
        table["mean_a"] - table["mean_b"], table["difference"]
    )
    assert (table["low"] < table["difference"]).all()


def test_a_difference_without_spread_does_not_hide_the_others():
    measured = trainings(a=0.3, b=0.0)

    def with_constants(network, repeat, task):
        if task == "gaze":
            return measured(network, repeat, task)
        rows = pd.DataFrame({"image": list("xyz"), "patient": list("xyz")})
        return of_values(rows.assign(cc=float(network == "a")), ["cc"])

    table = over_patients_and_trainings(
        with_constants, [("a", "b")], [("maps", "cc"), ("gaze", "cc")], 5
    )
    assert np.isnan(table["p_holm"][0])
    assert table["p_holm"][1] == table["p"][1]


def test_a_single_training_says_nothing_of_others():
    measured = trainings(a=0.3, b=0.0)
    table = over_patients_and_trainings(
        measured, [("a", "b")], [("gaze", "cc")], 1
    )
    assert table.empty
