"""The report's figures, each as a data URI that an <img> shows.

Vector graphics without a display: no pyplot, no global state. Colours are
those of Okabe & Ito (2008), which colour-blind readers can tell apart; lines
differ in style as well.
"""

import base64
import io
import math

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
)
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_curve

from umsrep.data.storage import atomic_path

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#666666"
_STYLE = {
    # Text as outlines looks the same everywhere; names are never parsed as
    # formulas.
    "svg.fonttype": "path",
    "svg.hashsalt": "umsrep",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "legend.frameon": False,
    "legend.fontsize": 8,
}


def write(figure, path):
    """Writes one of this module's figures, a data URI, as an SVG file."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(base64.b64decode(figure.split(",", 1)[1]))


def training_curves(history):
    """Training and validation loss per task, and the sigmas if learnt.

    The layout of MT-UNet's Figures 2 and 3.

    Args:
        history: Data frame of history.csv.

    Returns:
        A data URI, or None when the table has no loss column.
    """
    panels = _curves(history)
    if not panels:
        return None

    def draw(figure):
        _draw_curves(figure, history, panels)

    return _svg(draw, *_size(len(panels)))


def draw_training_curves(figure, history):
    """The same curves on a matplotlib figure of one's own; sets its size."""
    panels = _curves(history)
    with matplotlib.rc_context(_STYLE):
        figure.set_layout_engine("constrained")
        figure.set_size_inches(*_size(max(1, len(panels))))
        _draw_curves(figure, history, panels)


def _curves(history):
    """(task, its column, its validation column) of each panel."""
    tasks = [
        column.removesuffix("_loss")
        for column in history.columns
        if column.endswith("_loss") and not column.startswith("val_")
    ]
    panels = [(task, f"{task}_loss", f"val_{task}_loss") for task in tasks]
    if panels and any(c.startswith("sigma_") for c in history.columns):
        panels.append(("sigma", None, None))
    return panels


def _draw_curves(figure, history, panels):
    epochs = history["epoch"] if "epoch" in history else history.index + 1
    epochs = np.asarray(epochs)
    sigmas = [c for c in history.columns if c.startswith("sigma_")]
    for axes, (task, train, validation) in _panels(figure, panels):
        if train is None:
            _draw_sigmas(axes, epochs, history[sigmas])
            continue
        for column, colour, style, name in (
            (train, COLOURS[0], "-", "training"),
            (validation, COLOURS[1], "--", "validation"),
        ):
            if column not in history:
                continue
            values = history[column].to_numpy(float)
            known = np.isfinite(values)
            axes.plot(
                epochs[known],
                values[known],
                style,
                color=colour,
                marker="." if known.sum() < 30 else None,
                label=name,
            )
            if name == "validation" and known.any():
                best = np.nanargmin(np.where(known, values, np.nan))
                axes.plot(
                    epochs[best],
                    values[best],
                    "o",
                    mfc="none",
                    mec=colour,
                    ms=9,
                    label=f"lowest: {values[best]:.3g}",
                )
        axes.set(title=task, xlabel="epoch", ylabel="loss")
        _log_if_wide(axes)
        axes.xaxis.set_major_locator(
            MaxNLocator(integer=True, steps=[1, 2, 5, 10])
        )
        axes.set_xlim(left=epochs[0] - 0.02 * len(epochs))
        axes.legend()


def _draw_sigmas(axes, epochs, table):
    for number, column in enumerate(table):
        axes.plot(
            epochs,
            table[column].to_numpy(float),
            STYLES[number % len(STYLES)],
            color=COLOURS[(number + 2) % len(COLOURS)],
            label=column.removeprefix("sigma_"),
        )
    axes.set(title="sigma", xlabel="epoch", ylabel="sigma")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()


def metric_intervals(frame, metrics, unit=""):
    """Each strategy's value with its 95 % interval, one panel per metric.

    Args:
        frame: Rows of one data set and task of `summary.summary_table`.
        metrics: {column: `metrics.catalogue.Metric`}.
        unit: Unit of the task's values, or "".
    """
    panels = [
        (column, metric.titled(unit) if unit else metric.heading)
        for column, metric in metrics.items()
        if frame[column].notna().any()
    ]
    if not panels:
        return None
    names = list(frame["strategy"])

    def draw(figure):
        for index, (axes, (column, heading)) in enumerate(
            _panels(figure, panels, columns=4)
        ):
            for row, (value, ends) in enumerate(
                zip(frame[column], frame[f"{column}_ci95"], strict=True)
            ):
                colour = COLOURS[row % len(COLOURS)]
                if ends is not None:
                    axes.plot(ends, [row, row], color=colour, lw=2)
                axes.plot(
                    value,
                    row,
                    MARKERS[row % len(MARKERS)],
                    color=colour,
                    ms=6,
                )
            axes.set_title(heading)
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.set_yticks(range(len(names)), names if index == 0 else [])
            axes.tick_params(axis="y", length=0, labelcolor="black")
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.grid(axis="y", visible=False)

    rows = math.ceil(len(panels) / 4)
    return _svg(draw, 11, rows * (0.75 + 0.3 * len(names)))


def roc_and_reliability(curves):
    """ROC and reliability curves of a two-class task.

    Args:
        curves: {strategy: (true, probability of the positive class)}.

    Returns:
        A data URI, or None when no strategy has both classes.
    """
    curves = {
        name: (true, positive)
        for name, (true, positive) in curves.items()
        if len(np.unique(true)) == 2
    }
    if not curves:
        return None

    def draw(figure):
        left, right = figure.subplots(1, 2)
        for axes in (left, right):
            axes.plot([0, 1], [0, 1], color="#bbbbbb", lw=0.8)
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        for index, (name, (true, positive)) in enumerate(curves.items()):
            look = {
                "color": COLOURS[index % len(COLOURS)],
                "linestyle": STYLES[index % len(STYLES)],
                "label": name,
            }
            left.plot(*roc_curve(true, positive)[:2], **look)
            # Equal numbers of images per point, so that none is noise.
            bins = int(np.clip(len(true) // 15, 2, 8))
            observed, predicted = calibration_curve(
                true, positive, n_bins=bins, strategy="quantile"
            )
            right.plot(
                predicted, observed, marker=MARKERS[index % 7], ms=4, **look
            )
        left.set(
            title="ROC",
            xlabel="1 − specificity",
            ylabel="sensitivity",
        )
        right.set(
            title="Reliability",
            xlabel="predicted probability",
            ylabel="share that is positive",
        )
        left.legend(loc="lower right")

    return _svg(draw, 9, 4.2)


def value_distribution(values, heading):
    """A metric of every image, one row per strategy.

    Args:
        values: {strategy: array of one value per image}.
        heading: Name of the metric.
    """
    values = {name: found for name, found in values.items() if len(found)}
    if not values:
        return None
    rng = np.random.default_rng([0])

    def draw(figure):
        axes = figure.subplots()
        for row, found in enumerate(values.values()):
            colour = COLOURS[row % len(COLOURS)]
            heights = row + rng.uniform(-0.25, 0.25, len(found))
            axes.plot(found, heights, ".", color=colour, alpha=0.5, ms=5, mew=0)
            low, median, high = np.quantile(found, [0.25, 0.5, 0.75])
            axes.plot([low, high], [row, row], color="black", lw=1.2)
            axes.plot(median, row, "|", color="black", ms=16, mew=1.8)
        axes.set_yticks(range(len(values)), list(values))
        axes.set_ylim(len(values) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0, labelcolor="black")
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(
            f"{heading} of each image; bar: median, line: middle half of the "
            "images"
        )

    return _svg(draw, 11, 0.8 + 0.42 * len(values))


def predicted_over_true(values, unit=""):
    """Predicted over true numbers, a panel per strategy; a line is equality.

    Args:
        values: {strategy: (true, predicted)}.
        unit: Unit of both, or "".
    """
    values = {n: found for n, found in values.items() if len(found[0])}
    if not values:
        return None
    every = np.concatenate([np.ravel(found) for found in values.values()])
    margin = 0.05 * (np.ptp(every) or 1.0)
    ends = [every.min() - margin, every.max() + margin]
    of = f" ({unit})" if unit else ""

    def draw(figure):
        for index, (axes, (name, (true, predicted))) in enumerate(
            _panels(figure, list(values.items()), columns=4)
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

    columns = min(4, len(values))
    return _svg(draw, 3.2 * columns, 3.4 * math.ceil(len(values) / columns))


def _panels(figure, items, columns=3):
    columns = min(columns, len(items))
    rows = math.ceil(len(items) / columns)
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in grid[len(items) :]:
        axes.set_visible(False)
    return list(zip(grid, items, strict=False))


def _size(panels):
    width = 11 if panels > 2 else 4.6 * panels
    return width, 2.7 * math.ceil(panels / 3)


def _log_if_wide(axes):
    """A logarithmic axis when positive values span more than a factor 20."""
    values = np.concatenate([line.get_ydata() for line in axes.lines])
    if len(values) and values.min() > 0 and values.max() > 20 * values.min():
        axes.set_yscale("log")
        # Matplotlib writes powers of ten as formulas, and those are off.
        many = values.max() > 1e3 * values.min()
        axes.yaxis.set_major_locator(LogLocator(subs=(1,) if many else (1, 3)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())


def _svg(draw, width, height):
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        stream = io.BytesIO()
        # Without a date, equal results give equal pages.
        figure.savefig(stream, format="svg", metadata={"Date": None})
    code = base64.b64encode(stream.getvalue()).decode("ascii")
    return f"data:image/svg+xml;base64,{code}"
