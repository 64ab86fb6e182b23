"""The saliency metrics are those of pysaliency, SciPy and scikit-learn."""

import json
from pathlib import Path

import numpy as np
import pytest
from saliency_cases import HEIGHT, METRICS, WIDTH, at, cases, pixel_centres
from scipy import stats
from sklearn import metrics as sk

from umsrep.metrics import saliency

CASES = cases()
RECORDED = json.loads(
    Path(__file__).with_name("pysaliency_values.json").read_text()
)["values"]
ZEROS, ONES = np.zeros((HEIGHT, WIDTH)), np.ones((HEIGHT, WIDTH))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("metric", METRICS)
def test_equal_pysaliency(case, metric):
    value = saliency.saliency_metrics(**CASES[case])[metric]
    assert value == pytest.approx(RECORDED[case][metric], abs=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_other_areas_of_pysaliency(case):
    predicted, fixations = CASES[case]["predicted"], CASES[case]["fixations"]
    everywhere = pixel_centres()
    assert saliency.shuffled_auc(
        fixations, predicted, everywhere
    ) == pytest.approx(RECORDED[case]["AUC uniform"], abs=1e-6)
    # AUC_Judd sees thresholds at fixations only: more by half the largest
    # share of fixations at one value, at most.
    _, repeats = np.unique(at(predicted, fixations), return_counts=True)
    more = RECORDED[case]["AUC_Judd"] - saliency.auc_judd(fixations, predicted)
    assert 0 < more <= repeats.max() / (2 * len(fixations))


def test_constants_equal_pysaliency():
    target, fixations = CASES["smooth"]["true"], CASES["smooth"]["fixations"]
    values = {
        "kld of predicted zeros": saliency.kld(target, ZEROS),
        "kld of target zeros": saliency.kld(ZEROS, target),
        "cc of predicted ones": saliency.cc(target, ONES),
        "sim of predicted zeros": saliency.sim(target, ZEROS),
        "nss of ones": saliency.nss(fixations, ONES),
        "auc_judd of ones": saliency.auc_judd(fixations, ONES),
    }
    assert values == pytest.approx(RECORDED["constants"], abs=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_equal_scipy(case):
    target, predicted = CASES[case]["true"], CASES[case]["predicted"]
    assert saliency.cc(target, predicted) == pytest.approx(
        stats.pearsonr(target.ravel(), predicted.ravel()).statistic
    )
    floored = np.maximum(predicted / predicted.sum(), saliency.FLOOR)
    assert saliency.kld(target, predicted) == pytest.approx(
        stats.entropy(target.ravel(), floored.ravel())
    )
    fixations = CASES[case]["fixations"]
    assert saliency.nss(fixations, predicted) == pytest.approx(
        np.mean(at(stats.zscore(predicted, axis=None), fixations))
    )


@pytest.mark.parametrize("case", CASES)
def test_areas_equal_scikit_learn(case):
    predicted = CASES[case]["predicted"]
    fixations = CASES[case]["fixations"]
    others = CASES[case]["other_fixations"]
    fixated = {(int(y), int(x)) for x, y in fixations}
    unfixated = [
        value
        for place, value in np.ndenumerate(predicted)
        if place not in fixated
    ]

    def area(negatives):
        positives = at(predicted, fixations)
        labels = [1] * len(positives) + [0] * len(negatives)
        return sk.roc_auc_score(labels, positives + negatives)

    assert saliency.auc_judd(fixations, predicted) == pytest.approx(
        area(unfixated)
    )
    assert saliency.shuffled_auc(fixations, predicted, others) == pytest.approx(
        area(at(predicted, others))
    )
