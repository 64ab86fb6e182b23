"""Figures of repeated trainings: those of the first repeat."""

from pathlib import Path

import cv2
import pandas as pd

from umsrep import figures
from umsrep.experiments.repeats import folders, slug

# Letters of an image's name beside its row.
NAME_LENGTH = 16


def write_curves(out, names):
    """Writes curves-<network>.svg of each network's first training.

    Args:
        out: Folder of the experiment.
        names: Names of its candidates.
    """
    for name in names:
        folder, _ = folders(out, name, 0)
        curves = figures.training_curves(pd.read_csv(folder / "history.csv"))
        figures.save(curves, Path(out) / f"curves-{slug(name)}.svg")


def write_maps(
    path, dataset, columns, captions=None, colours=cv2.COLORMAP_JET, shown=""
):
    """Writes maps of several networks side by side, a row per image.

    Args:
        path: The file.
        dataset: The images.
        columns: {title: maps, or the name of a task}, each as of
            `figures.heat_overlays`.
        captions: Texts beside the rows, above the images' names; or None.
        colours: As of `figures.heat_overlays`.
        shown: What the colours are, in words, before their scale.
    """
    pictures = {
        title: figures.heat_overlays(dataset, maps, colours)
        for title, maps in columns.items()
    }
    names = [case_name(image) for image in dataset.table["image"]]
    if captions is not None:
        pairs = zip(captions, names, strict=True)
        names = [f"{caption}\n{name}" for caption, name in pairs]
    scale = f"{shown}share of each map's own maximum; none: no colour"
    bar = (figures.colour_strip(colours), scale)
    figures.save(figures.panels(pictures, names, bar=bar), path)


def case_name(image):
    """The name of an image's file, cut to `NAME_LENGTH` letters."""
    stem = Path(image).stem
    if len(stem) <= NAME_LENGTH:
        return stem
    return f"{stem[: NAME_LENGTH - 1]}…"
