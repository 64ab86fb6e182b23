"""Checks of class indices and class probabilities."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from umsrep.errors import UmsrepError


def class_indices(
    labels: ArrayLike, name: str, num_classes: int | None = None
) -> NDArray[np.int_]:
    """`labels` as an array of integers, checked.

    Args:
        labels: Class indices, `(images,)`.
        name: "true" or "predicted", for the messages.
        num_classes: Number of classes, for a check of the range; None allows
            any index.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or not (
        np.issubdtype(labels.dtype, np.integer) or labels.dtype == bool
    ):
        raise UmsrepError(
            f"Got {name} labels of shape {labels.shape} and type "
            f"{labels.dtype}; expected one integer class index per image. "
            "Take argmax of one-hot labels, drop images without a label."
        )
    labels = labels.astype(int)
    if num_classes is not None and len(labels):
        low, high = labels.min(), labels.max()
        if low < 0 or high >= num_classes:
            raise UmsrepError(
                f"Got {name} labels from {low} to {high}; expected indices "
                f"0 to {num_classes - 1}. Check the order of the classes, and "
                "drop images without a label."
            )
    return labels


def check_lengths(true: NDArray, predicted: NDArray) -> None:
    """Raises unless there is one prediction per label."""
    if len(true) != len(predicted):
        raise UmsrepError(
            f"Got {len(true)} true labels and {len(predicted)} predictions. "
            "Pass one of each per image, in the same order."
        )


def check_probabilities(
    true: ArrayLike, probabilities: ArrayLike
) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Both as arrays: indices `(images,)`, probabilities of every class."""
    probabilities = np.asarray(probabilities, float)
    if probabilities.ndim != 2 or probabilities.shape[1] < 2:
        raise UmsrepError(
            f"Got probabilities of shape {probabilities.shape}; expected "
            "(images, classes) with at least 2 classes. For one sigmoid "
            "output p, pass the columns 1 - p and p."
        )
    true = class_indices(true, "true", probabilities.shape[1])
    check_lengths(true, probabilities)
    if not (
        np.isfinite(probabilities).all()
        and (probabilities >= 0).all()
        and np.allclose(probabilities.sum(1), 1, atol=1e-2)
    ):
        raise UmsrepError(
            "Got probabilities that are not in [0, 1] or do not sum to 1 "
            "per image. Pass the softmax output, not logits, and look for "
            "images on which the model gives nan."
        )
    return true, probabilities
