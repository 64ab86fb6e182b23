"""Every plot and overlay: a matplotlib figure, or a picture as an array.

A notebook shows a figure by itself; `save` writes it as SVG, PNG or another
format. Pictures are RGB, uint8.
"""

from umsrep.figures.agreement import agreement
from umsrep.figures.box_plots import box_plots
from umsrep.figures.curves import training_curves
from umsrep.figures.densities import log_densities
from umsrep.figures.learning_curves import learning_curves
from umsrep.figures.metric_plots import (
    metric_intervals,
    predicted_over_true,
    roc_and_reliability,
    value_distribution,
)
from umsrep.figures.overlays import (
    colour_strip,
    heat_overlays,
    mask_overlays,
)
from umsrep.figures.panels import panels
from umsrep.figures.parallel_coordinates import parallel_coordinates
from umsrep.figures.shortcuts import (
    class_differences,
    difference_maps,
    shortcut_aucs,
)
from umsrep.figures.strips import doppler_strips
from umsrep.figures.style import save

__all__ = [
    "agreement",
    "box_plots",
    "class_differences",
    "colour_strip",
    "difference_maps",
    "doppler_strips",
    "heat_overlays",
    "learning_curves",
    "log_densities",
    "mask_overlays",
    "metric_intervals",
    "panels",
    "parallel_coordinates",
    "predicted_over_true",
    "roc_and_reliability",
    "save",
    "shortcut_aucs",
    "training_curves",
    "value_distribution",
]
