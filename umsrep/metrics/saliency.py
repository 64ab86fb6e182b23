"""Metrics of one predicted saliency map, against a map or fixations.

Conventions, the same for every function:

- A map has shape `(height, width)` or `(height, width, 1)`, values >= 0 at
  any scale; everything is computed in float64. Wherever a map is read as a
  distribution it is divided by its sum first.
- `fixations` are a float array `(n, 2)` of x, y in pixels of the map: the
  origin is the top-left corner of the image and x runs to the right, so a
  fixation lies on the pixel (row floor(y), column floor(x)). A pixel fixated
  twice counts twice, as on the MIT/Tuebingen benchmark.
- One image per call, one float per metric, never nan. Average over images.
- `UmsrepError` is raised for maps of different shapes, a map that is negative
  or not finite, no fixations, and a fixation outside the map.

Constant and empty maps:

- A map of zeros is read as the uniform distribution (as in pysaliency).
- A constant map has `cc` and `nss` 0 and the areas 0.5: it says nothing.
  pysaliency agrees where it is finite; its CC with a constant true map is nan.
- Where the logarithm of a probability of 0 would be needed, the probability
  is `FLOOR`.

Zhu et al. 2022 (MT-UNet) report KLD, CC and SIM only, since their eye tracker
was too inaccurate for metrics at fixations; for all of them see Bylinskii et
al. 2019, "What do different evaluation metrics tell us about saliency
models?".
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from umsrep.errors import UmsrepError

# Smallest probability of a pixel under a logarithm: pysaliency's
# `minimum_value`. One pixel given up costs at most about 46 nats
# or 66 bits.
FLOOR = 1e-20

Floats = NDArray[np.float64]
Pixels = tuple[NDArray[np.int_], NDArray[np.int_]]


def kld(true: ArrayLike, predicted: ArrayLike) -> float:
    """Kullback-Leibler divergence of two maps in nats, >= 0; less is better.

    `sum t ln(t / p)` over the pixels of the two distributions, 0 ln 0 = 0
    (Zhu et al. 2022, Eq. 2). `predicted` is clipped at `FLOOR`, so a pixel
    that it leaves at zero costs much, but not infinitely much.
    """
    true, predicted = _pair(true, predicted)
    floored = np.maximum(_density(predicted), FLOOR)
    divergence = special.rel_entr(_density(true), floored).sum()
    # The sum of two nearly equal maps may round below zero.
    return max(float(divergence), 0.0)


def cc(true: ArrayLike, predicted: ArrayLike) -> float:
    """Pearson's correlation of two maps over the pixels, in [-1, 1].

    PCC in Zhu et al. 2022. 0 if either map is constant.
    """
    true, predicted = _pair(true, predicted)
    if _constant(true) or _constant(predicted):
        return 0.0
    maps = np.stack([_scaled(true).ravel(), _scaled(predicted).ravel()])
    return float(np.asarray(np.corrcoef(maps))[0, 1])


def sim(true: ArrayLike, predicted: ArrayLike) -> float:
    """Similarity of two maps in [0, 1]: the sum of the pixelwise minima.

    Of the two distributions; the histogram intersection, HS in Zhu et al.
    2022. 1 for equal distributions, 0 for disjoint ones.
    """
    true, predicted = _pair(true, predicted)
    shared = np.minimum(_density(true), _density(predicted)).sum()
    return min(float(shared), 1.0)


def nss(fixations: ArrayLike, predicted: ArrayLike) -> float:
    """Normalised scanpath saliency (Peters et al. 2005); 0 is chance.

    The mean, over the fixations, of the map in standard deviations above its
    mean (population standard deviation, as pysaliency; the MIT code divides
    by pixels - 1). 0 for a constant map.
    """
    predicted = _map(predicted, "predicted")
    at = _pixels(fixations, predicted.shape)
    if _constant(predicted):
        return 0.0
    scaled = _scaled(predicted)
    return float((scaled[at].mean() - scaled.mean()) / scaled.std())


def auc_judd(fixations: ArrayLike, predicted: ArrayLike) -> float:
    """Area under the ROC curve of fixated against unfixated pixels.

    In [0, 1]; 0.5 is chance, also for one fixation. Positives are the values
    at the fixations, negatives those of every pixel without one (Judd et al.
    2009; the AUC_Judd of the MIT code and of pysaliency). It is the share of
    pairs in which the fixation has the higher value, a tie counting one half:
    no random jitter of the map. If every pixel is fixated there is nothing to
    rank and the area is 0.5.

    The two codes draw the curve through the thresholds at fixated values
    only, which adds up to 1 / (2 n) for n fixations of different value (one
    fixation at random scores 0.75). Here the curve has all thresholds:
    pysaliency's `AUC(nonfixations="unfixated", thresholds="all")`.
    """
    predicted = _map(predicted, "predicted")
    at = _pixels(fixations, predicted.shape)
    unfixated = np.ones(predicted.shape, bool)
    unfixated[at] = False
    return _area(predicted[at], predicted[unfixated])


def shuffled_auc(
    fixations: ArrayLike, predicted: ArrayLike, other_fixations: ArrayLike
) -> float:
    """Area under the ROC curve against fixations of *other* images.

    In [0, 1]; 0.5 is chance, and the score of a map that only knows where
    people look in any image (Tatler et al. 2005; Zhang et al. 2008).
    Negatives are the values of this map at all of `other_fixations`: no
    random sample of them, and those that coincide with a fixation stay in (as
    in pysaliency). A tie counts one half.

    Args:
        fixations: Fixations of this image.
        predicted: The map of this image.
        other_fixations: All fixations of the other images, in pixels of this
            map; scale those of images of another size.
    """
    predicted = _map(predicted, "predicted")
    at = _pixels(fixations, predicted.shape)
    others = _pixels(other_fixations, predicted.shape, "other_fixations")
    return _area(predicted[at], predicted[others])


def information_gain(
    fixations: ArrayLike, predicted: ArrayLike, baseline: ArrayLike
) -> float:
    """Information gain over a baseline in bits per fixation.

    The mean, over the fixations, of `log2 p - log2 b` of the two
    distributions (Kuemmerer et al. 2015). 0 for the baseline itself,
    positive if `predicted` says more about where this image was looked at.
    Both are clipped at `FLOOR` (pysaliency does not clip, and its value is
    infinite at a fixated pixel of probability 0).

    Args:
        fixations: Fixations of this image.
        predicted: The map of this image.
        baseline: What is known without seeing the image, usually the blurred
            fixations of the *training* images.
    """
    baseline, predicted = _pair(baseline, predicted, "baseline")
    at = _pixels(fixations, predicted.shape)
    bits = [
        np.log2(np.maximum(_density(values)[at], FLOOR))
        for values in (predicted, baseline)
    ]
    return float((bits[0] - bits[1]).mean())


def saliency_metrics(
    true: ArrayLike,
    predicted: ArrayLike,
    fixations: ArrayLike | None = None,
    baseline: ArrayLike | None = None,
    other_fixations: ArrayLike | None = None,
) -> dict[str, float]:
    """The metrics of one image, by name, that can be computed.

    Args:
        true: The map to be predicted.
        predicted: The predicted map.
        fixations: Fixations of this image; without it only kld, cc, sim.
        baseline: Baseline of `information_gain`, which is left out without
            it.
        other_fixations: Negatives of `shuffled_auc`, which is left out
            without them.

    Returns:
        `{name: float}` of kld, cc, sim, nss, auc_judd, shuffled_auc,
        information_gain, in this order.
    """
    values = {
        "kld": kld(true, predicted),
        "cc": cc(true, predicted),
        "sim": sim(true, predicted),
    }
    if fixations is None:
        return values
    values["nss"] = nss(fixations, predicted)
    values["auc_judd"] = auc_judd(fixations, predicted)
    if other_fixations is not None:
        values["shuffled_auc"] = shuffled_auc(
            fixations, predicted, other_fixations
        )
    if baseline is not None:
        values["information_gain"] = information_gain(
            fixations, predicted, baseline
        )
    return values


def _area(positives: Floats, negatives: Floats) -> float:
    """Probability that a positive is above a negative, ties one half."""
    if len(negatives) == 0:
        return 0.5
    negatives = np.sort(negatives)
    below = np.searchsorted(negatives, positives, "left")
    not_above = np.searchsorted(negatives, positives, "right")
    return float((below + not_above).mean() / (2 * len(negatives)))


def _density(values: Floats) -> Floats:
    """The map as a distribution over its pixels; zeros become uniform."""
    if not values.any():
        return np.full(values.shape, 1 / values.size)
    values = _scaled(values)
    return values / values.sum()


def _scaled(values: Floats) -> Floats:
    """The map with maximum 1, so that no sum or square of it overflows."""
    return values / values.max()


def _constant(values: Floats) -> bool:
    # Not the standard deviation, which rounding leaves above 0.
    return bool(values.min() == values.max())


def _pair(
    true: ArrayLike, predicted: ArrayLike, name: str = "true"
) -> tuple[Floats, Floats]:
    true = _map(true, name)
    predicted = _map(predicted, "predicted")
    if true.shape != predicted.shape:
        raise UmsrepError(
            f"Got a {name} map of shape {true.shape} and a predicted one "
            f"of shape {predicted.shape}; expected the same. Resize the "
            "predicted map before comparing them."
        )
    return true, predicted


def _map(values: ArrayLike, name: str) -> Floats:
    values = np.asarray(values, float)
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != 2 or values.size == 0:
        raise UmsrepError(
            f"Got a {name} map of shape {values.shape}; expected (height, "
            "width) or (height, width, 1). Pass one image at a time."
        )
    if not np.isfinite(values).all():
        raise UmsrepError(
            f"Got a {name} map with nan or infinite pixels; expected finite "
            "values. Look for a diverged model or a damaged file."
        )
    if values.min() < 0:
        raise UmsrepError(
            f"Got a {name} map with values down to {values.min():.4g}; "
            "expected no negative ones. Pass the softmax over the pixels, "
            "not logits, or subtract the minimum."
        )
    return values


def _pixels(
    fixations: ArrayLike, shape: tuple[int, ...], name: str = "fixations"
) -> Pixels:
    """Rows and columns of the fixated pixels."""
    fixations = np.asarray(fixations, float)
    if fixations.size == 0:
        raise UmsrepError(
            f"Got no {name}; expected at least one. Leave an image that "
            "nobody looked at out of the mean."
        )
    if fixations.ndim != 2 or fixations.shape[1] != 2:
        raise UmsrepError(
            f"Got {name} of shape {fixations.shape}; expected (n, 2), a row "
            "of x and y per fixation. Stack the two columns."
        )
    height, width = shape
    inside = ((fixations >= 0) & (fixations < (width, height))).all(1)
    if not inside.all():
        x, y = fixations[~inside][0]
        raise UmsrepError(
            f"Got {name} of which {np.count_nonzero(~inside)} lie outside "
            f"the map, first x = {x:g}, y = {y:g}; expected 0 <= x < {width} "
            f"and 0 <= y < {height}. Drop them, or scale them to the size of "
            "the map; look for x and y swapped."
        )
    columns, rows = np.floor(fixations).astype(int).T
    return rows, columns
