"""Figures for notebooks: pictures in rows and columns, training curves.

A figure is matplotlib's; a notebook shows it by itself, and
`figure.savefig(path)` writes it in any format.
"""

import io

import numpy as np
from matplotlib.figure import Figure

from umsrep import tasks
from umsrep.errors import UmsrepError
from umsrep.figures import map_figure, overlays, plots

DPI = 80


class Curves(Figure):
    """A matplotlib figure that shows itself, without pyplot's global state."""

    def _repr_png_(self):
        return _file(self, "png")


class Panels(Figure):
    """The same, shown as JPEG: grain and colours would make a large PNG."""

    def _repr_jpeg_(self):
        # Without loss of colour resolution, for thin outlines.
        return _file(self, "jpeg", pil_kwargs={"quality": 88, "subsampling": 0})


def panels(columns, captions=None, inches=1.7):
    """Pictures in rows and columns.

    Args:
        columns: {title: n pictures}: images of (height, width) or (height,
            width, 1) with grey levels in [0, 255]; or RGB pictures, such as
            those of `mask_overlays` and `heat_overlays`. Sizes in pixels may
            differ between columns.
        captions: n texts beside the rows, such as a column of a data set's
            table, or None.
        inches: Longer side of a picture.

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
    figure = Panels(dpi=DPI)
    map_figure.draw_panels(figure, columns, captions, inches)
    return figure


def mask_overlays(dataset, task, predicted=None):
    """Outlines on each image: blue the reference mask, orange the predicted.

    Args:
        dataset: A `data.Dataset` of n images; those without a mask of `task`
            show the prediction alone.
        task: A mask task.
        predicted: (n, height, width) or (n, height, width, 1) probabilities,
            such as `model.predict(dataset.images)[task]`; outlined at 0.5.
            None shows the reference alone.

    Returns:
        List of n RGB pictures, uint8.
    """
    if dataset.task(task).kind != "mask":
        raise UmsrepError(
            f"'{task}' is a {dataset.task(task).kind} task and has no outline. "
            "Name a mask task; heat_overlays shows maps."
        )
    if predicted is None:
        outlines = [None] * len(dataset)
    else:
        outlines = _maps(predicted, dataset) > 0.5
    pictures = []
    for index, outline in enumerate(outlines):
        reference = dataset.mask(task, index)
        picture = overlays.mask_overlay(
            dataset.image(index),
            None if reference is None else reference > 0,
            outline,
        )
        pictures.append(picture[..., ::-1])
    return pictures


def heat_overlays(dataset, maps):
    """Maps over the images, each in jet colours from 0 to its own maximum.

    Colours of two maps do not compare: red is the most of one map, whatever
    that is. A map of 0 leaves the image grey.

    Args:
        dataset: A `data.Dataset` of n images.
        maps: (n, height, width) or (n, height, width, 1), at least 0: what an
            explainer or a saliency head returns. None is allowed in a list of
            maps and leaves the image grey. Or the name of a map or mask task:
            the reference.

    Returns:
        List of n RGB pictures, uint8.
    """
    if isinstance(maps, str):
        kind = tasks.of(dataset.task(maps))
        if kind.place != tasks.PICTURE:
            raise UmsrepError(
                f"'{maps}' is a {kind.name} task, which has no pictures. "
                "Name a map or mask task."
            )
        maps = [dataset.target(maps, index) for index in range(len(dataset))]
    size = dataset.image_size
    maps = [np.zeros(size) if one is None else one for one in maps]
    return [
        overlays.map_overlay(dataset.image(index), one)[..., ::-1]
        for index, one in enumerate(_maps(maps, dataset))
    ]


def training_curves(history):
    """Losses of each task by epoch, and the sigmas where they are learnt.

    Args:
        history: `finetuning.History.table`, or the data frame of a run's
            history.csv. The circle is the lowest validation loss, whose
            weights a strategy keeps.

    Returns:
        A matplotlib figure.

    Raises:
        UmsrepError: the table has no column of losses.
    """
    if not any(column.endswith("_loss") for column in history.columns):
        raise UmsrepError(
            f"The history has the columns {list(history.columns)}; expected "
            "losses such as 'lung_loss'. Pass the table that fit returned."
        )
    figure = Curves(dpi=DPI)
    plots.draw_training_curves(figure, history)
    return figure


def agreement(reference, found, groups=None, label=""):
    """Measured values over their references, with the line of agreement.

    Args:
        reference, found: n numbers each; a pair with nan is left out.
        groups: n names, one colour each, or None.
        label: What was measured, with its unit, for the axes.

    Returns:
        A matplotlib figure.

    Raises:
        UmsrepError: other numbers of values, or no pair of numbers.
    """
    reference, found = (np.asarray(v, float) for v in (reference, found))
    names = np.full(reference.shape, "") if groups is None else groups
    names = np.asarray(names).astype(str)
    if reference.ndim != 1 or not reference.shape == found.shape == names.shape:
        raise UmsrepError(
            f"Values of shape {reference.shape} and {found.shape}, groups of "
            f"{names.shape}; expected one of each per image. Pass columns of "
            "one table."
        )
    known = np.isfinite(reference) & np.isfinite(found)
    if not known.any():
        raise UmsrepError(
            f"None of {len(known)} pairs has two numbers. Look at the masks "
            "that they were measured in."
        )
    figure = Curves(figsize=(4, 4), dpi=DPI, layout="tight")
    axes = figure.subplots()
    ends = np.concatenate([reference[known], found[known]])
    axes.plot(*[[ends.min(), ends.max()]] * 2, color="0.75", zorder=0)
    for name in dict.fromkeys(names[known]):
        here = known & (names == name)
        axes.plot(reference[here], found[here], ".", label=name)
    axes.set(xlabel=f"reference {label}", ylabel=f"found {label}")
    axes.set_aspect("equal", "datalim")
    if groups is not None:
        axes.legend(frameon=False)
    return figure


def _file(figure, kind, **options):
    stream = io.BytesIO()
    # The titles of a single row would be cut otherwise.
    figure.savefig(
        stream, format=kind, bbox_inches="tight", pad_inches=0.05, **options
    )
    return stream.getvalue()


def _shown(picture):
    """A picture as `draw_panels` takes it."""
    picture = np.asarray(picture)
    if picture.ndim == 3 and picture.shape[-1] == 1:
        picture = picture[..., 0]
    if picture.ndim not in (2, 3) or picture.shape[2:] not in ((), (3,)):
        raise UmsrepError(
            f"A picture of shape {picture.shape}; expected (height, width), "
            "(height, width, 1) or, in RGB, (height, width, 3)."
        )
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _maps(values, dataset):
    """(n, height, width), one for each image of a data set."""
    values = np.asarray(values)
    if values.ndim == 4 and values.shape[-1] == 1:
        values = values[..., 0]
    expected = (len(dataset), *dataset.image_size)
    if values.shape != expected:
        raise UmsrepError(
            f"Masks or maps of shape {values.shape}; expected {expected}, one "
            f"for each image of '{dataset.name}'. Predict the same images: "
            "model.predict(dataset.images)."
        )
    return values
