"""Pictures of masks and heat maps on the image."""

import cv2
import numpy as np

from umsrep.data.resizing import resize_image

# Blue and orange stay apart for colour-blind readers (BGR).
REFERENCE = (255, 190, 60)
PREDICTED = (20, 120, 255)
SIDE = 512


def mask_overlay(image, reference, predicted, side=SIDE):
    """Contours of both masks on the image.

    Args:
        image: (height, width) uint8.
        reference: (height, width) bool, or None; drawn in blue.
        predicted: (height, width) bool; drawn in orange.
        side: The longer side of the picture, in pixels.

    Returns:
        BGR uint8.
    """
    picture = _at_side(image, side)
    for mask, colour in ((reference, REFERENCE), (predicted, PREDICTED)):
        if mask is None:
            continue
        smaller = picture.shape[0] < image.shape[0]
        large = cv2.resize(
            np.asarray(mask, np.float32),
            picture.shape[1::-1],
            interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR,
        )
        contours, _ = cv2.findContours(
            (large > 0.5).astype(np.uint8),
            cv2.RETR_LIST,
            cv2.CHAIN_APPROX_NONE,
        )
        cv2.drawContours(picture, contours, -1, colour, 2, cv2.LINE_AA)
    return picture


def heat_overlay(
    image, heat, opacity=0.45, colours=cv2.COLORMAP_TURBO, side=SIDE
):
    """A heat map in [0, 1] over the image; what is cold stays visible.

    Args:
        image: (height, width) uint8.
        heat: (height, width) float in [0, 1].
        opacity: Of the hottest colour.
        colours: One of OpenCV's colour maps.
        side: The longer side of the picture, in pixels.

    Returns:
        BGR uint8.
    """
    picture = _at_side(image, side)
    large = cv2.resize(
        np.asarray(heat, np.float32),
        picture.shape[1::-1],
        interpolation=cv2.INTER_CUBIC,
    ).clip(0, 1)
    coloured = cv2.applyColorMap((large * 255).astype(np.uint8), colours)
    share = (opacity * np.minimum(1.0, 2.0 * large))[..., None]
    return (picture * (1 - share) + coloured * share).round().astype(np.uint8)


def map_pair(image, reference, predicted):
    """Two maps over the image, side by side: reference left, predicted right.

    Both in the jet colours of MT-UNet's Table 4, each from 0 to its own
    maximum; a map of 0 leaves the image grey.

    Args:
        image: (height, width) uint8.
        reference: (height, width), at least 0, or None.
        predicted: the same.

    Returns:
        BGR uint8.
    """
    parts = []
    for values in (reference, predicted):
        if values is None:
            parts.append(_at_side(image, SIDE))
            continue
        parts.append(map_overlay(image, values))
    return np.hstack(parts)


def map_overlay(image, values):
    """A map over the image, in jet colours from 0 to its own maximum.

    Args:
        image: (height, width) uint8.
        values: (height, width), at least 0; all 0 leaves the image grey.

    Returns:
        BGR uint8.
    """
    heat = values / max(float(np.max(values)), 1e-30)
    return heat_overlay(image, heat, 0.6, cv2.COLORMAP_JET)


def _at_side(image, side):
    height, width = image.shape
    scale = side / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return cv2.cvtColor(resize_image(image, size), cv2.COLOR_GRAY2BGR)
