"""Rounds as lines through their settings (parallel coordinates).

One axis per setting that varies, its values evenly spaced, and the objective
at the right. Each round is a line in the colour of its objective; the best is
drawn last, and failed ones are grey and end at a cross.
"""

import textwrap

import matplotlib
import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Curve

from umsrep.data import storage
from umsrep.search.space import text

GREY = "#8a8a8a"
BEST = "#D55E00"
# Of a value's text; longer ones go on in a second line.
CHARACTERS = 17
_STYLE = {
    # Names are never parsed as formulas.
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9,
}


def write(path, records, plan):
    """Writes the picture as PNG.

    Args:
        path: The file.
        records: As of `results.ranked`: the best first.
        plan: A `ScanPlan`.
    """
    with matplotlib.rc_context(_STYLE):
        figure = draw(records, plan)
        with storage.atomic_path(path) as temporary:
            figure.savefig(temporary, format="png", dpi=140)


def draw(records, plan):
    """The figure; see the module."""
    names = [
        name
        for name in plan.space
        if len({text(r["chosen"].get(name)) for r in records}) > 1
    ] or list(plan.space)
    figure = Figure(figsize=(2.2 + 1.7 * len(names), 4.4), layout="constrained")
    axes = figure.subplots()
    good = [r for r in records if r["status"] == "complete"]
    values = np.array([r["objective"] for r in good])
    low, high = values.min(), values.max()
    span = (high - low) or 1.0
    norm = Normalize(low, high if high > low else low + 1e-9)
    # Dark is good, whichever direction that is.
    smaller = plan.objective.direction == "min"
    colours = matplotlib.colormaps["viridis" if smaller else "viridis_r"]
    pale = 0.0 if smaller else 0.15
    places = {name: _places(name, records, plan) for name in names}
    slots = _slots(records, names, places)
    for rank, record in reversed(list(enumerate(records))):
        heights = [
            places[name][text(record["chosen"][name])] + slots[rank][name]
            for name in names
            if name in record["chosen"]
        ]
        if len(heights) < len(names):
            # Of a scan whose space was another one.
            continue
        failed = record["status"] != "complete"
        if failed:
            style = {"color": GREY, "linestyle": (0, (3, 2)), "lw": 0.9}
            axes.plot(len(names) - 1, heights[-1], "x", color=GREY, ms=6)
        else:
            height = (record["objective"] - low) / span if high > low else 0.5
            heights.append(height)
            # The palest colours would vanish on white.
            colour = colours(0.85 * norm(record["objective"]) + pale)
            style = {"color": colour, "lw": 1.3}
        if rank == 0 and not failed:
            style |= {"color": BEST, "lw": 2.6}
        curve = _curve(heights)
        axes.add_patch(
            PathPatch(curve, fill=False, alpha=0.9, zorder=2, **style)
        )
    _draw_axes(axes, names, places, plan)
    _draw_objective(axes, len(names), low, high, plan.objective)
    figure.suptitle(
        f"{plan.name}: {len(good)} rounds"
        + (f", {len(records) - len(good)} failed" * (len(good) < len(records)))
        + f"; best {good[0]['objective']:.4g}",
        x=0.01,
        ha="left",
        fontsize=10,
    )
    return figure


def _places(name, records, plan):
    """{text of a value: height in [0, 1]}, in the order of the space."""
    known = [text(value) for value in plan.space[name]]
    for record in records:
        one = text(record["chosen"].get(name))
        if name in record["chosen"] and one not in known:
            known.append(one)
    heights = np.linspace(0, 1, len(known)) if len(known) > 1 else [0.5]
    return dict(zip(known, heights, strict=True))


def _slots(records, names, places):
    """Small shifts, so that lines of one value lie beside each other."""
    result = [{} for _ in records]
    for name in names:
        groups = {}
        for rank, record in enumerate(records):
            groups.setdefault(text(record["chosen"].get(name)), []).append(rank)
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


def _draw_axes(axes, names, places, plan):
    axes.set_xlim(-0.3, len(names) + 0.5)
    axes.set_ylim(-0.22, 1.2)
    axes.set_yticks([])
    axes.set_xticks(
        range(len(names) + 1),
        [name.removeprefix("arguments.").replace("_", "\n") for name in names]
        + [str(plan.objective).replace(" ", "\n")],
    )
    axes.tick_params(length=0)
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


def _draw_objective(axes, x, low, high, objective):
    axes.plot((x, x), (-0.06, 1.06), color="#444444", lw=0.8, zorder=3)
    ends = [(0.0, low), (1.0, high)] if high > low else [(0.5, low)]
    for height, value in ends:
        axes.text(x + 0.05, height, f"{value:.4g}", va="center", fontsize=8.5)
    better = 0.0 if objective.direction == "min" else 1.0
    axes.annotate(
        "↓ better" if better == 0 else "↑ better",
        (x, better + (-0.13 if better == 0 else 0.13)),
        ha="center",
        va="center",
        fontsize=8,
        color=GREY,
    )
