"""The style of every figure, and the one place that writes figures.

No pyplot, no display, no global state: a figure is an object, a notebook shows
it by itself, and `save` writes it. Colours are those of Okabe & Ito (2008),
which colour-blind readers can tell apart; lines differ in style as well.
"""

import functools
import io
import math
from pathlib import Path

import matplotlib
from cycler import cycler
from matplotlib.figure import Figure

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
STYLE = {
    # Text as outlines looks the same everywhere; names are never parsed as
    # formulas.
    "svg.fonttype": "path",
    "svg.hashsalt": "umsrep",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.prop_cycle": cycler(color=COLOURS),
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
# Pixels per inch in a notebook.
SCREEN_DPI = 80


def styled(draw):
    """Decorator of a function that draws a figure: it draws in the style."""

    @functools.wraps(draw)
    def wrapper(*args, **kwargs):
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return wrapper


class StyledFigure(Figure):
    """A matplotlib figure that keeps the style when it is drawn.

    Ticks are made while drawing, which may be long after the function that
    made the figure.
    """

    def __init__(self, *args, dpi=SCREEN_DPI, **kwargs):
        super().__init__(*args, dpi=dpi, **kwargs)

    def savefig(self, *args, **kwargs):
        """As in matplotlib."""
        with matplotlib.rc_context(STYLE):
            super().savefig(*args, **kwargs)


class Plot(StyledFigure):
    """Lines and points; a notebook shows it as PNG."""

    def _repr_png_(self):
        return _for_notebook(self, "png")


class Pictures(StyledFigure):
    """Images; a notebook shows it as JPEG, for grain makes a large PNG."""

    def _repr_jpeg_(self):
        # Without loss of colour resolution, for thin outlines.
        return _for_notebook(
            self, "jpeg", pil_kwargs={"quality": 88, "subsampling": 0}
        )


def _for_notebook(figure, kind, **options):
    stream = io.BytesIO()
    # The titles of a single row would be cut otherwise.
    figure.savefig(
        stream, format=kind, bbox_inches="tight", pad_inches=0.05, **options
    )
    return stream.getvalue()


def save(figure, path, dpi=150):
    """Writes a figure atomically; equal figures give equal files.

    Args:
        figure: A figure of this package.
        path: The file; its ending says which format, such as .svg or .png.
        dpi: Pixels per inch; of no meaning for SVG.
    """
    path = Path(path)
    with atomic_path(path) as temporary:
        render(figure, temporary, path.suffix.removeprefix("."), dpi)


def render(figure, stream, kind, dpi=150):
    """Writes a figure into a stream or file, as "svg", "png" or another."""
    # Without a date, equal results give equal files.
    metadata = {"Date": None} if kind == "svg" else None
    figure.savefig(stream, format=kind, dpi=dpi, metadata=metadata)


def grid(figure, items, columns):
    """[(axes, item)] of a figure's panels, row by row; spare ones are hidden.

    Args:
        figure: An empty figure.
        items: One for each panel.
        columns: Panels per row, at most.
    """
    columns = min(columns, len(items))
    rows = math.ceil(len(items) / columns)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in panels[len(items) :]:
        axes.set_visible(False)
    return list(zip(panels, items, strict=False))
