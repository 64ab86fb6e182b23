"""What a shortcut looks like: where the classes' images differ."""

import numpy as np
from matplotlib.colors import TwoSlopeNorm

from umsrep.errors import UmsrepError
from umsrep.figures.style import COLOURS, GREY, Pictures, Plot, styled

INCHES = 2.1


@styled
def class_differences(means, inside=None, maps=None):
    """Mean image of each class, their difference, and what a probe reads.

    Args:
        means: {class: (side, side) mean grey levels}, the positive class
            last; the difference is of the last class and the mean of the
            others.
        inside: (side, side) bool: pixels left out, such as of an organ.
        maps: {title: values around 0, or a masked array}: further maps, such
            as coefficients of a linear probe, or None.

    Returns:
        A matplotlib figure. Red is brighter in the last class, or speaks for
        it; blue the contrary.

    Raises:
        UmsrepError: fewer than two classes.
    """
    if len(means) < 2:
        raise UmsrepError(
            f"Mean images of {len(means)} classes; expected at least two. "
            "Pass one for each class of a label task."
        )
    names = list(means)
    hidden = np.zeros_like(means[names[0]], bool) if inside is None else inside
    others = np.mean([means[name] for name in names[:-1]], axis=0)
    rest = names[0] if len(names) == 2 else "others"
    difference = np.ma.masked_array(means[names[-1]] - others, hidden)
    maps = {f"{names[-1]} − {rest}": difference, **(maps or {})}
    figure = Pictures(
        figsize=(INCHES * (len(names) + len(maps)), INCHES + 0.35),
        layout="constrained",
    )
    panels = figure.subplots(1, len(names) + len(maps), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=False):
        shown = np.ma.masked_array(means[name], hidden)
        axes.imshow(shown, cmap="gray", vmin=0, vmax=255)
        axes.set_title(name, fontsize=8, loc="center")
    for axes, (name, values) in zip(
        panels[len(names) :], maps.items(), strict=True
    ):
        _diverging(axes, values)
        axes.set_title(name, fontsize=8, loc="center")
    for axes in panels:
        _plain(axes)
    return figure


@styled
def difference_maps(maps):
    """Maps around 0 beside each other, such as differences of class means.

    Args:
        maps: {title: (side, side) values, or a masked array}.

    Returns:
        A matplotlib figure.
    """
    figure = Pictures(
        figsize=(INCHES * len(maps), INCHES + 0.35), layout="constrained"
    )
    panels = figure.subplots(1, len(maps), squeeze=False)[0]
    for axes, (title, values) in zip(panels, maps.items(), strict=True):
        _diverging(axes, values)
        axes.set_title(title, fontsize=8, loc="center")
        _plain(axes)
    return figure


@styled
def shortcut_aucs(table):
    """AUC of every source for every label, with its interval and chance.

    Args:
        table: Data frame with the columns task, from, auc, low, high and
            flagged, as of `Audit.to_frame`.

    Returns:
        A matplotlib figure, or None of an empty table.
    """
    if not len(table):
        return None
    figure = Plot(figsize=(7, 0.9 + 0.22 * len(table)), layout="constrained")
    axes = figure.subplots()
    rows = range(len(table))
    for row, entry in zip(rows, table.to_dict("records"), strict=True):
        colour = COLOURS[1] if entry["flagged"] else GREY
        axes.plot([entry["low"], entry["high"]], [row, row], color=colour)
        axes.plot(entry["auc"], row, "o", color=colour, ms=4)
    axes.axvline(0.5, color="black", lw=0.8, ls=":")
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_yticks(rows, table["task"] + ", " + table["from"])
    axes.set_xlabel("AUC, cross-validated by patient; dotted: chance")
    return figure


def _diverging(axes, values):
    most = max(
        float(np.abs(np.ma.compressed(np.ma.asarray(values))).max()), 1e-9
    )
    axes.set_facecolor("#d0d0d0")
    axes.imshow(values, cmap="RdBu_r", norm=TwoSlopeNorm(0, -most, most))


def _plain(axes):
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
