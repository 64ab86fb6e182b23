"""Probabilities and decisions calibrated on validation images.

A network's probabilities are usually overconfident, and 0.5 rarely separates
its two classes best on images of another hospital. Two numbers correct both;
they are chosen on validation images and stored with the run:

- a **temperature** T (Guo et al. 2017): the logits are divided by T, chosen
  to minimise the negative log-likelihood. The order of the images and the
  likeliest class stay as they are.
- for two classes a **threshold**: an image is positive when its calibrated
  probability of the positive class reaches it. It maximises Youden's J =
  sensitivity + specificity - 1. Unlike the thresholds of best accuracy or
  best MCC, that of best J does not depend on how frequent the classes are,
  and class frequencies are what differs most between a validation split and
  another hospital.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize
from sklearn.model_selection import StratifiedGroupKFold

from umsrep.errors import UmsrepError

Floats = NDArray[np.float64]

# Bounds for images that do not fix it (for example, if all are right).
TEMPERATURES = (0.05, 20.0)
# Probabilities from a 32-bit softmax may be exactly 0.
_SMALLEST = 1e-7


@dataclass(frozen=True)
class Calibration:
    """What `fit` learnt; stored by `dataclasses.asdict`, read by keyword.

    Attributes:
        temperature: Divides the logits; above 1 makes probabilities less
            extreme.
        threshold: Calibrated probability from which an image is positive;
            None takes the likeliest class (more than two classes).
    """

    temperature: float = 1.0
    threshold: float | None = None

    @property
    def at_bound(self) -> bool:
        """Whether the temperature is as far as it may go.

        Then the images did not fix it: every one of them is right, or the
        probabilities say nothing.
        """
        ends = np.log(TEMPERATURES)
        return bool(np.isclose(np.log(self.temperature), ends, atol=1e-3).any())

    def apply(
        self, probabilities: ArrayLike
    ) -> tuple[Floats, NDArray[np.int_]]:
        """Calibrated probabilities and decisions.

        Args:
            probabilities: Softmax outputs `(images, classes)`.

        Returns:
            `(calibrated, predicted)`: probabilities `(images, classes)`, and
            class indices `(images,)`.
        """
        calibrated = scale(probabilities, self.temperature)
        if self.threshold is None:
            return calibrated, calibrated.argmax(1)
        if calibrated.shape[1] != 2:
            raise UmsrepError(
                f"Got {calibrated.shape[1]} classes and a threshold; a "
                "threshold needs two classes. Fit the calibration on this "
                "task's own validation images."
            )
        positive = calibrated[:, 1] >= self.threshold
        return calibrated, positive.astype(int)


@dataclass(frozen=True)
class CrossFitted:
    """Calibrations of parts of the images, each learnt from the others.

    A threshold judged on the images that it was chosen on flatters itself:
    scores without any signal reach an MCC of 0.26 on 14 images.

    Attributes:
        part: Part of each image, `(images,)`.
        fitted: The calibration of each part.
    """

    part: NDArray[np.int_]
    fitted: tuple[Calibration, ...]

    def apply(
        self, probabilities: ArrayLike
    ) -> tuple[Floats, NDArray[np.int_]]:
        """As `Calibration.apply`, for all the images in their order."""
        given = np.asarray(probabilities, float)
        calibrated = np.empty_like(given)
        decided = np.empty(len(given), int)
        for number, fitted in enumerate(self.fitted):
            rows = self.part == number
            if rows.any():
                calibrated[rows], decided[rows] = fitted.apply(given[rows])
        return calibrated, decided


def cross_fit(
    probabilities: ArrayLike,
    labels: ArrayLike,
    patients: ArrayLike,
    parts: int = 5,
    seed: int = 0,
) -> CrossFitted:
    """Calibrations for images that a calibration is also chosen on.

    Args:
        probabilities: Softmax outputs `(images, classes)`.
        labels: Class indices `(images,)`, -1 where unknown.
        patients: Patient of each image; all of a patient's images are in one
            part.
        parts: Number of parts, fewer where a class has fewer patients.
        seed: Seed of the division.

    Returns:
        The calibrations. Where a class has fewer than two patients, none can
        be judged: temperature 1 and threshold 0.5.
    """
    given, known = np.asarray(probabilities, float), np.asarray(labels)
    people = np.asarray(patients)
    fewest = min(len(set(people[known == k])) for k in range(given.shape[1]))
    if fewest < 2:
        plain = Calibration(1.0, 0.5 if given.shape[1] == 2 else None)
        return CrossFitted(np.zeros(len(given), int), (plain,))
    parts = min(parts, fewest)
    split = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    part = np.empty(len(given), int)
    # Those without a label follow their patient.
    strata = np.maximum(known, 0)
    for number, (_, rows) in enumerate(split.split(given, strata, people)):
        part[rows] = number
    used = known >= 0
    return CrossFitted(
        part,
        tuple(
            fit(given[others & used], known[others & used])
            for others in (part != number for number in range(parts))
        ),
    )


def fit(probabilities: ArrayLike, labels: ArrayLike) -> Calibration:
    """Chooses temperature and threshold on validation images.

    Args:
        probabilities: Softmax outputs `(images, classes)`.
        labels: Class indices `(images,)`.

    Returns:
        The calibration. Without images, or with images of one class only,
        there is nothing to learn from: temperature 1 and, with two classes,
        threshold 0.5.
    """
    probabilities = np.asarray(probabilities, float)
    labels = np.asarray(labels)
    temperature = fit_temperature(probabilities, labels)
    if probabilities.shape[1] != 2:
        return Calibration(temperature)
    calibrated = scale(probabilities, temperature)
    return Calibration(temperature, fit_threshold(calibrated[:, 1], labels))


def fit_temperature(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """The temperature of least negative log-likelihood."""
    if len(np.unique(labels)) < 2:
        return 1.0

    def loss(log_temperature: float) -> float:
        return negative_log_likelihood(
            scale(probabilities, np.exp(log_temperature)), labels
        )

    # Convex in 1/T, so there is one minimum in log T.
    best = optimize.minimize_scalar(
        loss, bounds=np.log(TEMPERATURES), method="bounded"
    )
    return float(np.exp(best.x)) if best.fun < loss(0.0) else 1.0


def fit_threshold(positive: ArrayLike, labels: ArrayLike) -> float:
    """The threshold of best Youden's J.

    Args:
        positive: Probability of the positive class, `(images,)`.
        labels: 0 or 1, `(images,)`.

    Returns:
        The midpoint between two neighbouring probabilities that occur, which
        tolerates small changes of either; of equally good ones the nearest
        to 0.5. 0.5 itself when nothing is better than chance.
    """
    positive, labels = np.asarray(positive, float), np.asarray(labels)
    values, index = np.unique(positive, return_inverse=True)
    positives = np.bincount(index[labels == 1], minlength=len(values))
    negatives = np.bincount(index[labels == 0], minlength=len(values))
    if not (positives.any() and negatives.any()) or len(values) < 2:
        return 0.5
    # J of cutting below values[1], values[2], ...
    missed = np.cumsum(positives)[:-1] / positives.sum()
    cleared = np.cumsum(negatives)[:-1] / negatives.sum()
    gain = cleared - missed
    if gain.max() <= 0:
        return 0.5
    # The midpoint of two neighbouring floats may round to the lower one.
    middle = np.maximum(
        (values[1:] + values[:-1]) / 2, np.nextafter(values[:-1], np.inf)
    )
    best = middle[np.isclose(gain, gain.max(), rtol=0, atol=1e-12)]
    return float(best[np.argmin(np.abs(best - 0.5))])


def scale(probabilities: ArrayLike, temperature: float) -> Floats:
    """Softmax of the logits divided by `temperature`."""
    probabilities = np.asarray(probabilities, float)
    if probabilities.ndim != 2 or probabilities.shape[1] < 2:
        raise UmsrepError(
            f"Got probabilities of shape {probabilities.shape}; expected "
            "(images, classes). For one sigmoid output p, pass the columns "
            "1 - p and p."
        )
    if temperature == 1:
        return probabilities
    logits = np.log(np.maximum(probabilities, _SMALLEST)) / temperature
    logits -= logits.max(1, keepdims=True)
    scaled = np.exp(logits)
    return scaled / scaled.sum(1, keepdims=True)


def negative_log_likelihood(
    probabilities: ArrayLike, labels: ArrayLike
) -> float:
    """Mean -ln(probability of the true class), in nats."""
    labels = np.asarray(labels)
    chosen = np.asarray(probabilities)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, np.finfo(float).tiny)).mean())
