import numpy as np
import pytest
from sklearn import metrics as sk

from umsrep.errors import UmsrepError
from umsrep.metrics import classification as cl


def example(classes, images=80, seed=0):
    """Labels, rounded (so tied) probabilities, and unsure predictions."""
    rng = np.random.default_rng([classes, seed])
    true = rng.integers(classes, size=images)
    probabilities = rng.dirichlet(np.ones(classes), size=images)
    probabilities[np.arange(images), true] += 0.4
    probabilities = np.round(probabilities, 1)
    probabilities /= probabilities.sum(1, keepdims=True)
    return true, probabilities.argmax(1), probabilities


def by_scikit_learn(true, predicted, probabilities, weights=None):
    classes = probabilities.shape[1]
    options = {"sample_weight": weights}
    average = {"average": "binary" if classes == 2 else "macro"}
    values = {
        "accuracy": sk.accuracy_score(true, predicted, **options),
        "balanced_accuracy": sk.balanced_accuracy_score(
            true, predicted, **options
        ),
        "f_score": sk.f1_score(true, predicted, **average, **options),
        "mcc": sk.matthews_corrcoef(true, predicted, **options),
        "sensitivity": sk.recall_score(true, predicted, **average, **options),
        "brier": sk.brier_score_loss(
            true,
            probabilities[:, 1] if classes == 2 else probabilities,
            **options,
        ),
    }
    if classes == 2:
        values["specificity"] = sk.recall_score(
            true, predicted, pos_label=0, **options
        )
        values["auc"] = sk.roc_auc_score(true, probabilities[:, 1], **options)
    elif weights is None:
        # scikit-learn's Hand & Till takes no weights.
        values["auc"] = sk.roc_auc_score(
            true, probabilities, multi_class="ovo", average="macro"
        )
    return values


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_equal_scikit_learn(classes, weighted):
    arrays = example(classes)
    weights = None
    if weighted:
        weights = np.random.default_rng([1]).integers(0, 4, len(arrays[0]))
    ours = cl.label_metrics(*arrays, weights)
    for name, value in by_scikit_learn(*arrays, weights).items():
        assert ours[name] == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("classes", [2, 3])
def test_whole_weights_repeat_images(classes):
    arrays = example(classes)
    weights = np.random.default_rng([2]).integers(0, 4, (6, len(arrays[0])))
    many = cl.label_metrics(*arrays, weights)
    for row, counts in enumerate(weights):
        repeated = [np.repeat(array, counts, axis=0) for array in arrays]
        for name, value in cl.label_metrics(*repeated).items():
            assert many[name].shape == (6,)
            assert many[name][row] == pytest.approx(value, abs=1e-12), name


def test_specificity_of_many_classes_is_one_against_the_rest():
    true, predicted, _ = example(4)
    each = [np.mean(predicted[true != label] != label) for label in range(4)]
    assert cl.specificity(true, predicted, 4) == pytest.approx(np.mean(each))


@pytest.mark.parametrize("classes", [2, 3])
def test_calibration_error_is_the_bins_mean_gap(classes):
    true, _, probabilities = example(classes)
    expected = 0
    for low in np.arange(15) / 15:
        confidence = probabilities.max(1)
        inside = (confidence > low + 1e-12) & (
            confidence <= low + 1 / 15 + 1e-12
        )
        if inside.any():
            right = probabilities.argmax(1)[inside] == true[inside]
            gap = abs(right.mean() - confidence[inside].mean())
            expected += inside.mean() * gap
    assert cl.expected_calibration_error(true, probabilities) == pytest.approx(
        expected
    )


def test_auc_is_hand_and_till_s_and_no_micro_average():
    # Each class's own probability ranks its images first, whatever their scale
    # is in other images; the micro-average of MT-UNet's code compares
    # probabilities of different images and classes.
    true = np.array([0, 1, 2])
    probabilities = np.array(
        [[0.90, 0.05, 0.05], [0.40, 0.50, 0.10], [0.45, 0.15, 0.40]]
    )
    assert cl.auc(true, probabilities) == 1
    micro = sk.roc_auc_score(np.eye(3)[true].ravel(), probabilities.ravel())
    assert micro < 1


def test_perfect_and_reversed_rankings():
    true = np.array([0, 0, 1, 1])
    ranked = np.array([0.1, 0.2, 0.3, 0.4])
    rising = np.c_[1 - ranked, ranked]
    assert cl.auc(true, rising) == 1
    assert cl.auc(1 - true, rising) == 0
    assert cl.auc(true, np.full((4, 2), 0.5)) == 0.5


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_only(label):
    true = np.full(5, label)
    predicted = np.array([0, 1, 0, 1, 1])
    probabilities = np.eye(2)[predicted]
    values = cl.label_metrics(true, predicted, probabilities)
    assert np.isnan(values["auc"])
    assert np.isnan(values["mcc"])
    assert np.isnan(values["balanced_accuracy"])
    assert np.isnan(values["specificity" if label else "sensitivity"])
    assert values["accuracy"] == np.mean(predicted == label)


def test_constant_prediction():
    true, constant = np.array([0, 0, 1]), np.zeros(3, int)
    assert cl.mcc(true, constant) == 0
    assert cl.f_score(true, constant) == 0
    assert np.isnan(cl.f_score(constant, constant))


def test_a_missing_class_leaves_auc_of_many_undefined():
    true, predicted, probabilities = example(3)
    keep = true != 2
    assert np.isnan(cl.auc(true[keep], probabilities[keep]))
    # The mean F-score leaves out what is neither there nor predicted.
    two = np.minimum(predicted[keep], 1)
    assert cl.f_score(true[keep], two, 3) == pytest.approx(
        sk.f1_score(true[keep], two, average="macro")
    )


@pytest.mark.parametrize(
    ("call", "advice"),
    [
        (lambda: cl.accuracy([0, 1], [0]), "one of each per image"),
        (lambda: cl.mcc([0, 2], [0, 1]), "Check the order of the classes"),
        (lambda: cl.mcc([-1, 1], [0, 1]), "drop images without a label"),
        (lambda: cl.accuracy(np.eye(2), [0, 1]), "Take argmax"),
        (lambda: cl.accuracy([0.0, 1.0], [0, 1]), "integer class index"),
        (lambda: cl.auc([0, 1], [0.2, 0.8]), "columns 1 - p and p"),
        (lambda: cl.auc([0, 1], [[3.0, -1], [0, 2]]), "not logits"),
        (lambda: cl.auc([0, 1], [[np.nan, 1], [0, 1]]), "nan"),
        (lambda: cl.mcc([0, 1], [0, 1], 2, np.ones(3)), "weight per image"),
    ],
)
def test_bad_input(call, advice):
    with pytest.raises(UmsrepError, match=advice):
        call()
