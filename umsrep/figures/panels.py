"""Pictures in rows and columns, such as maps of several networks."""

import numpy as np

from umsrep.errors import UmsrepError
from umsrep.figures.style import STYLE, Pictures, styled

# Around everything, in points.
PAD = 3


@styled
def panels(columns, captions=None, inches=1.7, bar=None):
    """Pictures in rows and columns.

    Args:
        columns: {title: n pictures}: images of (height, width) or (height,
            width, 1) with grey levels in [0, 255]; or RGB pictures, such as
            those of `mask_overlays` and `heat_overlays`. Sizes in pixels may
            differ between columns.
        captions: n texts beside the rows, such as a column of a data set's
            table, or None.
        inches: Longer side of a picture.
        bar: (picture, label) of a colour bar from 0 to 1 below all, such as
            (`overlays.colour_strip()`, "share of the maximum"), or None.

    Returns:
        A matplotlib figure.

    Raises:
        UmsrepError: columns of different lengths, or no picture at all.
    """
    columns = {title: [_shown(p) for p in c] for title, c in columns.items()}
    counts = {title: len(column) for title, column in columns.items()}
    if captions is not None:
        captions = [str(text) for text in captions]
        counts["captions"] = len(captions)
    if not columns or len(set(counts.values())) > 1 or 0 in counts.values():
        raise UmsrepError(
            f"Pictures per column: {counts}; expected the same number in "
            "each, and at least one. Choose the same images for all, such as "
            "images[:4]."
        )
    first = next(iter(columns.values()))
    height, width = np.divide(first[0].shape[:2], max(first[0].shape[:2]))
    # Beside the pictures: captions, and a line for the titles.
    size = (
        inches * width * len(columns) + 0.5,
        inches * height * len(first) + 0.3 + (0.55 if bar else 0),
    )
    figure = Pictures(figsize=size)
    heights = [inches * height] * len(first) + ([0.12] if bar else [])
    cells = figure.add_gridspec(
        len(heights), len(columns), height_ratios=heights
    )
    axes = np.array(
        [
            [figure.add_subplot(cells[row, c]) for c in range(len(columns))]
            for row in range(len(first))
        ]
    )
    for number, (title, pictures) in enumerate(columns.items()):
        for row, picture in enumerate(pictures):
            show(axes[row, number], picture, frame=False)
        axes[0, number].set_title(title, fontsize=8, loc="center")
    for row, text in enumerate(captions or ()):
        axes[row, 0].set_ylabel(text, fontsize=7)
    if bar:
        _show_bar(figure.add_subplot(cells[-1, :]), *bar)
    figure.set_layout_engine("tight", pad=PAD / STYLE["font.size"])
    return figure


def _show_bar(axes, picture, label):
    show(axes, picture, frame=True)
    axes.set_xticks([0, picture.shape[1] - 1], ["0", "1"], fontsize=7)
    axes.set_xlabel(label, fontsize=7)


def show(axes, picture, frame):
    """Fills axes with a grey (0 to 255) or RGB picture, without ticks."""
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=frame, color="black")


def _shown(picture):
    """A picture as `imshow` takes it: uint8, grey or RGB."""
    picture = np.asarray(picture)
    if picture.ndim == 3 and picture.shape[-1] == 1:
        picture = picture[..., 0]
    if picture.ndim not in (2, 3) or picture.shape[2:] not in ((), (3,)):
        raise UmsrepError(
            f"A picture of shape {picture.shape}; expected (height, width), "
            "(height, width, 1) or, in RGB, (height, width, 3)."
        )
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
