"""Figures of repeated trainings: those of the first repeat."""

from pathlib import Path

import pandas as pd

from umsrep import figures
from umsrep.experiments.repeats import folders, slug


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


def write_maps(path, dataset, columns, captions=None):
    """Writes maps of several networks side by side, a row per image.

    Args:
        path: The file.
        dataset: The images.
        columns: {title: maps, or the name of a task}, each as of
            `figures.heat_overlays`.
        captions: Texts beside the rows, or None.
    """
    pictures = {
        title: figures.heat_overlays(dataset, maps)
        for title, maps in columns.items()
    }
    figures.save(figures.panels(pictures, captions), path)
