import numpy as np
import pandas as pd
import pytest
from small_folders import predictions

from umsrep.data.prepared import TaskSpec
from umsrep.evaluation import comparison, ranking_tests
from umsrep.experiments import curve_statistics as statistics

LUNG = TaskSpec("lung", "mask")
FINDING = TaskSpec("finding", "label", ("normal", "abnormal"))


def tables(skill, repeats=3, images=24):
    return [
        predictions(images, skill, seed=10 * seed) for seed in range(repeats)
    ]


def test_a_curve_shows_the_ranking_of_a_label_and_the_dice_of_a_mask():
    assert statistics.headline(FINDING) == "auc"
    assert statistics.shown(FINDING)[:2] == ["auc", "accuracy"]
    assert statistics.shown(LUNG) == ["dice"]


def test_one_repeat_has_the_interval_of_its_patients():
    low, high = statistics.interval([0.8], [(0.7, 0.85)])
    assert (low, high) == pytest.approx((0.7, 0.85))


def test_repeats_that_agree_add_nothing_and_others_make_it_wider():
    ends = [(0.7, 0.85)] * 3
    assert statistics.interval([0.8] * 3, ends) == pytest.approx((0.7, 0.85))
    wide = statistics.interval(
        [0.75, 0.8, 0.85], [(v - 0.1, v + 0.05) for v in (0.75, 0.8, 0.85)]
    )
    assert wide[0] < 0.7
    assert wide[1] > 0.85
    # Student's t of three values, with the patients' in squares.
    half = 4.302653 * 0.05 / np.sqrt(3)
    assert wide[0] == pytest.approx(0.8 - np.hypot(0.1, half))
    assert statistics.interval([0.9] * 2, [(0.2, 1.6)] * 2, 0.5, 1.0) == (
        0.5,
        1.0,
    )


def test_repeats_without_an_interval_leave_none():
    assert np.isnan(statistics.interval([1.0], [(np.nan, np.nan)])).all()


def test_the_interval_covers_patients_and_repeats():
    """A mean of patients and of repeats, both drawn; 95 % of 400 times."""
    rng = np.random.default_rng(0)
    patients, repeats, times, hits, alone = 40, 5, 400, 0, 0
    for _ in range(times):
        person = rng.normal(0, 0.10, patients)
        training = rng.normal(0, 0.03, repeats)
        noise = rng.normal(0, 0.05, (repeats, patients))
        values = 0.5 + person + training[:, None] + noise
        means = values.mean(1)
        half = 2.02 * values.std(1, ddof=1) / np.sqrt(patients)
        ends = list(zip(means - half, means + half, strict=True))
        low, high = statistics.interval(means, ends)
        hits += low <= 0.5 <= high
        alone += ends[0][0] <= 0.5 <= ends[0][1]
    assert 0.93 <= hits / times
    # The patients of one training do not cover how trainings vary.
    assert alone < hits - 0.05 * times


@pytest.mark.parametrize("metric", ["auc", "accuracy", "average_precision"])
def test_equal_candidates_do_not_differ(metric):
    same = tables(1.0)
    found = statistics.difference(same, same, FINDING, metric)
    assert found["difference"] == 0
    assert found["p"] == 1
    assert found["better"] == 0
    assert found["low"] <= 0 <= found["high"]


def test_of_one_repeat_the_tests_are_those_of_a_comparison():
    ours, theirs = tables(2.0, 1), tables(-0.5, 1)
    expected = {
        (test.task, test.test.split()[0]): test
        for test in comparison.paired_tests(ours[0], theirs[0], [LUNG, FINDING])
        if "precision" not in test.metric
    }
    for spec, metric, test in (
        (LUNG, "dice", "Wilcoxon"),
        (FINDING, "accuracy", "McNemar"),
        (FINDING, "auc", "exchanged"),
    ):
        found = statistics.difference(ours, theirs, spec, metric)
        other = expected[spec.name, test]
        assert found["difference"] == pytest.approx(other.difference)
        assert found["p"] == pytest.approx(other.p_patients)
        assert found["test_patients"] == other.patients


def test_the_difference_is_that_of_the_means_over_repeats():
    ours, theirs = tables(2.0), tables(-0.5)
    found = statistics.difference(ours, theirs, FINDING, "auc")

    def mean(side):
        return np.mean(
            [
                ranking_tests.auc(
                    (t["finding_true"] == "abnormal").to_numpy(),
                    t["finding_p_abnormal"].to_numpy(),
                )
                for t in side
            ]
        )

    assert found["difference"] == pytest.approx(mean(ours) - mean(theirs))
    assert found["better"] == 3
    assert found["p"] < 0.05 or found["low"] < 0 < found["high"]
    mirrored = statistics.difference(theirs, ours, FINDING, "auc")
    assert mirrored["difference"] == pytest.approx(-found["difference"])
    assert mirrored["p"] == pytest.approx(found["p"])
    assert mirrored["better"] == 0


def test_the_order_of_rows_does_not_matter():
    ours, theirs = tables(2.0), tables(-0.5)
    shuffled = [t.sample(frac=1, random_state=n) for n, t in enumerate(ours)]
    for metric, spec in (("dice", LUNG), ("auc", FINDING)):
        a = statistics.difference(ours, theirs, spec, metric)
        b = statistics.difference(shuffled, theirs, spec, metric)
        assert a["difference"] == pytest.approx(b["difference"])


def test_no_test_of_a_metric_that_has_none():
    pair = tables(1.0), tables(0.5)
    assert statistics.difference(*pair, LUNG, "iou") is None


@pytest.mark.parametrize(
    ("values", "target", "patients", "words"),
    [
        ([0.5, 0.7, 0.9], 0.7, 20, "20"),
        # Half way on the logarithm.
        ([0.5, 0.7, 0.9], 0.6, np.sqrt(200), "14"),
        ([0.8, 0.7, 0.9], 0.6, 10, statistics.AT_ONCE),
        ([0.5, 0.6, 0.7], 0.8, np.nan, statistics.NEVER),
    ],
)
def test_where_a_curve_reaches_a_target(values, target, patients, words):
    found, told = statistics.crossing([10, 20, 40], values, target)
    assert found == pytest.approx(patients, nan_ok=True)
    assert told == words
    # The same where less is better.
    found, _ = statistics.crossing(
        [10, 20, 40], [-v for v in values], -target, True
    )
    assert found == pytest.approx(patients, nan_ok=True)


def test_reaching_what_the_baseline_has_at_its_largest_number():
    rows = [
        {
            "candidate": name,
            "patients": size,
            "data": "home",
            "task": "finding",
            "metric": metric,
            "mean": mean,
        }
        for metric in ("accuracy", "auc")
        for name, curve in {
            "plain": {10: 0.5, 20: 0.6, 40: 0.7},
            "better": {10: 0.6, 20: 0.8, 40: 0.9},
        }.items()
        for size, mean in curve.items()
    ]
    found = statistics.reached(pd.DataFrame(rows), "plain", {"finding": "auc"})
    (row,) = found.to_dict("records")
    assert (row["candidate"], row["metric"]) == ("better", "auc")
    assert row["baseline_patients"] == 40
    assert row["patients"] == pytest.approx(np.sqrt(200))


def test_p_values_are_adjusted_within_one_metric_of_one_test_set():
    table = pd.DataFrame(
        {
            "data": ["home"] * 3 + ["abroad"],
            "task": "level",
            "metric": ["auc", "auc", "brier", "auc"],
            "p": [0.01, 0.04, 0.02, 0.03],
        }
    )
    adjusted = statistics.with_holm(table)["p_holm"]
    np.testing.assert_allclose(adjusted, [0.02, 0.04, 0.02, 0.03])
