"""Properties of the saliency metrics that follow from their equations."""

import numpy as np
import pytest
from saliency_cases import (
    HEIGHT,
    METRICS,
    WIDTH,
    at,
    cases,
    pixel_centres,
    points,
    two_maps,
)
from scipy import stats

from umsrep.metrics import saliency

CASES = cases()
ZEROS, ONES = np.zeros((HEIGHT, WIDTH)), np.ones((HEIGHT, WIDTH))


def random(seed):
    return np.random.default_rng([seed])


def gaussian(x, y, width=4.0):
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    squared = (columns - x) ** 2 + (rows - y) ** 2
    return np.exp(-squared / (2 * width**2))


# Of two maps.


@pytest.mark.parametrize("seed", range(3))
def test_kld_is_zero_only_for_equal_distributions(seed):
    target, predicted = two_maps(seed)
    assert saliency.kld(target, target) == 0
    assert saliency.kld(target, 7 * target) == pytest.approx(0, abs=1e-12)
    assert saliency.kld(target, predicted) > 1e-3
    nudged = target.copy()
    nudged[3, 4] *= 1.01
    assert saliency.kld(target, nudged) > 1e-9
    assert saliency.kld(target, predicted) != pytest.approx(
        saliency.kld(predicted, target)
    )


def test_kld_by_hand_in_nats():
    # 1/2 ln(1/2 / 1/4) + 1/2 ln(1/2 / 3/4), and 0 ln 0 = 0 beside it.
    assert saliency.kld([[1, 1, 0]], [[1, 3, 0]]) == pytest.approx(
        np.log(2) / 2 + np.log(2 / 3) / 2
    )
    assert saliency.kld([[1, 0]], [[1, 1]]) == pytest.approx(np.log(2))


def test_kld_of_a_pixel_given_up_is_finite():
    assert saliency.kld([[1, 1]], [[1, 0]]) == pytest.approx(
        np.log(0.5) / 2 + np.log(0.5 / saliency.FLOOR) / 2
    )


def test_kld_of_disjoint_maps_is_the_entropy_and_the_floor():
    worst = saliency.kld([[1, 0]], [[0, 1]])
    assert worst == pytest.approx(-np.log(saliency.FLOOR))
    assert worst < 47


@pytest.mark.parametrize("scale", [1e-310, 1e-30, 255, 1e300])
@pytest.mark.parametrize("metric", METRICS)
def test_the_scale_of_a_map_does_not_matter(metric, scale):
    # 1e-310 and 1e300: no sum or square underflows or overflows.
    given = CASES["smooth"]
    peak = given["predicted"].max()
    scaled = {**given, "predicted": given["predicted"] / peak * scale}
    tolerance = 1e-3 if scale < 1e-300 else 1e-9
    assert saliency.saliency_metrics(**scaled)[metric] == pytest.approx(
        saliency.saliency_metrics(**given)[metric], abs=tolerance
    )


@pytest.mark.parametrize("seed", range(3))
def test_cc_ignores_scale_and_offset(seed):
    target, predicted = two_maps(seed)
    value = saliency.cc(target, predicted)
    assert saliency.cc(3 * target + 2, 40 * predicted) == pytest.approx(value)
    assert saliency.cc(predicted, target) == pytest.approx(value)
    assert saliency.cc(target, 2 * target + 1) == pytest.approx(1)
    assert saliency.cc(target, 1 - target) == pytest.approx(-1)


@pytest.mark.parametrize("seed", range(3))
def test_sim_is_a_symmetric_share(seed):
    target, predicted = two_maps(seed)
    value = saliency.sim(target, predicted)
    assert 0 < value < 1
    assert saliency.sim(predicted, target) == value
    assert saliency.sim(target, 9 * target) == pytest.approx(1)
    # The shared part is what the total variation distance leaves.
    assert value == pytest.approx(1 - np.abs(target - predicted).sum() / 2)


def test_sim_of_disjoint_maps_is_zero():
    left, right = ZEROS.copy(), ZEROS.copy()
    left[:, :10], right[:, 10:] = 1, 1
    assert saliency.sim(left, right) == 0


def test_rounding_does_not_leave_the_range():
    # Sums of 672 terms of maps equal but for the last digits.
    for seed in range(100):
        target, _ = two_maps(seed)
        noise = 1 + 1e-15 * random(seed).normal(size=target.shape)
        assert 0 <= saliency.kld(target, target * noise) < 1e-12
        for scale in (0.3, 1, 9):
            assert 1 - 1e-12 < saliency.sim(target, scale * target) <= 1


def test_kld_and_sim_agree_by_pinsker():
    for seed in range(5):
        target, predicted = two_maps(seed)
        distance = 1 - saliency.sim(target, predicted)
        assert saliency.kld(target, predicted) >= 2 * distance**2


# At fixations.


def test_a_fixation_lies_on_its_pixel():
    # x runs to the right, y down; floor, not rounding.
    values = ZEROS.copy()
    values[2, 5] = 1
    for inside in ([5, 2], [5.999, 2.999], [5.5, 2.0]):
        assert saliency.auc_judd([inside], values) == 1
    for outside in ([4.999, 2.5], [5.5, 3.0], [2.5, 5.5]):
        assert saliency.auc_judd([outside], values) < 0.5


def test_nss_counts_standard_deviations():
    # Mean 1, population standard deviation sqrt(3): the peak is 3 above.
    values = [[4, 0], [0, 0]]
    assert saliency.nss([[0, 0]], values) == pytest.approx(np.sqrt(3))
    assert saliency.nss([[1, 0]], values) == pytest.approx(-1 / np.sqrt(3))


@pytest.mark.parametrize("seed", range(3))
def test_fixations_on_all_pixels_are_chance(seed):
    values, _ = two_maps(seed)
    everywhere = pixel_centres()
    assert saliency.nss(everywhere, values) == pytest.approx(0, abs=1e-12)
    assert saliency.auc_judd(everywhere, values) == 0.5
    assert saliency.shuffled_auc(
        everywhere, values, everywhere
    ) == pytest.approx(0.5)


def test_nss_ignores_scale_and_offset():
    values, _ = two_maps()
    fixations = points(random(5), 9)
    assert saliency.nss(fixations, 5 * values + 2) == pytest.approx(
        saliency.nss(fixations, values)
    )


def test_areas_depend_on_the_order_of_the_pixels_only():
    values = CASES["smooth"]["predicted"]
    ranks = stats.rankdata(values).reshape(values.shape)
    fixations = CASES["smooth"]["fixations"]
    others = CASES["smooth"]["other_fixations"]
    for monotone in (ranks, ranks**2, np.log(ranks), np.exp(-1 / ranks)):
        assert saliency.auc_judd(fixations, monotone) == saliency.auc_judd(
            fixations, values
        )
        assert saliency.shuffled_auc(
            fixations, monotone, others
        ) == saliency.shuffled_auc(fixations, values, others)
    # The opposite order gives the opposite area.
    assert saliency.auc_judd(fixations, ranks.max() - ranks) == pytest.approx(
        1 - saliency.auc_judd(fixations, values)
    )


def test_one_random_fixation_has_area_one_half_on_average():
    values = CASES["smooth"]["predicted"]
    areas = [saliency.auc_judd([place], values) for place in pixel_centres()]
    assert np.mean(areas) == pytest.approx(0.5)


def test_a_repeated_fixation_counts_repeatedly():
    values, _ = two_maps()
    one, two = points(random(1), 4)[2:]
    others = points(random(2), 20)
    for metric in (
        lambda fixations: saliency.nss(fixations, values),
        lambda fixations: saliency.shuffled_auc(fixations, values, others),
        lambda fixations: saliency.information_gain(fixations, values, ONES),
    ):
        expected = (3 * metric([one]) + metric([two])) / 4
        assert metric([one, one, one, two]) == pytest.approx(expected)
    positives = np.array(at(values, [one, one, one, two]))
    unfixated = [value for value in values.ravel() if value not in positives]
    assert saliency.auc_judd([one, one, one, two], values) == pytest.approx(
        np.mean(positives[:, None] > unfixated)
    )


def test_centre_bias_is_nothing_to_the_shuffled_area():
    rng = random(3)
    middle = np.array([WIDTH / 2, HEIGHT / 2])

    def looks(count):
        found = rng.normal(middle, 3.0, (count, 2))
        return found[((found >= 0) & (found < (WIDTH, HEIGHT))).all(1)]

    bias = gaussian(*middle)
    own, others = looks(20_000), looks(20_000)
    # Its standard error is about 0.003.
    assert saliency.shuffled_auc(own, bias, others) == pytest.approx(
        0.5, abs=0.01
    )
    assert saliency.auc_judd(own[:30], bias) > 0.8
    # What is particular to the image is not nothing.
    corner = gaussian(3, 3)
    assert saliency.shuffled_auc([[3, 3], [4, 3]], corner, others) > 0.95


def test_information_gain_is_a_mean_of_log_likelihoods():
    values, baseline = two_maps(4)
    fixations = points(random(4), 15)
    expected = np.mean(
        [
            np.log2(value / values.sum()) - np.log2(bias / baseline.sum())
            for value, bias in zip(
                at(values, fixations), at(baseline, fixations), strict=True
            )
        ]
    )
    gain = saliency.information_gain(fixations, values, baseline)
    assert gain == pytest.approx(expected)
    assert saliency.information_gain(
        fixations, 9 * values, baseline / 5
    ) == pytest.approx(gain)
    assert saliency.information_gain(
        fixations, baseline, values
    ) == pytest.approx(-gain)
    assert saliency.information_gain(fixations, baseline, baseline) == 0


def test_information_gain_in_bits():
    # The right one of 8 equal pixels: 3 bits; the wrong one: the floor.
    values = np.zeros((2, 4))
    values[1, 3] = 1
    uniform = np.ones((2, 4))
    assert saliency.information_gain([[3, 1]], values, uniform) == 3
    assert saliency.information_gain([[0, 0]], values, uniform) == (
        pytest.approx(np.log2(saliency.FLOOR) + 3)
    )
    assert saliency.information_gain([[0, 0]], uniform, values) == (
        pytest.approx(-np.log2(saliency.FLOOR) - 3)
    )


def test_expected_information_gain_is_the_divergence():
    values, baseline = two_maps(6)
    gains = [
        saliency.information_gain([place], values, baseline)
        for place in pixel_centres()
    ]
    bits = saliency.kld(values, baseline) / np.log(2)
    assert np.sum(values.ravel() * gains) == pytest.approx(bits)
