"""Spectral Doppler strips with their envelopes (UMS-Rep's Figure 9)."""

import numpy as np

from umsrep.figures.panels import show
from umsrep.figures.style import Pictures, styled

# Blue and orange are told apart by all eyes, and on grey.
PREDICTED, REFERENCE = "#ff9500", "#3aa0ff"


@styled
def doppler_strips(rows, footer=None):
    """Strips in rows, each with the outlines of its masks and a title.

    Args:
        rows: [[(title, image, reference, predicted)]]: of each strip some
            lines of text, its (height, width) grey levels in [0, 255], and two
            masks, (height, width) bool or None.
        footer: Text below all, or None.

    Returns:
        A matplotlib figure.
    """
    columns = max(map(len, rows))
    figure = Pictures(
        figsize=(3.1 * columns, 3.6 * len(rows)), layout="constrained"
    )
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, strips in zip(grid, rows, strict=True):
        for axes in line[len(strips) :]:
            axes.axis("off")
        for axes, strip in zip(line, strips, strict=False):
            title, image, reference, predicted = strip
            show(axes, image, frame=True)
            _outline(axes, reference, REFERENCE)
            _outline(axes, predicted, PREDICTED)
            axes.set_title(title, fontsize=7.5, loc="center")
    if footer:
        figure.supxlabel(footer, fontsize=8)
    return figure


def _outline(axes, mask, colour):
    if mask is not None and np.any(mask) and not np.all(mask):
        mask = np.asarray(mask, float)
        axes.contour(mask, levels=[0.5], colors=[colour], linewidths=0.9)
