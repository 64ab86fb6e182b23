"""Every plot and overlay, as a matplotlib figure or a picture."""

from umsrep.figures.notebook_figures import (
    agreement,
    heat_overlays,
    mask_overlays,
    panels,
    training_curves,
)

__all__ = [
    "agreement",
    "heat_overlays",
    "mask_overlays",
    "panels",
    "training_curves",
]
