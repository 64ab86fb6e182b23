"""A representation and the heads on it (UMS-Rep's Figures 6 and 8)."""

import math

from matplotlib.patches import FancyArrowPatch, Rectangle

from umsrep.figures.style import COLOURS, GREY, Plot, styled

# Of the largest block; a block's height goes with the logarithm of its side.
HEIGHT, WIDTH, GAP = 2.4, 0.42, 0.55


@styled
def architecture(model):
    """The network as blocks: image, encoder, decoder, and what heads read.

    Args:
        model: A `MultiTaskModel`.

    Returns:
        A matplotlib figure. Blocks are as high as the logarithm of their
        features' side, and say rows x columns x channels.
    """
    representation = model.representation
    shapes = {
        name: tuple(tensor.shape[1:])
        for name, tensor in representation.output.items()
        if len(tensor.shape) == 4
    }
    encoder = list(dict.fromkeys(reversed(representation.stages)))
    decoder = [n for n in ("decoded",) if n in shapes]
    blocks = [("image", representation.image_shape, GREY)]
    blocks += [(name, shapes[name], COLOURS[0]) for name in encoder]
    blocks += [(name, shapes[name], COLOURS[2]) for name in decoder]
    heads = list(model.heads)
    figure = Plot(
        figsize=(1.05 * (len(blocks) + 3), 3.2 + 0.4 * len(heads)),
        layout="constrained",
    )
    axes = figure.subplots()
    largest = max(max(shape[:2]) for _, shape, _ in blocks)
    places = {}
    for number, (name, shape, colour) in enumerate(blocks):
        places[name] = number * (WIDTH + GAP)
        _block(axes, places[name], name, shape, colour, largest)
        if number:
            before = number - 1
            _arrow(axes, before * (WIDTH + GAP) + WIDTH, places[name])
    right = len(blocks) * (WIDTH + GAP) + 0.6
    for number, head in enumerate(heads):
        y = -HEIGHT / 2 - 0.75 - 0.5 * number
        words = f"{head.name}: {type(head).__name__}"
        axes.text(right, y, words, va="center", ha="left", fontsize=8)
        for name in head.feature_names:
            if name in places:
                x = places[name] + WIDTH / 2
                axes.plot([x, x], [-HEIGHT / 2 - 0.42, y], color=GREY, lw=0.7)
                _arrow(axes, x, right - 0.06, y)
    axes.set_xlim(-0.3, right + 2.6)
    axes.set_ylim(-HEIGHT / 2 - 1 - 0.5 * len(heads), HEIGHT / 2 + 0.35)
    axes.axis("off")
    return figure


def _block(axes, x, name, shape, colour, largest):
    side = max(shape[:2])
    height = HEIGHT * (1 + math.log2(side)) / (1 + math.log2(largest))
    axes.add_patch(
        Rectangle((x, -height / 2), WIDTH, height, color=colour, alpha=0.75)
    )
    middle = x + WIDTH / 2
    axes.text(middle, height / 2 + 0.06, name, ha="center", fontsize=7)
    axes.text(
        middle,
        -height / 2 - 0.06,
        "x".join(map(str, shape)),
        ha="center",
        va="top",
        fontsize=6,
        color=GREY,
    )


def _arrow(axes, start, end, y=0.0):
    axes.add_patch(
        FancyArrowPatch(
            (start, y),
            (end, y),
            arrowstyle="-|>",
            mutation_scale=7,
            color=GREY,
            lw=0.7,
        )
    )
