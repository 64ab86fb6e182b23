"""Maps of several networks over the same images (MT-UNet's Table 4)."""

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from umsrep.data.storage import atomic_path
from umsrep.evaluation import overlays

INCHES = 1.7


def map_figure(path, images, columns, captions=None):
    """Writes a PNG: a row per image, a column per source of maps.

    Every map is drawn in jet colours from 0 to its own maximum.

    Args:
        path: The file.
        images: (n, height, width) uint8.
        columns: {title: (n, height, width) maps, at least 0}.
        captions: n texts beside the rows, or None.
    """
    height, width = images[0].shape
    rows = len(images)
    side = INCHES * width / max(height, width)
    tall = INCHES * height / max(height, width)
    figure = Figure(
        figsize=(side * len(columns) + 0.5, tall * rows + 0.3), dpi=150
    )
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, len(columns), squeeze=False)
    for number, (title, maps) in enumerate(columns.items()):
        for row in range(rows):
            axes = grid[row, number]
            heat = maps[row] / max(float(np.max(maps[row])), 1e-30)
            picture = overlays.heat_overlay(
                images[row], heat, 0.6, cv2.COLORMAP_JET
            )
            axes.imshow(picture[..., ::-1])
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set_visible(False)
            if row == 0:
                axes.set_title(title, fontsize=8)
            if number == 0 and captions is not None:
                axes.set_ylabel(captions[row], fontsize=7)
    figure.tight_layout(pad=0.3)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")
