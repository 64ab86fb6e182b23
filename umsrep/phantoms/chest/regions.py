"""Parts of a chest phantom that its masks imply, as masks and boxes."""

import cv2
import numpy as np


def mediastinum(phantom):
    """The heart and what lies between the lungs, bool (height, width)."""
    area = phantom.heart.copy()
    both = phantom.left_lung.any(axis=1) & phantom.right_lung.any(axis=1)
    last = np.flatnonzero(phantom.heart.any(axis=1))[-1]
    for row in np.flatnonzero(both[: last + 1]):
        start = np.flatnonzero(phantom.left_lung[row])[-1] + 1
        area[row, start : np.flatnonzero(phantom.right_lung[row])[0]] = True
    return area & ~phantom.lungs


def aortic_knob(phantom):
    """A disc where the aortic arch meets the patient's left lung."""
    rows = np.flatnonzero(phantom.right_lung.any(axis=1))
    # The knob of the drawn contour; see `Anatomy.lung`.
    row = int(rows[0] + 0.30 * (rows[-1] - rows[0]))
    column = int(np.flatnonzero(phantom.right_lung[row])[0])
    radius = max(2, len(rows) // 20)
    disc = np.zeros(phantom.heart.shape, np.uint8)
    cv2.circle(disc, (column - radius // 2, row), radius, 1, -1)
    return (disc > 0) & ~phantom.lungs


def heart_border(phantom):
    """A band along the heart's contour, bool (height, width)."""
    reach = max(1, round(0.02 * max(phantom.heart.shape)))
    size = (2 * reach + 1, 2 * reach + 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size)
    heart = phantom.heart.astype(np.uint8)
    return cv2.morphologyEx(heart, cv2.MORPH_GRADIENT, kernel) > 0


def third(mask, number):
    """The upper (0), middle (1) or lower (2) third of a mask."""
    rows = np.flatnonzero(mask.any(axis=1))
    edges = np.linspace(rows[0], rows[-1] + 1, 4).round().astype(int)
    part = np.zeros_like(mask)
    band = slice(edges[number], edges[number + 1])
    part[band] = mask[band]
    return part


def box(mask):
    """(x1, y1, x2, y2) in pixels around a mask, ends exclusive."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return tuple(
        int(n) for n in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    )


def part_boxes(mask):
    """The box of each connected part of a mask, from the top down.

    Returns:
        List of (x1, y1, x2, y2) as of `box`; empty for an empty mask.
    """
    count, parts = cv2.connectedComponents(mask.astype(np.uint8))
    return [box(parts == number) for number in range(1, count)]
