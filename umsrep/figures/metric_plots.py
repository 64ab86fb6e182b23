"""Metrics of several strategies side by side."""

import math

import numpy as np
from matplotlib.ticker import MaxNLocator
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_curve

from umsrep.figures.style import COLOURS, MARKERS, STYLES, Plot, grid, styled


@styled
def metric_intervals(table, metrics, unit=""):
    """Each strategy's value with its 95 % interval, one panel per metric.

    Args:
        table: Data frame, a row per strategy, with the columns `strategy`
            and, of each metric, `<metric>` and `<metric>_ci95` ((low, high) or
            None).
        metrics: {metric: `metrics.catalogue.Metric`}.
        unit: Unit of the task's values, or "".

    Returns:
        A matplotlib figure, or None when no strategy has any metric.
    """
    panels = [
        (name, metric.titled(unit) if unit else metric.heading)
        for name, metric in metrics.items()
        if table[name].notna().any()
    ]
    if not panels:
        return None
    names = list(table["strategy"])
    height = math.ceil(len(panels) / 4) * (0.75 + 0.3 * len(names))
    figure = Plot(figsize=(11, height), layout="constrained")
    for index, (axes, (metric, heading)) in enumerate(
        grid(figure, panels, columns=4)
    ):
        for row, (value, ends) in enumerate(
            zip(table[metric], table[f"{metric}_ci95"], strict=True)
        ):
            colour = COLOURS[row % len(COLOURS)]
            if ends is not None:
                axes.plot(ends, [row, row], color=colour, lw=2)
            marker = MARKERS[row % len(MARKERS)]
            axes.plot(value, row, marker, color=colour, ms=6)
        axes.set_title(heading)
        _name_rows(axes, names, shown=index == 0)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    return figure


@styled
def roc_and_reliability(curves):
    """ROC and reliability curves of a two-class task.

    Args:
        curves: {strategy: (true classes, 0 or 1; probabilities of class 1;
            and, for the operating point, predicted classes)}, each of shape
            (images,).

    Returns:
        A matplotlib figure, or None when no strategy has both classes.
    """
    curves = {
        name: arrays
        for name, arrays in curves.items()
        if len(np.unique(arrays[0])) == 2
    }
    if not curves:
        return None
    figure = Plot(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        axes.plot([0, 1], [0, 1], color="#bbbbbb", lw=0.8)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    for index, (name, (true, positive, *decided)) in enumerate(curves.items()):
        look = {
            "color": COLOURS[index % len(COLOURS)],
            "linestyle": STYLES[index % len(STYLES)],
            "label": name,
        }
        left.plot(*roc_curve(true, positive)[:2], **look)
        for predicted in decided:
            left.plot(
                np.mean(predicted[true == 0] == 1),
                np.mean(predicted[true == 1] == 1),
                MARKERS[index % len(MARKERS)],
                color=look["color"],
                ms=7,
            )
        # Equal numbers of images per point, so that none is noise.
        bins = int(np.clip(len(true) // 15, 2, 8))
        observed, predicted = calibration_curve(
            true, positive, n_bins=bins, strategy="quantile"
        )
        marker = MARKERS[index % len(MARKERS)]
        right.plot(predicted, observed, marker=marker, ms=4, **look)
    operating = any(len(arrays) > 2 for arrays in curves.values())
    left.set(
        title="ROC" + ", marked: at the threshold" * operating,
        xlabel="1 − specificity",
        ylabel="sensitivity",
    )
    right.set(
        title="Reliability",
        xlabel="predicted probability",
        ylabel="share that is positive",
    )
    left.legend(loc="lower right")
    return figure


@styled
def value_distribution(values, heading):
    """A metric of every image, one row per strategy.

    Args:
        values: {strategy: array of one value per image}.
        heading: Name of the metric.

    Returns:
        A matplotlib figure, or None when no strategy has a value.
    """
    values = {name: found for name, found in values.items() if len(found)}
    if not values:
        return None
    rng = np.random.default_rng([0])
    height = 0.8 + 0.42 * len(values)
    figure = Plot(figsize=(11, height), layout="constrained")
    axes = figure.subplots()
    for row, found in enumerate(values.values()):
        colour = COLOURS[row % len(COLOURS)]
        heights = row + rng.uniform(-0.25, 0.25, len(found))
        axes.plot(found, heights, ".", color=colour, alpha=0.5, ms=5, mew=0)
        low, median, high = np.quantile(found, [0.25, 0.5, 0.75])
        axes.plot([low, high], [row, row], color="black", lw=1.2)
        axes.plot(median, row, "|", color="black", ms=16, mew=1.8)
    _name_rows(axes, list(values))
    axes.set_xlabel(
        f"{heading} of each image; bar: median, line: middle half of the images"
    )
    return figure


@styled
def predicted_over_true(values, unit=""):
    """Predicted over true numbers, a panel per strategy; a line is equality.

    Args:
        values: {strategy: (true, predicted)}, each of shape (images,).
        unit: Unit of both, or "".

    Returns:
        A matplotlib figure, or None when no strategy has a value.
    """
    values = {name: found for name, found in values.items() if len(found[0])}
    if not values:
        return None
    every = np.concatenate([np.ravel(found) for found in values.values()])
    margin = 0.05 * (np.ptp(every) or 1.0)
    ends = [every.min() - margin, every.max() + margin]
    of = f" ({unit})" if unit else ""
    columns = min(4, len(values))
    size = (3.2 * columns, 3.4 * math.ceil(len(values) / columns))
    figure = Plot(figsize=size, layout="constrained")
    for index, (axes, (name, (true, predicted))) in enumerate(
        grid(figure, list(values.items()), columns=4)
    ):
        axes.plot(ends, ends, color="#bbbbbb", lw=0.8)
        axes.plot(
            true,
            predicted,
            MARKERS[index % len(MARKERS)],
            color=COLOURS[index % len(COLOURS)],
            alpha=0.6,
            ms=4,
            mew=0,
        )
        axes.set(
            title=name,
            xlabel=f"true{of}",
            ylabel=f"predicted{of}",
            xlim=ends,
            ylim=ends,
            aspect="equal",
        )
    return figure


def _name_rows(axes, names, shown=True):
    """A row of the y axis for each name, the first on top."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names if shown else [])
    axes.tick_params(axis="y", length=0, labelcolor="black")
    axes.grid(axis="y", visible=False)
