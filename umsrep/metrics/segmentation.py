"""Metrics of one predicted mask against its reference mask.

Masks have shape `(height, width)` or `(height, width, 1)`; they are boolean,
or hold 0 for background and one other value (1 or 255) for the foreground.
Distances are in pixels.

Empty masks: if both masks lack a class, its Dice and IoU are 1
and surface distances 0 (nothing to find, nothing found). If only one lacks
it, Dice and IoU are 0 and a surface distance is the diagonal of the image,
the largest there is: an organ that was missed is never left out of a mean.

Pixels of one image are not independent, so there is no pixel-level test and
no pooling over images: every number belongs to one image.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from umsrep.errors import UmsrepError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def dice(true: ArrayLike, predicted: ArrayLike) -> float:
    """Foreground Dice (the F-score of the pixels), in [0, 1]."""
    return _dice(*_pair(true, predicted))


def iou(true: ArrayLike, predicted: ArrayLike) -> float:
    """Foreground intersection over union, in [0, 1]; never above Dice."""
    return _iou(*_pair(true, predicted))


def dice_mean(true: ArrayLike, predicted: ArrayLike) -> float:
    """Mean of foreground and background Dice.

    Zamzmi et al. 2021, Table 3, print an IoU above the F-score, which the
    foreground class cannot give; a mean over both classes of one of them can.
    So both are reported.
    """
    true, predicted = _pair(true, predicted)
    return (_dice(true, predicted) + _dice(~true, ~predicted)) / 2


def iou_mean(true: ArrayLike, predicted: ArrayLike) -> float:
    """Mean of foreground and background IoU; see `dice_mean`."""
    true, predicted = _pair(true, predicted)
    return (_iou(true, predicted) + _iou(~true, ~predicted)) / 2


def pixel_accuracy(true: ArrayLike, predicted: ArrayLike) -> float:
    """Share of pixels with the right class, in [0, 1]."""
    true, predicted = _pair(true, predicted)
    return float((true == predicted).mean())


def hausdorff95(
    true: ArrayLike,
    predicted: ArrayLike,
    spacing: tuple[float, float] = (1.0, 1.0),
) -> float:
    """95th percentile of the surface distances, in pixels or millimetres.

    The larger of the two directions' percentiles (true to predicted and
    back); the maximum itself would be the Hausdorff distance, which one stray
    pixel determines.

    Args:
        true, predicted: Masks (height, width).
        spacing: Distance of rows and of columns, in the unit of the result.
            Where an image was resized, that of the resized one: the distance
            is then the one of the image at its own size.
    """
    distances = _surface_distances(*_pair(true, predicted), spacing)
    return float(max(np.percentile(way, 95) for way in distances))


def assd(true: ArrayLike, predicted: ArrayLike) -> float:
    """Average symmetric surface distance, in pixels."""
    return float(
        np.concatenate(_surface_distances(*_pair(true, predicted))).mean()
    )


def mask_metrics(true: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """The per-image columns of predictions.csv by name."""
    return {
        "dice": dice(true, predicted),
        "iou": iou(true, predicted),
        "dice_mean": dice_mean(true, predicted),
        "iou_mean": iou_mean(true, predicted),
        "accuracy": pixel_accuracy(true, predicted),
        "hausdorff95": hausdorff95(true, predicted),
    }


def _dice(true: Bools, predicted: Bools) -> float:
    total = np.count_nonzero(true) + np.count_nonzero(predicted)
    if total == 0:
        return 1.0
    return 2 * np.count_nonzero(true & predicted) / total


def _iou(true: Bools, predicted: Bools) -> float:
    union = np.count_nonzero(true | predicted)
    if union == 0:
        return 1.0
    return np.count_nonzero(true & predicted) / union


def _surface_distances(
    true: Bools,
    predicted: Bools,
    spacing: tuple[float, float] = (1.0, 1.0),
) -> tuple[Floats, Floats]:
    """Distances true -> predicted and predicted -> true, one per pixel."""
    empty = not true.any(), not predicted.any()
    if all(empty):
        return np.zeros(1), np.zeros(1)
    if any(empty):
        diagonal = np.full(1, np.hypot(*np.multiply(true.shape, spacing)))
        return diagonal, diagonal
    surfaces = _surface(true), _surface(predicted)
    to_true, to_predicted = (
        ndimage.distance_transform_edt(~surface, sampling=spacing)
        for surface in surfaces
    )
    return to_predicted[surfaces[0]], to_true[surfaces[1]]


def _surface(mask: Bools) -> Bools:
    """Foreground pixels with a background neighbour (4-neighbourhood).

    Beyond the border of the image is background.
    """
    return mask & ~ndimage.binary_erosion(mask)


def _pair(true: ArrayLike, predicted: ArrayLike) -> tuple[Bools, Bools]:
    true, predicted = _mask(true, "true"), _mask(predicted, "predicted")
    if true.shape != predicted.shape:
        raise UmsrepError(
            f"Got a true mask of shape {true.shape} and a predicted one of "
            f"shape {predicted.shape}. Resize one to the other (nearest "
            "neighbour) before comparing them."
        )
    return true, predicted


def _mask(mask: ArrayLike, name: str) -> Bools:
    mask = np.asarray(mask)
    if mask.ndim == 3 and mask.shape[-1] == 1:
        mask = mask[..., 0]
    if mask.ndim != 2 or mask.size == 0:
        raise UmsrepError(
            f"Got a {name} mask of shape {mask.shape}; expected (height, "
            "width) or (height, width, 1). Pass one image at a time."
        )
    if mask.dtype != bool:
        values = np.unique(mask)
        if not (
            np.isin(values, (0, 1)).all() or np.isin(values, (0, 255)).all()
        ):
            raise UmsrepError(
                f"Got a {name} mask with {len(values)} values from "
                f"{values[0]} to {values[-1]}; expected only 0 and 1, or 0 "
                "and 255. Threshold probabilities first (>= 0.5)."
            )
    return mask.astype(bool)
