"""Training curves."""

import math

import numpy as np
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
)

from umsrep.errors import UmsrepError
from umsrep.figures.style import COLOURS, STYLES, Plot, grid, styled


def has_losses(history):
    """Whether a history has curves to draw."""
    return bool(_tasks(history))


@styled
def training_curves(history):
    """Losses of each task by epoch, and what else was watched.

    Sigmas where they are learnt; the spread and effective rank of features
    in a construction.

    The layout of MT-UNet's Figures 2 and 3.

    Args:
        history: `finetuning.History.table`, or the data frame of a run's
            history.csv. The circle is the lowest validation loss, whose
            weights a strategy keeps.

    Returns:
        A matplotlib figure.

    Raises:
        UmsrepError: the table has no column of losses.
    """
    panels = _tasks(history)
    if not panels:
        raise UmsrepError(
            f"The history has the columns {list(history.columns)}; expected "
            "losses such as 'lung_loss'. Pass the table that fit returned."
        )
    epochs = history["epoch"] if "epoch" in history else history.index + 1
    epochs = np.asarray(epochs)
    # What else is drawn: {title of a panel: beginning of its columns}.
    others = {
        title: [c for c in history.columns if c.startswith(f"{title}_")]
        for title in ("sigma", "loss_weight", "feature")
    }
    panels += [title for title, columns in others.items() if columns]
    width = 11 if len(panels) > 2 else 4.6 * len(panels)
    height = 2.7 * math.ceil(len(panels) / 3)
    figure = Plot(figsize=(width, height), layout="constrained")
    for axes, task in grid(figure, panels, columns=3):
        if others.get(task):
            _draw_others(axes, epochs, history[others[task]], task)
        else:
            _draw_losses(axes, epochs, history, task)
    return figure


def _tasks(history):
    return [
        column.removesuffix("_loss")
        for column in history.columns
        if column.endswith("_loss") and not column.startswith("val_")
    ]


def _draw_losses(axes, epochs, history, task):
    for column, colour, style, name in (
        (f"{task}_loss", COLOURS[0], "-", "training"),
        (f"val_{task}_loss", COLOURS[1], "--", "validation"),
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
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlim(left=epochs[0] - 0.02 * len(epochs))
    axes.legend()


def _draw_others(axes, epochs, table, title):
    for number, column in enumerate(table):
        axes.plot(
            epochs,
            table[column].to_numpy(float),
            STYLES[number % len(STYLES)],
            color=COLOURS[(number + 2) % len(COLOURS)],
            label=column.removeprefix(f"{title}_"),
        )
    axes.set(title=title, xlabel="epoch", ylabel=title)
    if title == "feature":
        _log_if_wide(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()


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
