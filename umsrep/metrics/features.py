"""Numbers of the features of many images, without labels."""

import numpy as np
from numpy.typing import ArrayLike


def spread(features: ArrayLike) -> float:
    """How much the directions of features differ, from 0 to 1.

    The standard deviation over images of L2-normalised features, averaged over
    dimensions and times the root of their number (Chen & He 2021, "Exploring
    Simple Siamese Representation Learning", Section 4.1): 0 if all images
    have the same feature, 1 if directions are spread evenly.

    Args:
        features: (images, dimensions).
    """
    values = np.asarray(features, np.float64)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    directions = values / np.maximum(lengths, 1e-12)
    return float(directions.std(axis=0).mean() * np.sqrt(values.shape[1]))


def effective_rank(features: ArrayLike) -> float:
    """In how many directions features differ, from 1 to their dimensions.

    The exponential of the entropy of the singular values' shares (Roy &
    Vetterli 2007, Equation 4; as "RankMe", Garrido et al. 2023), here of
    centred features, so that what all images share does not count. 1 if they
    differ in one direction, or not at all.

    Args:
        features: (images, dimensions).
    """
    values = np.asarray(features, np.float64)
    values = values - values.mean(axis=0)
    singular = np.linalg.svd(values, compute_uv=False)
    total = singular.sum()
    if total <= 1e-12:
        return 1.0
    shares = singular[singular > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))
