"""The rounds of a scan as lines through their settings."""

import textwrap

import matplotlib
import numpy as np
from matplotlib.colors import Normalize
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Curve

from umsrep.figures.style import Plot, styled

FAILED = "#8a8a8a"
BEST = "#D55E00"
# Characters per line of a value's text.
CHARACTERS = 17


@styled
def parallel_coordinates(rounds, settings, objective, lower_is_better, title):
    """Rounds of a scan as lines through their settings.

    One axis per setting that varies, its values evenly spaced, and the
    objective at the right. Each round is a line in the colour of its
    objective; the best is drawn last, and failed ones are grey and end at a
    cross.

    Args:
        rounds: [({setting: its value as text}, objective or None)], the best
            first; None has failed. At least one has not.
        settings: {setting: the texts of its values, in order}.
        objective: Its name.
        lower_is_better: Which way.
        title: What was scanned.

    Returns:
        A matplotlib figure.
    """
    names = [
        name
        for name in settings
        if len({chosen.get(name) for chosen, _ in rounds}) > 1
    ] or list(settings)
    values = [value for _, value in rounds if value is not None]
    low, high = min(values), max(values)
    colours = _colours(low, high, lower_is_better)
    places = {name: _places(name, rounds, settings[name]) for name in names}
    slots = _slots(rounds, names, places)
    figure = Plot(figsize=(2.2 + 1.7 * len(names), 4.4), layout="constrained")
    axes = figure.subplots()
    for rank, (chosen, value) in reversed(list(enumerate(rounds))):
        if not chosen.keys() >= set(names):
            # A round of a scan with another space.
            continue
        heights = [places[n][chosen[n]] + slots[rank][n] for n in names]
        if value is None:
            look = {"color": FAILED, "linestyle": (0, (3, 2)), "lw": 0.9}
            axes.plot(len(names) - 1, heights[-1], "x", color=FAILED, ms=6)
        else:
            flat = high == low
            heights.append(0.5 if flat else (value - low) / (high - low))
            look = {"color": colours(value), "lw": 1.3}
            if rank == 0:
                look = {"color": BEST, "lw": 2.6}
        axes.add_patch(
            PathPatch(_curve(heights), fill=False, alpha=0.9, zorder=2, **look)
        )
    _draw_axes(axes, names, places, objective)
    _draw_objective(axes, len(names), low, high, lower_is_better)
    title += f": {len(values)} rounds"
    if len(values) < len(rounds):
        title += f", {len(rounds) - len(values)} failed"
    figure.suptitle(
        f"{title}; best {values[0]:.4g}", x=0.01, ha="left", fontsize=10
    )
    return figure


def _colours(low, high, lower_is_better):
    """A function from an objective to its colour: dark is good."""
    norm = Normalize(low, high if high > low else low + 1e-9)
    scale = matplotlib.colormaps["viridis" if lower_is_better else "viridis_r"]
    # The palest colours would vanish on white.
    start = 0.0 if lower_is_better else 0.15
    return lambda value: scale(0.85 * norm(value) + start)


def _places(name, rounds, values):
    """{text of a value: height in [0, 1]}, in the order of the space."""
    found = [chosen[name] for chosen, _ in rounds if name in chosen]
    known = list(dict.fromkeys([*values, *found]))
    heights = np.linspace(0, 1, len(known)) if len(known) > 1 else [0.5]
    return dict(zip(known, heights, strict=True))


def _slots(rounds, names, places):
    """Small shifts, so that lines of one value lie beside each other."""
    result = [{} for _ in rounds]
    for name in names:
        groups = {}
        for rank, (chosen, _) in enumerate(rounds):
            groups.setdefault(chosen.get(name), []).append(rank)
        width = min(0.1, 0.3 / max(1, len(places[name]) - 1))
        for ranks in groups.values():
            # The best lies highest of its value.
            shifts = np.linspace(width, -width, len(ranks) + 2)[1:-1]
            for rank, shift in zip(ranks, shifts, strict=True):
                result[rank][name] = shift
    return result


def _curve(heights):
    """A smooth line through one height per axis."""
    points, codes = [(0, heights[0])], [Curve.MOVETO]
    for x, (left, right) in enumerate(
        zip(heights[:-1], heights[1:], strict=True)
    ):
        points += [(x + 0.4, left), (x + 0.6, right), (x + 1, right)]
        codes += [Curve.CURVE4] * 3
    return Curve(points, codes)


def _draw_axes(axes, names, places, objective):
    axes.set_xlim(-0.3, len(names) + 0.5)
    axes.set_ylim(-0.22, 1.2)
    axes.set_yticks([])
    axes.set_xticks(
        range(len(names) + 1),
        [name.removeprefix("arguments.").replace("_", "\n") for name in names]
        + [objective.replace(" ", "\n")],
    )
    axes.tick_params(length=0, labelcolor="black", labelsize=9)
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(False)
    for x, name in enumerate(names):
        axes.axvline(x, color="#444444", lw=0.8, zorder=3)
        for value, height in places[name].items():
            axes.text(
                x + 0.04,
                height,
                _in_lines(value),
                va="center",
                fontsize=8.5,
                zorder=5,
                bbox={"fc": "white", "ec": "none", "pad": 1.2, "alpha": 0.85},
            )


def _in_lines(value):
    return "\n".join(
        textwrap.wrap(value, CHARACTERS, max_lines=2, placeholder=" …")
    )


def _draw_objective(axes, x, low, high, lower_is_better):
    axes.plot((x, x), (-0.06, 1.06), color="#444444", lw=0.8, zorder=3)
    ends = [(0.0, low), (1.0, high)] if high > low else [(0.5, low)]
    for height, value in ends:
        axes.text(x + 0.05, height, f"{value:.4g}", va="center", fontsize=8.5)
    axes.annotate(
        "↓ better" if lower_is_better else "↑ better",
        (x, -0.13 if lower_is_better else 1.13),
        ha="center",
        va="center",
        fontsize=8,
        color=FAILED,
    )
