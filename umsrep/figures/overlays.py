"""Masks and maps over images, as RGB pictures."""

import cv2
import numpy as np

from umsrep import tasks
from umsrep.data.resizing import resize_image
from umsrep.errors import UmsrepError

# Blue and orange stay apart for colour-blind readers.
REFERENCE = (60, 190, 255)
PREDICTED = (255, 120, 20)
SIDE = 512
MAP_OPACITY = 0.6


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

    Raises:
        UmsrepError: not a mask task, or predictions of other images.
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
    references = [dataset.mask(task, index) for index in range(len(dataset))]
    return [
        mask_overlay(
            dataset.image(index),
            None if reference is None else reference > 0,
            outline,
        )
        for index, (reference, outline) in enumerate(
            zip(references, outlines, strict=True)
        )
    ]


def heat_overlays(dataset, maps, colours=cv2.COLORMAP_JET):
    """Maps over the images, each in colours from 0 to its own maximum.

    Colours of two maps do not compare: the last is the most of one map,
    whatever that is. A map of 0 leaves the image grey.

    Args:
        dataset: A `data.Dataset` of n images.
        maps: (n, height, width) or (n, height, width, 1), at least 0: what an
            explainer or a saliency head returns. None is allowed in a list of
            maps and leaves the image grey. Or the name of a map or mask task:
            the reference.
        colours: One of OpenCV's colour maps. Jet is that of the papers;
            viridis is told apart by colour-blind readers.

    Returns:
        List of n RGB pictures, uint8.

    Raises:
        UmsrepError: a task without pictures, or maps of other images.
    """
    if isinstance(maps, str):
        kind = tasks.of(dataset.task(maps))
        if kind.place != tasks.PICTURE:
            raise UmsrepError(
                f"'{maps}' is a {kind.name} task, which has no pictures. "
                "Name a map or mask task."
            )
        maps = [dataset.target(maps, index) for index in range(len(dataset))]
    blank = np.zeros(dataset.image_size)
    maps = [blank if values is None else values for values in maps]
    return [
        map_overlay(dataset.image(index), values, colours)
        for index, values in enumerate(_maps(maps, dataset))
    ]


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


def mask_overlay(image, reference, predicted, side=SIDE):
    """Contours of both masks on the image.

    Args:
        image: (height, width) uint8.
        reference: (height, width) bool, or None; drawn in blue.
        predicted: (height, width) bool; drawn in orange.
        side: The longer side of the picture, in pixels.

    Returns:
        RGB uint8.
    """
    picture = _at_side(image, side)
    for mask, colour in ((reference, REFERENCE), (predicted, PREDICTED)):
        if mask is None:
            continue
        smaller = picture.shape[0] < image.shape[0]
        large = cv2.resize(
            np.asarray(mask, np.float32),
            picture.shape[1::-1],
            interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR,
        )
        contours, _ = cv2.findContours(
            (large > 0.5).astype(np.uint8),
            cv2.RETR_LIST,
            cv2.CHAIN_APPROX_NONE,
        )
        cv2.drawContours(picture, contours, -1, colour, 2, cv2.LINE_AA)
    return picture


def heat_overlay(
    image, heat, opacity=0.45, colours=cv2.COLORMAP_TURBO, side=SIDE
):
    """A heat map in [0, 1] over the image; what is cold stays visible.

    Args:
        image: (height, width) uint8.
        heat: (height, width) float in [0, 1].
        opacity: Opacity of the hottest colour.
        colours: Colour map, one of OpenCV's colour maps.
        side: The longer side of the picture, in pixels.

    Returns:
        RGB uint8.
    """
    picture = _at_side(image, side)
    large = cv2.resize(
        np.asarray(heat, np.float32),
        picture.shape[1::-1],
        interpolation=cv2.INTER_CUBIC,
    ).clip(0, 1)
    coloured = cv2.applyColorMap((large * 255).astype(np.uint8), colours)
    coloured = coloured[..., ::-1]  # of OpenCV's BGR
    share = (opacity * np.minimum(1.0, 2.0 * large))[..., None]
    return (picture * (1 - share) + coloured * share).round().astype(np.uint8)


def map_pair(image, reference, predicted):
    """Two maps over the image, side by side: reference left, predicted right.

    Both in the jet colours of MT-UNet's Table 4, each from 0 to its own
    maximum; a map of 0 leaves the image grey.

    Args:
        image: (height, width) uint8.
        reference: (height, width), at least 0, or None.
        predicted: the same.

    Returns:
        RGB uint8.
    """
    parts = []
    for values in (reference, predicted):
        if values is None:
            parts.append(_at_side(image, SIDE))
            continue
        parts.append(map_overlay(image, values))
    return np.hstack(parts)


def map_overlay(image, values, colours=cv2.COLORMAP_JET):
    """A map over the image, in colours from 0 to its own maximum.

    Args:
        image: (height, width) uint8.
        values: (height, width), at least 0; all 0 leaves the image grey.
        colours: As of `heat_overlays`.

    Returns:
        RGB uint8.
    """
    heat = values / max(float(np.max(values)), 1e-30)
    return heat_overlay(image, heat, MAP_OPACITY, colours)


def colour_strip(colours=cv2.COLORMAP_JET):
    """The colours of `map_overlay` from 0 to 1, over grey: a colour bar.

    Args:
        colours: As of `heat_overlays`.

    Returns:
        (16, 256, 3) RGB uint8.
    """
    heat = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (16, 1))
    grey = np.full(heat.shape, 110, np.uint8)
    return heat_overlay(grey, heat, MAP_OPACITY, colours, side=256)


def _at_side(image, side):
    height, width = image.shape
    scale = side / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return cv2.cvtColor(resize_image(image, size), cv2.COLOR_GRAY2RGB)
