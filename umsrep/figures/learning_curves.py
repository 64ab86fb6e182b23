"""Learning curves: a metric over the number of labelled patients."""

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from umsrep.figures.style import COLOURS, MARKERS, STYLES, Plot, grid, styled
from umsrep.metrics import catalogue


@styled
def learning_curves(summary, panels):
    """Means over repeats by number of labelled patients, with intervals.

    Args:
        summary: Data frame: candidate, patients, data, task, metric, mean,
            low, high.
        panels: [(data, task, metric)], a panel each.

    Returns:
        A matplotlib figure. The band is the 95 % interval, which may reach
        beyond the panel; each line ends at its candidate's name.
    """
    names = list(dict.fromkeys(summary["candidate"]))
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    figure = Plot(figsize=(5.6 * columns, 3.5 * rows), layout="constrained")
    for axes, panel in grid(figure, panels, columns):
        keys = summary[["data", "task", "metric"]]
        _draw(axes, summary[(keys == list(panel)).all(axis=1)], names, panel)
    return figure


def _draw(axes, part, names, panel):
    data, task, metric = panel
    ends = []
    for number, name in enumerate(names):
        curve = part[part["candidate"] == name].sort_values("patients")
        if curve.empty:
            continue
        colour = COLOURS[number % len(COLOURS)]
        # Side by side, where points would hide each other.
        x = curve["patients"].to_numpy(float)
        axes.fill_between(
            x,
            curve["low"].to_numpy(float),
            curve["high"].to_numpy(float),
            color=colour,
            alpha=0.13,
            lw=0,
        )
        axes.plot(
            x,
            curve["mean"],
            STYLES[number % len(STYLES)],
            marker=MARKERS[number % len(MARKERS)],
            ms=5,
            color=colour,
        )
        ends.append((curve["mean"].iloc[-1], x[-1], name, colour))
    axes.set_ylim(_limits(part))
    about = catalogue.metric(metric)
    sizes = sorted(part["patients"].unique())
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    better = "lower is better" if about.lower_is_better else "higher is better"
    axes.set(
        title=f"{task}, {data}",
        xlabel="labelled patients",
        ylabel=f"{about.heading} ({better})",
    )
    _name(axes, ends, sizes)


def _limits(part):
    """The height of a panel: wide bands must not flatten the lines."""
    means = part["mean"].to_numpy(float)
    span = max(np.ptp(means), 0.05)
    low = max(np.nanmin([*part["low"], means.min()]), means.min() - 1.5 * span)
    high = min(
        np.nanmax([*part["high"], means.max()]), means.max() + 1.5 * span
    )
    pad = 0.04 * (high - low) + 1e-3
    return low - pad, high + pad


def _name(axes, ends, sizes):
    """Names at the lines' ends, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    gap = 0.075 * (high - low)
    order = sorted(ends, key=lambda end: end[0])
    places = [end[0] for end in order]
    for _ in range(200):
        for k in range(len(places) - 1):
            near = gap - (places[k + 1] - places[k])
            if near > 1e-9:
                places[k] -= near / 2
                places[k + 1] += near / 2
        places = [
            float(np.clip(y, low + gap / 2, high - gap / 2)) for y in places
        ]
    first, last = min(sizes), max(sizes)
    span = np.log(last / first) if last > first else np.log(2)
    for (_, x, name, colour), y in zip(order, places, strict=True):
        axes.annotate(
            name,
            (x * np.exp(0.03 * span), y),
            color=colour,
            va="center",
            fontsize=8.5,
            annotation_clip=False,
        )
    # Room for the longest name, of about so many units per letter.
    letters = max((len(name) for *_, name, _ in order), default=0)
    room = 0.06 + 0.018 * letters
    axes.set_xlim(
        first * np.exp(-0.05 * span), last * np.exp(span * room * 1.1)
    )
