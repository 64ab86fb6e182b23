"""Metrics of repeated trainings: boxes, the trainings themselves, and p."""

import math

import numpy as np
from matplotlib.ticker import MaxNLocator

from umsrep.figures.style import COLOURS, GREY, MARKERS, Plot, grid, styled

# Quartiles of fewer values are not their summary.
LEAST = 3


@styled
def box_plots(values, marks=None, footer=None):
    """A panel per metric, a row per network: a point for each training.

    The box spans the quartiles, its line is the median, whiskers reach the
    extremes (GG-CAM's Figure 3). Fewer than `LEAST` values have points alone.

    Args:
        values: {heading: {network: values, nan where undefined}}; the same
            networks, in the same order, in each panel.
        marks: {heading: [(network, network, text)]}, such as the p of a pair,
            written at a bracket from one row to the other.
        footer: Text below all, or None.

    Returns:
        A matplotlib figure, or None when there is no value.
    """
    values = {
        heading: {
            name: np.asarray(found, float)[np.isfinite(found)]
            for name, found in networks.items()
        }
        for heading, networks in values.items()
    }
    values = {
        heading: networks
        for heading, networks in values.items()
        if any(map(len, networks.values()))
    }
    if not values:
        return None
    names = list(next(iter(values.values())))
    columns = min(3, len(values))
    height = math.ceil(len(values) / columns) * (0.75 + 0.38 * len(names))
    figure = Plot(
        figsize=(2.4 + 2.9 * columns, height + 0.3), layout="constrained"
    )
    for index, (axes, heading) in enumerate(grid(figure, list(values), 3)):
        for row, name in enumerate(names):
            _draw_row(axes, row, values[heading].get(name, ()))
        axes.set_title(heading)
        axes.set_ylim(len(names) - 0.5, -0.5)
        shown = names if index % columns == 0 else []
        axes.set_yticks(range(len(names)), shown or [""] * len(names))
        axes.tick_params(axis="y", length=0, labelcolor="black")
        axes.grid(axis="y", visible=False)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        for a, b, text in (marks or {}).get(heading, ()):
            _bracket(axes, names.index(a), names.index(b), text)
    if footer:
        figure.supxlabel(footer, fontsize=7.5)
    return figure


def _draw_row(axes, row, found):
    colour = COLOURS[row % 2]
    if len(found) >= LEAST:
        axes.boxplot(
            found,
            positions=[row],
            orientation="horizontal",
            widths=0.55,
            whis=(0, 100),
            showfliers=False,
            boxprops={"color": GREY},
            whiskerprops={"color": GREY},
            capprops={"color": GREY},
            medianprops={"color": "black", "lw": 1.6},
        )
    # Apart from each other even where they are equal.
    heights = row + np.linspace(-0.16, 0.16, len(found))
    axes.plot(
        found,
        heights if len(found) > 1 else [row] * len(found),
        MARKERS[row % 2],
        color=colour,
        ms=4,
        mew=0,
        alpha=0.8,
    )


def _bracket(axes, first, second, text):
    """From one row to another, right of the panel."""
    place = axes.get_yaxis_transform()
    axes.plot(
        [1.01, 1.03, 1.03, 1.01],
        [first, first, second, second],
        color=GREY,
        lw=0.8,
        transform=place,
        clip_on=False,
    )
    axes.text(
        1.05, (first + second) / 2, text, transform=place, va="center", size=7
    )
