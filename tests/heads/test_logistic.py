"""The fit of linear heads, against scikit-learn and what it must not see."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from umsrep.heads import logistic


def data(count=60, width=8, classes=2, gap=1.5, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    columns = rng.normal(size=(count, width))
    columns[:, 0] += gap * labels
    return columns, labels, np.array([f"p{i}" for i in range(count)])


def probabilities(scores):
    scores = np.exp(scores - scores.max(1, keepdims=True))
    return scores / scores.sum(1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("width", [8, 90], ids=["tall", "wide"])
def test_equals_scikit_learn_at_the_chosen_penalty(classes, width):
    columns, labels, groups = data(width=width, classes=classes)
    found = logistic.fit(columns, labels, groups)
    assert found.penalty in logistic.PENALTIES
    scaled = StandardScaler().fit(columns)
    model = LogisticRegression(C=found.penalty, max_iter=1000, tol=1e-8).fit(
        scaled.transform(columns), labels
    )
    others, asked, _ = data(width=width, classes=classes, seed=1)
    expected = model.predict_proba(scaled.transform(others))
    given = probabilities(found.scores(others))
    np.testing.assert_allclose(given, expected, atol=2e-3)
    own = log_loss(labels, model.predict_proba(scaled.transform(columns)))
    assert found.loss == pytest.approx(own, rel=1e-2)


def test_units_do_not_matter():
    columns, labels, groups = data()
    others, *_ = data(seed=1)
    plain = logistic.fit(columns, labels, groups).scores(others)
    scaled = logistic.fit(columns * 1e3 + 7, labels, groups)
    np.testing.assert_allclose(
        plain, scaled.scores(others * 1e3 + 7), atol=1e-3
    )


def test_noise_gets_the_strongest_penalty_and_evidence_a_weak_one():
    noise, labels, groups = data(width=40, gap=0.0)
    told, *_ = data(width=40, gap=6.0)
    chosen = [logistic.fit(x, labels, groups).penalty for x in (noise, told)]
    assert chosen[0] <= 1e-3
    assert chosen[1] >= 0.1


def test_patients_are_left_out_as_a_whole():
    # Every patient has four pictures, nearly the same: by images left out one
    # learns to recognise patients, by patients left out nothing is learnt.
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(30), 4)
    own = rng.normal(size=(30, 40))
    columns = own[people] + 0.05 * rng.normal(size=(120, 40))
    labels = rng.permutation(30)[people] % 2
    alone = np.arange(120)
    assert logistic.fit(columns, labels, people).penalty == 1e-4
    assert logistic.fit(columns, labels, alone).penalty > 1e-2


def test_a_class_without_images_is_never_likely():
    columns, labels, groups = data()
    found = logistic.fit(columns, labels, groups, num_classes=3)
    assert found.kernel.shape == (8, 3)
    assert probabilities(found.scores(columns))[:, 2].max() < 1e-6


def test_weights_of_classes_move_the_odds_by_their_ratio():
    columns, labels, groups = data(400, gap=0.5)
    rare = np.flatnonzero((labels == 0) | (np.arange(400) % 8 == 1))
    columns, labels, groups = columns[rare], labels[rare], groups[rare]
    counts = np.bincount(labels)
    plain = logistic.fit(columns, labels, groups)
    equal = logistic.fit(
        columns, labels, groups, weights=len(labels) / (2 * counts)
    )
    moved = np.diff(equal.scores(columns) - plain.scores(columns)).mean()
    assert moved == pytest.approx(np.log(counts[0] / counts[1]), abs=0.25)


def test_one_patient_of_a_class_is_fitted_all_the_same():
    columns, labels, groups = data(20, gap=4.0)
    labels[2:] = 0
    found = logistic.fit(columns, labels, groups)
    assert found.penalty == logistic.USUAL_PENALTY
    assert np.isfinite(found.scores(columns)).all()
