"""How well a few features tell a label, cross-validated by patient.

A logistic regression is fitted on four fifths of the patients and scores the
others, five times. Chance is an area under the ROC curve of 0.5, also with
several classes, where the mean over "this class against the rest" is taken.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from umsrep.evaluation import intervals
from umsrep.metrics.weighted import rank_auc

FOLDS = 5
# Of each class, at least: fewer say nothing about a classifier.
FEWEST_IMAGES, FEWEST_GROUPS = 10, 5
# Columns from which on principal components are taken, and how many.
COMPONENTS = 40
# Columns up to which squares and products are added.
SQUARED = 4
PERMUTATIONS, RESAMPLES = 200, 500


@dataclass(frozen=True)
class Probe:
    """What a probe of one source found about one label.

    Attributes:
        auc: Area under the ROC curve of images that were not fitted on;
            chance is 0.5.
        low, high: Its patient-clustered 95 % interval.
        p: Of a permutation of the labels between patients, one-sided.
        images, patients, classes: Numbers of each.
        coefficients: (columns,) of the last class, in standard deviations of
            each column; None with few columns.
    """

    auc: float
    low: float
    high: float
    p: float
    images: int
    patients: int
    classes: int
    coefficients: NDArray[np.float64] | None = None


def usable(labels: NDArray[np.int_], groups: NDArray) -> NDArray[np.bool_]:
    """(n,) bool: images of classes with enough images and patients.

    Args:
        labels: (n,) class indices, negative where unknown.
        groups: (n,) whose each image is.
    """
    keep = np.zeros(len(labels), bool)
    for label in np.unique(labels[labels >= 0]):
        members = labels == label
        if (
            members.sum() >= FEWEST_IMAGES
            and len(set(groups[members])) >= FEWEST_GROUPS
        ):
            keep |= members
    return keep


def probe(
    features: NDArray[np.float64],
    labels: NDArray[np.int_],
    groups: NDArray,
    seed: int = 0,
) -> Probe | None:
    """How well features tell a label.

    Args:
        features: (n, columns), finite.
        labels: (n,) class indices, negative where unknown.
        groups: (n,) whose each image is: folds, interval and permutations
            keep them together.
        seed: Of folds, resamples and permutations.

    Returns:
        A `Probe`, or None where fewer than two classes have enough images.
    """
    keep = usable(labels, groups)
    classes, labels = np.unique(labels[keep], return_inverse=True)
    if len(classes) < 2:
        return None
    groups = np.unique(groups[keep].astype(str), return_inverse=True)[1]
    columns = _columns(np.asarray(features, float)[keep], seed)
    scores, coefficients = _cross_validated(
        columns, labels, groups, len(classes), seed
    )
    low, high = auc_interval(labels, scores, groups, seed)
    return Probe(
        auc=float(auc(labels, scores)),
        low=low,
        high=high,
        p=permutation_p(labels, scores, groups, seed),
        images=len(labels),
        patients=len(np.unique(groups)),
        classes=len(classes),
        coefficients=coefficients,
    )


def auc(
    labels: NDArray[np.int_],
    scores: NDArray[np.float64],
    weights: NDArray | None = None,
) -> NDArray[np.float64] | float:
    """Area under the ROC curve; of several classes the mean over them.

    Args:
        labels: (n,) class indices from 0.
        scores: (n, classes); with two classes the last column counts.
        weights: (resamples, n), or None.
    """
    if weights is None:
        weights = np.ones(len(labels))
    last = scores.shape[1] - 1
    parts = [
        rank_auc(labels == label, scores[:, label], weights)
        for label in ([last] if last == 1 else range(last + 1))
    ]
    return np.mean(parts, axis=0)


def auc_interval(
    labels: NDArray[np.int_],
    scores: NDArray[np.float64],
    groups: NDArray,
    seed: int = 0,
) -> tuple[float, float]:
    """The 95 % interval of `auc`, by patient; of several classes BCa."""
    if scores.shape[1] == 2:
        found = intervals.auc(labels == 1, scores[:, 1], groups)
    else:
        found = intervals.statistic(
            lambda weights: np.asarray(auc(labels, scores, weights)),
            groups,
            resamples=RESAMPLES,
            seed=seed,
        )
    return found.low, found.high


def permutation_p(
    labels: NDArray[np.int_],
    scores: NDArray[np.float64],
    groups: NDArray,
    seed: int = 0,
) -> float:
    """One-sided p of `auc` where labels are exchanged between patients.

    All labels of a patient move together, to a patient with as many images.
    The tail is that of a normal distribution with the mean and deviation of
    the permuted areas, so that few permutations reach small p.
    """
    rng = np.random.default_rng([seed, 0x9E12])
    rows = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    sizes = np.array([len(members) for members in rows])
    blocks = [
        np.array([rows[i] for i in np.flatnonzero(sizes == size)])
        for size in np.unique(sizes)
    ]
    ranks = rankdata(scores, axis=0)
    moved = np.tile(labels, (PERMUTATIONS, 1))
    for row in moved:
        for block in blocks:
            row[block] = labels[block[rng.permutation(len(block))]]
    chance = _rank_aucs(moved, ranks)
    observed = _rank_aucs(labels[None], ranks)[0]
    deviation = max(float(chance.std(ddof=1)), 1e-9)
    return float(norm.sf((observed - chance.mean()) / deviation))


def _rank_aucs(labels: NDArray, ranks: NDArray) -> NDArray[np.float64]:
    """(rows,) `auc` of many labellings of the same scores."""
    last = ranks.shape[1] - 1
    parts = []
    for label in [last] if last == 1 else range(last + 1):
        positive = labels == label
        count = positive.sum(1)
        total = positive @ ranks[:, label] - count * (count + 1) / 2
        parts.append(total / (count * (ranks.shape[0] - count)))
    return np.mean(parts, axis=0)


def _columns(features: NDArray, seed: int) -> "_Columns":
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    scaler = StandardScaler().fit(features)
    scaled = scaler.transform(features)
    if scaled.shape[1] <= SQUARED:
        expanded = PolynomialFeatures(2, include_bias=False)
        return _Columns(expanded.fit_transform(scaled), None)
    most = min(COMPONENTS, scaled.shape[0] // 5, scaled.shape[1])
    if scaled.shape[1] > COMPONENTS or most < scaled.shape[1]:
        # Without labels, so it may see all images.
        pca = PCA(max(most, 1), random_state=seed).fit(scaled)
        return _Columns(pca.transform(scaled), pca.components_)
    return _Columns(scaled, None)


@dataclass(frozen=True)
class _Columns:
    """What is fitted on: (n, columns), and components (columns, features)."""

    values: NDArray[np.float64]
    components: NDArray[np.float64] | None


def _cross_validated(
    columns: _Columns,
    labels: NDArray[np.int_],
    groups: NDArray,
    classes: int,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """(scores (n, classes) of images not fitted on, mean coefficients)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.preprocessing import StandardScaler

    scores = np.zeros((len(labels), classes))
    found = []
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for fit, held in folds.split(columns.values, labels, groups):
        scaler = StandardScaler().fit(columns.values[fit])
        model = LogisticRegression(
            C=0.1, class_weight="balanced", max_iter=1000
        ).fit(scaler.transform(columns.values[fit]), labels[fit])
        given = model.decision_function(scaler.transform(columns.values[held]))
        if given.ndim == 1:
            given = np.stack([-given, given], axis=1)
        # Levels differ between folds, and would mix the ranks.
        given = (given - given.mean(0)) / (given.std(0) + 1e-12)
        scores[held[:, None], model.classes_] = given
        found.append(model.coef_[-1] / scaler.scale_)
    if columns.components is None:
        return scores, None
    return scores, np.mean(found, axis=0) @ columns.components
