import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.evaluation import comparison as cmp
from umsrep.evaluation.pairing import paired, sign_flip_test

FINDING = TaskSpec("finding", "label", ("normal", "abnormal"))
LUNG = TaskSpec("lung", "mask")


def labels(right):
    """A table in which image n is right where `right[n]`."""
    right = np.asarray(right, bool)
    true = np.arange(len(right)) % 2
    predicted = np.where(right, true, 1 - true)
    names = np.array(FINDING.classes)
    return pd.DataFrame(
        {
            "image": [f"{n}.png" for n in range(len(right))],
            "patient": [str(n) for n in range(len(right))],
            "finding_true": names[true],
            "finding_pred": names[predicted],
            "finding_p_normal": 1.0 - predicted,
            "finding_p_abnormal": 1.0 * predicted,
        }
    )


def masks(dice):
    dice = np.asarray(dice, float)
    frame = pd.DataFrame({"image": [f"{n}.png" for n in range(len(dice))]})
    return frame.assign(patient=frame["image"], lung_dice=dice, lung_iou=dice)


def pair(both, only_a, only_b, neither):
    a = [1] * both + [1] * only_a + [0] * only_b + [0] * neither
    b = [1] * both + [0] * only_a + [1] * only_b + [0] * neither
    return labels(a), labels(b)


def test_exact_test_by_hand():
    test = cmp.mcnemar(*pair(10, 1, 7, 4), FINDING)
    # Two-sided binomial: 2 * (C(8,0) + C(8,1)) / 2**8.
    assert test.p == pytest.approx(2 * 9 / 256)
    assert (test.a_better, test.b_better) == (1, 7)
    assert (test.a, test.b) == (11 / 22, 17 / 22)
    assert test.difference == pytest.approx(-6 / 22)
    assert test.difference_ci95[0] < -6 / 22 < test.difference_ci95[1]
    assert "exact" in test.test


def test_many_discordant_images_by_hand():
    test = cmp.mcnemar(*pair(5, 10, 20, 5), FINDING)
    # Chi-squared of (|10 - 20| - 1)**2 / 30 with one degree of freedom.
    assert test.p == pytest.approx(stats.chi2.sf(81 / 30, 1))
    assert "chi-squared" in test.test


@pytest.mark.parametrize(("discordant", "exact"), [(24, True), (25, False)])
def test_the_form_depends_on_the_discordant_images(discordant, exact):
    test = cmp.mcnemar(*pair(0, discordant, 0, 0), FINDING)
    assert ("exact" in test.test) == exact


def test_no_discordant_image_is_no_difference():
    test = cmp.mcnemar(*pair(5, 0, 0, 5), FINDING)
    assert test.p == 1
    assert test.difference == 0


def test_swapping_swaps():
    a, b = pair(5, 3, 9, 5)
    one, other = cmp.mcnemar(a, b, FINDING), cmp.mcnemar(b, a, FINDING)
    assert one.p == other.p
    assert (one.a_better, one.b_better) == (other.b_better, other.a_better)
    assert one.difference == -other.difference


def test_rows_are_matched_by_image():
    a, b = pair(5, 3, 9, 5)
    shuffled = b.sample(frac=1, random_state=0)
    assert cmp.mcnemar(a, shuffled, FINDING) == cmp.mcnemar(a, b, FINDING)


def test_masks_are_right_from_the_threshold_on():
    a, b = masks([0.95, 0.96, 0.99, 0.80]), masks([0.94, 0.96, 0.90, 0.85])
    test = cmp.mcnemar(a, b, LUNG)
    assert (test.a, test.b) == (3 / 4, 1 / 4)
    assert (test.a_better, test.b_better) == (2, 0)
    assert test.p == 0.5
    lower = cmp.mcnemar(a, b, LUNG, dice_threshold=0.82)
    assert (lower.a_better, lower.b_better) == (0, 1)


def test_wilcoxon_is_scipys():
    rng = np.random.default_rng([0])
    a = rng.uniform(0.8, 1, 20)
    b = a - rng.normal(0.01, 0.02, 20)
    test = cmp.wilcoxon(masks(a), masks(b), LUNG)
    assert test.p == stats.wilcoxon(a, b).pvalue
    assert test.a_better == (a > b).sum()
    assert test.difference == pytest.approx((a - b).mean())
    assert cmp.wilcoxon(masks(a), masks(a), LUNG).p == 1


def test_all_tests_are_adjusted_together():
    a, b = pair(8, 2, 9, 1)
    rng = np.random.default_rng([1])
    a = a.merge(masks(rng.uniform(0.9, 1, 20)).drop(columns="patient"))
    b = b.merge(masks(rng.uniform(0.8, 1, 20)).drop(columns="patient"))
    tests = cmp.compare(a, b, [FINDING, LUNG])
    assert [test.task for test in tests] == ["finding"] * 3 + ["lung"] * 2
    assert [test.metric for test in tests[:3]] == [
        "accuracy",
        "AUC",
        "Average precision",
    ]
    np.testing.assert_allclose(
        [test.p_holm for test in tests],
        multipletests([test.p for test in tests], method="holm")[1],
    )
    assert all(test.p_holm >= test.p for test in tests)
    assert list(cmp.to_frame(tests)["p"]) == [test.p for test in tests]


def test_unlabelled_images_and_tasks_are_left_out():
    a, b = pair(5, 3, 9, 5)
    a.loc[0, "finding_true"] = b.loc[0, "finding_true"] = np.nan
    assert cmp.mcnemar(a, b, FINDING).images == 21
    a["finding_true"] = b["finding_true"] = np.nan
    assert cmp.compare(a, b, [FINDING]) == []
    with pytest.raises(UmsrepError, match="no labelled image"):
        cmp.mcnemar(a, b, FINDING)


def test_alike_images_of_a_patient_widen_the_difference():
    a, b = pair(10, 20, 8, 10)
    alone = cmp.mcnemar(a, b, FINDING).difference_ci95
    a["patient"] = b["patient"] = [str(n // 6) for n in range(48)]
    grouped = cmp.mcnemar(a, b, FINDING)
    assert grouped.patients == 8
    low, high = grouped.difference_ci95
    assert high - low > 1.3 * (alone[1] - alone[0])


def sign_flips(sums, seed=0):
    """The p-value of one sum per patient."""
    return sign_flip_test(sums, range(len(sums)), seed).p


def test_sign_flips_by_hand():
    # Of 8 ways to give three ones a sign, two have a sum as far from 0.
    assert sign_flips([1, 1, 1]) == 2 / 8
    assert sign_flips([3, 1, 1]) == 2 / 8
    assert sign_flips([1, -1, 1, 0, 0]) == 1.0
    assert sign_flips([0, 0, 4]) == 1.0
    many = np.random.default_rng(0).normal(0.4, 1, 200)
    assert sign_flips(many, seed=1) == sign_flips(many, seed=1) < 0.01


@pytest.mark.parametrize("patients", [6, 10, 13, 40])
@pytest.mark.parametrize("each", [1, 3])
def test_p_and_interval_never_contradict_each_other(patients, each):
    found = []
    for seed in range(40):
        rng = np.random.default_rng([seed, patients])
        people = np.repeat(np.arange(patients), each)
        values = rng.normal(0.4, 1, patients)[people]
        values = np.where(rng.random(len(values)) < 0.2, 0, values)
        test = sign_flip_test(values, people, seed)
        assert test.low <= values.mean() <= test.high
        assert (test.p > 0.05) == (test.low <= 0 <= test.high)
        found.append(test.p > 0.05)
    assert 0 < sum(found) < 40


def test_the_interval_is_of_differences_that_are_not_rejected():
    values = np.random.default_rng(0).gamma(2, size=12)
    low, high = (
        getattr(sign_flip_test(values, range(12)), end)
        for end in ("low", "high")
    )
    for end, inside in ((low, 1), (high, -1)):
        assert sign_flip_test(values - end - inside * 1e-6, range(12)).p > 0.05
        assert sign_flip_test(values - end + inside * 1e-6, range(12)).p <= 0.05


def test_twenty_equal_answers_do_not_prove_two_models_equal():
    test = cmp.mcnemar(*pair(20, 0, 0, 0), FINDING)
    low, high = test.difference_ci95
    assert (test.p_patients, test.difference) == (1, 0)
    assert low < -0.1
    assert high > 0.1
    assert test.note == "20 patients"


def test_differences_of_shares_are_covered():
    # Of 20 patients, accuracies 0.97 and 0.93; the signs alone covered 0.68.
    held = []
    for seed in range(60):
        rng = np.random.default_rng([seed, 20])
        a, b = rng.random((2, 20)) < np.array([[0.97], [0.93]])
        found = paired(a, b, np.arange(20), seed, bounds=(-1.0, 1.0))
        low, high = found["difference_ci95"]
        held.append(low <= 0.04 <= high)
        if found["p_patients"] <= 0.05:
            assert low > 0 or high < 0
    assert np.mean(held) > 0.85


def test_rates_at_a_given_other_need_two_classes_and_a_rate():
    with pytest.raises(UmsrepError, match="at_specificity=90: expected a rate"):
        cmp.Asked(at_specificity=90)


def test_five_patients_reject_nothing():
    # The smallest p of five signs is 2 / 32.
    test = sign_flip_test(np.arange(1.0, 6), range(5))
    assert (test.p, test.low, test.high) == (2 / 32, -np.inf, np.inf)


def test_copies_of_images_are_no_evidence_by_patient():
    rng = np.random.default_rng(1)
    one, other = rng.uniform(0.7, 1, (2, 12))

    def compared(copies):
        a, b = (masks(np.repeat(v, copies)) for v in (one + 0.03, other))
        patients = np.repeat([str(n) for n in range(12)], copies)
        return cmp.wilcoxon(*(t.assign(patient=patients) for t in (a, b)), LUNG)

    assert compared(6).p < compared(1).p / 2
    assert compared(6).p_patients == pytest.approx(compared(1).p_patients)


def test_by_patient_no_difference_is_found_as_rarely_as_it_says():
    rng = np.random.default_rng(2)
    patients = np.repeat([str(n) for n in range(20)], 5)
    found = []
    for _ in range(200):
        # Images of a patient differ alike; A and B are equally good.
        common = np.repeat(rng.normal(0, 0.05, 20), 5)
        difference = common + rng.normal(0, 0.03, 100)
        a, b = masks(0.8 + difference), masks(np.full(100, 0.8))
        test = cmp.wilcoxon(*(t.assign(patient=patients) for t in (a, b)), LUNG)
        found.append((test.p < 0.05, test.p_patients < 0.05))
    by_image, by_patient = np.mean(found, axis=0)
    assert by_image > 0.2
    assert by_patient < 0.09


def test_other_images_are_named():
    a, b = pair(5, 3, 9, 5)
    for first, second in ((a, b[:-2]), (a[:-2], b)):
        with pytest.raises(UmsrepError, match="same data and split") as caught:
            cmp.mcnemar(first, second, FINDING)
        assert "20.png" in str(caught.value)


def test_other_truths_are_named():
    a, b = pair(5, 3, 9, 5)
    b.loc[3, "finding_true"] = "normal"
    with pytest.raises(UmsrepError, match="'3.png'.*same prepared data"):
        cmp.mcnemar(a, b, FINDING)


@pytest.mark.parametrize("threshold", [0, 95])
def test_bad_threshold(threshold):
    with pytest.raises(UmsrepError, match="for example 0.95"):
        cmp.mcnemar(masks([1]), masks([1]), LUNG, threshold)
