"""Distributions of many values on a logarithmic axis."""

import math

import numpy as np
from matplotlib.ticker import FuncFormatter, NullFormatter

from umsrep.figures.style import COLOURS, STYLES, Plot, grid, styled

BINS = 60


@styled
def log_densities(panels, label, footer=None):
    """Densities of values, a panel each for several sets of them.

    The layout of GG-CAM's Figure 2: on a logarithmic axis, so that tails are
    seen. The legend tells each one's median and middle 98 %.

    Args:
        panels: {title: {name: array of any shape}}; within a panel all have
            the same bins.
        label: What the values are, for the axis.
        footer: Text below all, or None.

    Returns:
        A matplotlib figure, or None when there is no value.
    """
    panels = {
        title: {name: np.ravel(found) for name, found in sets.items()}
        for title, sets in panels.items()
        if any(np.size(found) for found in sets.values())
    }
    if not panels:
        return None
    columns = min(2, len(panels))
    height = 2.9 * math.ceil(len(panels) / columns)
    figure = Plot(figsize=(4.6 * columns, height), layout="constrained")
    for axes, (title, sets) in grid(figure, list(panels.items()), 2):
        every = np.concatenate(list(sets.values()))
        # As many values as bins in the mean one: fewer would be noise.
        fewest = min(map(len, sets.values()))
        bins = int(np.clip(math.sqrt(fewest), 5, BINS))
        edges = np.histogram_bin_edges(every, bins)
        for index, (name, found) in enumerate(sets.items()):
            density, _ = np.histogram(found, edges, density=True)
            low, median, high = np.quantile(found, [0.01, 0.5, 0.99])
            axes.stairs(
                # Nothing there is no point on a logarithmic axis.
                np.where(density > 0, density, np.nan),
                edges,
                baseline=None,
                color=COLOURS[index % len(COLOURS)],
                linestyle=STYLES[index % len(STYLES)],
                label=_legend(name, low, median, high),
            )
        axes.set(title=title, xlabel=label, ylabel="density", yscale="log")
        # Matplotlib writes powers of ten as formulas, and those are off.
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        # Room for the legend.
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** 0.45)
        axes.legend(title="median (1 % to 99 %)", title_fontsize=7, fontsize=7)
    if footer:
        figure.supxlabel(footer, fontsize=7.5)
    return figure


def _legend(name, *values):
    low, median, high = (f"{v:.2g}".replace("-", "−") for v in values)
    return f"{name}: {median} ({low} to {high})"
