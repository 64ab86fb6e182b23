"""Pictures in rows and columns, such as maps of several networks."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from umsrep.data.storage import atomic_path
from umsrep.figures import overlays

INCHES = 1.7


def map_figure(path, images, columns, captions=None):
    """Writes a PNG: a row per image, a column per source of maps.

    Every map is drawn in jet colours from 0 to its own maximum (MT-UNet's
    Table 4).

    Args:
        path: The file.
        images: (n, height, width) uint8.
        columns: {title: (n, height, width) maps, at least 0}.
        captions: n texts beside the rows, or None.
    """
    pictures = {
        title: [
            overlays.map_overlay(image, one)[..., ::-1]
            for image, one in zip(images, maps, strict=True)
        ]
        for title, maps in columns.items()
    }
    figure = Figure(dpi=150)
    FigureCanvasAgg(figure)
    draw_panels(figure, pictures, captions)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")


def draw_panels(figure, columns, captions=None, inches=INCHES):
    """Fills a matplotlib figure with pictures, and sets its size.

    Args:
        figure: A `matplotlib.figure.Figure`.
        columns: {title: n pictures of one shape}, (height, width) uint8 for
            grey levels in [0, 255], or (height, width, 3) uint8 for RGB.
        captions: n texts beside the rows, or None.
        inches: Longer side of a picture.
    """
    height, width = next(iter(columns.values()))[0].shape[:2]
    rows = len(next(iter(columns.values())))
    side = inches * width / max(height, width)
    tall = inches * height / max(height, width)
    # Beside the pictures: captions, and a line for the titles.
    figure.set_size_inches(side * len(columns) + 0.5, tall * rows + 0.3)
    grid = figure.subplots(rows, len(columns), squeeze=False)
    for number, (title, pictures) in enumerate(columns.items()):
        for row in range(rows):
            axes = grid[row, number]
            axes.imshow(pictures[row], cmap="gray", vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set_visible(False)
            if row == 0:
                axes.set_title(title, fontsize=8)
            if number == 0 and captions is not None:
                axes.set_ylabel(captions[row], fontsize=7)
    figure.tight_layout(pad=0.3)
