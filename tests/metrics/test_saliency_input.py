"""What constant, empty, odd and bad input gets from the saliency metrics."""

import numpy as np
import pytest
from saliency_cases import HEIGHT, METRICS, WIDTH, cases, points, two_maps

from umsrep.errors import UmsrepError
from umsrep.metrics import saliency

CASES = cases()
ZEROS, ONES = np.zeros((HEIGHT, WIDTH)), np.ones((HEIGHT, WIDTH))
# Not a binary fraction: its mean over the pixels is not exactly 0.1.
TENTHS = ONES / 10
# x, y of one fixation.
MIDDLE = [[WIDTH / 2, HEIGHT / 2]]


def random(seed):
    return np.random.default_rng([seed])


# Constant and empty maps.


@pytest.mark.parametrize("constant", [ZEROS, ONES, TENTHS])
def test_a_constant_map_tells_nothing(constant):
    values, _ = two_maps()
    fixations, others = points(random(1), 6), points(random(2), 30)
    assert saliency.cc(values, constant) == 0
    assert saliency.cc(constant, values) == 0
    assert saliency.cc(constant, constant) == 0
    assert saliency.nss(fixations, constant) == 0
    assert saliency.auc_judd(fixations, constant) == 0.5
    assert saliency.shuffled_auc(fixations, constant, others) == 0.5


@pytest.mark.parametrize("constant", [ZEROS, TENTHS])
def test_zeros_are_the_uniform_distribution(constant):
    values, _ = two_maps()
    fixations = points(random(1), 6)
    for metric in (saliency.kld, saliency.sim):
        for pair in ((values, constant), (constant, values)):
            uniform = [ONES if given is constant else given for given in pair]
            assert metric(*pair) == pytest.approx(metric(*uniform))
    assert saliency.kld(constant, ONES) == pytest.approx(0, abs=1e-12)
    assert saliency.sim(constant, ONES) == pytest.approx(1)
    assert saliency.information_gain(
        fixations, constant, values
    ) == pytest.approx(saliency.information_gain(fixations, ONES, values))
    assert saliency.information_gain(
        fixations, values, constant
    ) == pytest.approx(saliency.information_gain(fixations, values, ONES))


SINGLE = ZEROS.copy()
SINGLE[0, 0] = 1
NEARLY_CONSTANT = ONES.copy()
NEARLY_CONSTANT[4, 4] = np.nextafter(1, 0)
AWKWARD = {
    "zeros": ZEROS,
    "constant": TENTHS,
    "one pixel": SINGLE,
    "nearly constant": NEARLY_CONSTANT,
    "smallest": 5e-324 * SINGLE,
    "huge": 1e308 * ONES + 1e307 * SINGLE,
}


@pytest.mark.parametrize("target", AWKWARD)
@pytest.mark.parametrize("predicted", AWKWARD)
def test_nothing_is_ever_nan(target, predicted):
    values = saliency.saliency_metrics(
        AWKWARD[target],
        AWKWARD[predicted],
        fixations=MIDDLE,
        baseline=AWKWARD[target],
        other_fixations=[[0, 0], [3, 4]],
    )
    assert tuple(values) == METRICS
    assert np.isfinite(list(values.values())).all()
    for area in ("auc_judd", "shuffled_auc", "sim"):
        assert 0 <= values[area] <= 1
    assert values["kld"] >= 0
    assert -1 <= values["cc"] <= 1


# The helper, and what is given.


def test_what_can_be_computed_is():
    given = CASES["smooth"]
    values = saliency.saliency_metrics(**given)
    assert tuple(values) == METRICS
    assert all(type(value) is float for value in values.values())

    def names(*left_out):
        kept = {k: v for k, v in given.items() if k not in left_out}
        found = saliency.saliency_metrics(**kept)
        assert found == {name: values[name] for name in found}
        return tuple(found)

    assert names("fixations") == METRICS[:3]
    assert names("baseline") == METRICS[:-1]
    assert names("other_fixations") == (*METRICS[:5], METRICS[-1])
    assert names("baseline", "other_fixations") == METRICS[:5]


def test_types_and_a_channel_axis():
    target, predicted = two_maps()
    low = predicted.astype("float16")
    assert saliency.kld(target[..., None], low[..., None]) == saliency.kld(
        target, low.astype(float)
    )
    # Half precision has no room for such a sum.
    counts = np.full((300, 300), 7, "uint8")
    counts[0, 0] = 255
    assert saliency.kld(counts.astype("float16"), counts) == 0
    before = target.copy(), predicted.copy()
    saliency.saliency_metrics(target, predicted, MIDDLE, ONES, MIDDLE)
    np.testing.assert_array_equal((target, predicted), before)


with_pair = pytest.mark.parametrize(
    "metric",
    [
        saliency.kld,
        saliency.cc,
        saliency.sim,
        lambda a, b: saliency.information_gain(MIDDLE, b, a),
    ],
    ids=["kld", "cc", "sim", "information_gain"],
)


@with_pair
def test_maps_of_different_shape(metric):
    with pytest.raises(UmsrepError, match="Resize the predicted map"):
        metric(ONES, ONES[:, :-1])


BAD_MAPS = {
    "nan": (ONES * np.nan, "Look for a diverged model"),
    "infinite": (ONES * np.inf, "Look for a diverged model"),
    "negative": (SINGLE - 0.5, "Pass the softmax over the pixels"),
    "batch": (np.ones((2, HEIGHT, WIDTH)), "one image at a time"),
    "two channels": (np.ones((HEIGHT, WIDTH, 2)), "one image at a time"),
    "empty": (np.ones((0, WIDTH)), "one image at a time"),
}


@pytest.mark.parametrize("bad", BAD_MAPS)
@with_pair
def test_bad_maps_of_a_pair(metric, bad):
    values, advice = BAD_MAPS[bad]
    with pytest.raises(UmsrepError, match=advice):
        metric(ONES, values)
    with pytest.raises(UmsrepError, match=advice):
        metric(values, ONES)


at_fixations = pytest.mark.parametrize(
    "metric",
    [
        saliency.nss,
        saliency.auc_judd,
        lambda fixations, values: saliency.shuffled_auc(
            fixations, values, MIDDLE
        ),
        lambda fixations, values: saliency.shuffled_auc(
            MIDDLE, values, fixations
        ),
        lambda fixations, values: saliency.information_gain(
            fixations, values, ONES
        ),
    ],
    ids=["nss", "auc_judd", "shuffled", "shuffled_others", "gain"],
)


@pytest.mark.parametrize("bad", BAD_MAPS)
@at_fixations
def test_bad_map_at_fixations(metric, bad):
    values, advice = BAD_MAPS[bad]
    with pytest.raises(UmsrepError, match=advice):
        metric(MIDDLE, values)


@pytest.mark.parametrize(
    "outside",
    [(WIDTH, 3), (3, HEIGHT), (-0.1, 3), (3, -1e-9), (np.nan, 3), (3, np.inf)],
)
@at_fixations
def test_a_fixation_outside(metric, outside):
    with pytest.raises(UmsrepError, match="1 lie outside.*x and y swapped"):
        metric([*MIDDLE, outside], ONES)


@at_fixations
def test_no_fixations(metric):
    with pytest.raises(UmsrepError, match="Leave an image that nobody looked"):
        metric(np.zeros((0, 2)), ONES)
    with pytest.raises(UmsrepError, match="Leave an image that nobody looked"):
        metric([], ONES)


@pytest.mark.parametrize("shape", [(2,), (2, 3), (1, 2, 2)])
@at_fixations
def test_fixations_of_another_shape(metric, shape):
    with pytest.raises(UmsrepError, match="Stack the two columns"):
        metric(np.ones(shape), ONES)
