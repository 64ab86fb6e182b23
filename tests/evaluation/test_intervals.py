"""Intervals hold what they promise; `benchmarks.coverage` simulates more."""

import itertools

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from benchmarks import coverage
from umsrep.errors import UmsrepError
from umsrep.evaluation import bootstrap, intervals
from umsrep.evaluation.interval_formulas import delong, placement_values
from umsrep.evaluation.pairing import sign_flip_test
from umsrep.evaluation.patients import People
from umsrep.metrics import classification, estimates


def binormal(seed, count=60, apart=1.2):
    rng = np.random.default_rng([seed])
    labels = rng.random(count) < 0.4
    return labels, rng.normal(size=count) + apart * labels


@pytest.mark.parametrize(("hits", "images"), [(0, 20), (7, 20), (20, 20)])
def test_a_share_of_independent_images_is_wilsons(hits, images):
    values = np.arange(images) < hits
    found = intervals.proportion(values, range(images))
    np.testing.assert_allclose(
        tuple(found), proportion_confint(hits, images, method="wilson")
    )
    assert found.high - found.low > 0.1
    assert found.method == "Wilson"


def test_images_of_a_patient_that_agree_tell_little_more_than_one():
    rng = np.random.default_rng([0])
    of_patient = rng.random(60) < 0.7
    repeated = np.repeat(of_patient, 5)
    by_patient = intervals.proportion(repeated, np.repeat(np.arange(60), 5))
    by_image = intervals.proportion(repeated, range(300))
    alone = intervals.proportion(of_patient, range(60))
    width, wrong, right = (
        i.high - i.low for i in (by_patient, by_image, alone)
    )
    assert 0.85 * right < width < 1.15 * right
    assert width > 1.7 * wrong
    assert "design effect" in by_patient.method


def test_f_score_ends_are_those_of_its_share():
    true, predicted = np.array([[1, 1, 1, 0, 0, 0], [1, 1, 0, 1, 0, 0]])
    hits, either = true & predicted == 1, (true | predicted) == 1
    low, high = intervals.f_score(hits, either, range(6))
    share = proportion_confint(2, 4, method="wilson")
    np.testing.assert_allclose(
        (low / (2 - low), high / (2 - high)), share, atol=1e-12
    )
    assert low < classification.f_score(true, predicted) < high


def test_placements_give_the_area_and_delongs_variance():
    labels, scores = binormal(1)
    values, area = placement_values(labels, np.round(scores, 1))
    probabilities = stats.norm.cdf(np.round(scores, 1))
    assert area == pytest.approx(
        classification.auc(
            labels.astype(int), np.c_[1 - probabilities, probabilities]
        )
    )
    assert area == pytest.approx(values[~labels].mean())
    # DeLong, DeLong & Clarke-Pearson (1988), with one image per patient; the
    # covariance of the two classes is 0 then, but for the sign-free rest.
    variance = delong(values - area, labels, People(range(60), 60, 0.95))
    expected = sum(
        np.var(values[side], ddof=1) / side.sum() for side in (labels, ~labels)
    )
    assert variance == pytest.approx(expected)


def test_area_of_repeated_images_is_that_of_the_patients():
    labels, scores = binormal(2)
    alone = intervals.auc(labels, scores, range(60))
    repeated = intervals.auc(
        np.repeat(labels, 4), np.repeat(scores, 4), np.repeat(np.arange(60), 4)
    )
    by_image = intervals.auc(
        np.repeat(labels, 4), np.repeat(scores, 4), range(240)
    )
    widths = [i.high - i.low for i in (repeated, alone, by_image)]
    assert widths[0] == pytest.approx(widths[1], rel=0.25)
    assert widths[0] > 1.5 * widths[2]


def test_perfect_results_do_not_prove_perfection():
    labels = np.arange(20) < 8
    people = range(20)
    assert intervals.auc(labels, labels, people).low < 0.95
    assert intervals.mcc(labels, labels, 2, people).low < 0.7
    assert intervals.f_score(labels, labels, people).low < 0.9
    assert intervals.average_precision(labels, labels, people).low < 0.8
    parts = [
        estimates.Proportion(np.ones(20, bool), side)
        for side in (labels, ~labels)
    ]
    assert intervals.mean_of_proportions(parts, people).low < 0.9


def test_intervals_contain_their_estimate():
    for seed in range(20):
        images = coverage.draw(
            np.random.default_rng(seed), 20, 0.9, 0.3, "1 to 8, one class"
        )
        values = images.values()
        for metric, estimate in images.estimates().items():
            low, high = intervals.of_estimate(
                estimate, images.patients, resamples=200
            )
            assert not low > values[metric]
            assert not high < values[metric]


def test_mean_of_many_is_normal():
    values = np.random.default_rng([3]).normal(2, 1, 2000)
    low, high = intervals.mean(values, range(2000))
    half = 1.96 * values.std(ddof=1) / np.sqrt(2000)
    assert low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_mean_stays_in_its_range_and_skips_what_is_missing():
    values = np.array([0.99, 0.98, 1.0, np.nan, 0.2, 0.97])
    low, high = intervals.mean(values, range(6), bounds=(0, 1))
    assert 0 <= low < np.nanmean(values) < high <= 1
    assert tuple(
        intervals.mean(values[[0, 1, 2, 4, 5]], range(5), bounds=(0, 1))
    ) == (
        low,
        high,
    )


def test_a_mean_scales_whatever_rounding_leaves_of_equal_values():
    values = np.array([0.1] * 18 + [0.5] * 2)
    for factor in (1, 3, 7):
        low, high = intervals.mean(factor * values, range(20), bounds=(0, 10))
        assert 0 <= low < factor * values.mean() < high < 10 / factor + 3
    bounded = intervals.mean([1] * 19 + [0], range(20), bounds=(0, 1))
    assert bounded.low < 0.9
    assert bounded.high == 1


def test_two_patients_never_give_a_point():
    found = intervals.mean([0.9, 0.8], [1, 2], bounds=(0, 1))
    assert found.high - found.low > 0.3
    assert found.note == "2 patients"


@pytest.mark.parametrize(
    ("values", "people", "why"),
    [
        ([np.nan, np.inf], [1, 2], "no image"),
        ([0.5, 0.9], [1, 2], "too few different values"),
        ([0.5] * 6, range(6), "all values are equal"),
        ([0.5, 0.6], [1, 1], "one patient only"),
    ],
)
def test_no_interval_says_why(values, people, why):
    found = intervals.mean(values, people)
    assert np.isnan(tuple(found)).all()
    assert found.note == why


def test_median_is_by_order_statistics():
    values = np.arange(101.0)
    low, high = intervals.median(values, range(101))
    # 101 images: 50 +- 1.96 * sqrt(101) / 2, about the 40th and the 60th.
    assert 39 <= low <= 41
    assert 59 <= high <= 61


def test_bca_of_a_mean_is_near_the_studentised():
    values = np.random.default_rng([4]).gamma(2, size=80)
    bca = intervals.statistic(
        lambda w: values.mean() if w is None else w @ values / w.sum(-1),
        range(80),
    )
    other = intervals.mean(values, range(80))
    assert tuple(bca) == pytest.approx(tuple(other), rel=0.05)


def test_few_patients_are_noted():
    labels = np.arange(20) < 15
    assert intervals.proportion(labels, range(20)).note == "20 patients"
    found = intervals.auc(labels, np.arange(20), range(20))
    assert found.note == "5 patients of a class"
    assert intervals.proportion(np.arange(21) < 9, range(21)).note == ""
    labels = np.arange(40) < 10
    note = intervals.mcc(labels, labels, 2, range(40)).note
    assert note == "10 patients of a class"
    labels = np.arange(40) < 3
    note = intervals.auc(labels, np.arange(40), range(40)).note
    assert note == "3 patients of a class"
    assert intervals.proportion(labels, range(40)).note == ""


@pytest.mark.parametrize(
    "condition",
    [
        (20, 0.85, 0.5, "1 image"),
        (20, 0.97, 0.3, "3 images"),
        (50, 0.97, 0.5, "1 to 8, one class"),
        (100, 0.7, 0.1, "3, one class"),
    ],
)
def test_coverage(condition, monkeypatch):
    monkeypatch.setattr(coverage, "TRUTH", 200_000)
    # 95 % less four standard errors of 100 repetitions; percentile bootstraps
    # had 65 to 87 %.
    for row in coverage.coverages(100, [condition], resamples=200):
        assert row["coverage"] > 0.86, row


def test_degenerate_classes_have_no_interval_and_say_why():
    everyone = range(6)
    none = np.zeros(6, bool)
    assert intervals.f_score(none, none, everyone).note == "no image"
    assert not intervals.f_score(none, none, everyone).method
    constant = intervals.mcc([0, 1] * 3, [1] * 6, 2, everyone)
    assert constant.note == "every image is called the same"
    one = intervals.proportion([1, 0, 1], ["a"] * 3)
    assert one.note == "one patient only"
    classes = np.zeros(6, int)
    found = estimates.of_labels(classes, classes, np.eye(3)[classes], "abc")
    assert len(found["specificity"].parts) == 2


@pytest.mark.parametrize(
    "call",
    [
        lambda p: intervals.proportion([1, 0, 1], p),
        lambda p: intervals.auc([1, 0, 1], [0.1, 0.2, 0.3], p),
        lambda p: intervals.mean([0.1, 0.2, 0.3], p),
        lambda p: intervals.median([0.1, 0.2, 0.3], p),
        lambda p: sign_flip_test([0.1, 0.2, 0.3], p),
        lambda p: list(bootstrap.patient_weights(p)),
    ],
)
def test_an_image_without_a_patient_is_refused(call):
    with pytest.raises(UmsrepError, match=r"no patient.*Give\s+each"):
        call(["a", None, "b"])


def test_scores_that_are_no_number_are_refused():
    with pytest.raises(UmsrepError, match="'scores' holds.*Leave these"):
        intervals.auc([1, 0, 1], [0.1, np.nan, 0.3], range(3))


@pytest.mark.parametrize(
    "call",
    [
        lambda: intervals.proportion([1, 0], ["a"]),
        lambda: intervals.auc([1, 0], [0.1, 0.2], [1]),
    ],
)
def test_one_patient_per_image(call):
    with pytest.raises(UmsrepError, match="one patient per image"):
        call()


def test_a_level_in_percent_is_refused():
    with pytest.raises(UmsrepError, match=r"between 0 and 1 \(0.95\)"):
        intervals.proportion([1, 0], [1, 2], level=95)


def test_more_confidence_is_wider():
    labels, scores = binormal(6)
    levels = [
        intervals.auc(labels, scores, range(60), level)
        for level in (0.8, 0.95, 0.99)
    ]
    for inner, outer in itertools.pairwise(levels):
        assert outer.low < inner.low < inner.high < outer.high
