"""Targets of attention: heat maps, masks and boxes on a model's grid."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from umsrep import tasks
from umsrep.cells import Cells
from umsrep.data.prepared import AttentionSpec
from umsrep.errors import UmsrepError

if TYPE_CHECKING:
    from umsrep.data.dataset import Dataset

Floats = NDArray[np.float32]


def box_mask(boxes: ArrayLike, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The mask of one or more boxes.

    Args:
        boxes: (x1, y1, x2, y2) in pixels, or a list of them; x2 and y2 are
            the first column and row outside. Fractions are rounded to the
            nearest pixel; what lies outside the image is cut off.
        size: (height, width) of the image.

    Returns:
        (height, width) uint8 in {0, 1}.

    Raises:
        UmsrepError: no box, a box without area, or one that lies outside.
    """
    boxes = np.asarray(boxes, np.float64)
    boxes = boxes[None] if boxes.ndim == 1 else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) == 0:
        raise UmsrepError(
            f"boxes of shape {np.shape(boxes)}: expected (x1, y1, x2, y2) or "
            "a list of them."
        )
    height, width = size
    mask = np.zeros((height, width), np.uint8)
    for box in boxes:
        limits = (width, height, width, height)
        if not np.isfinite(box).all():
            raise UmsrepError(f"Box {tuple(box)}: expected finite pixels.")
        x1, y1, x2, y2 = np.clip(np.rint(box), 0, limits).astype(int)
        if x1 >= x2 or y1 >= y2:
            raise UmsrepError(
                f"Box {tuple(float(n) for n in box)} covers no pixel of an "
                f"image of {height}x{width}. Give (x1, y1, x2, y2) in pixels "
                "of that image, not a width and height."
            )
        mask[y1:y2, x1:x2] = 1
    return mask


def to_grid(
    full_map: ArrayLike, cells: Cells | Sequence[int], rescale: bool = False
) -> Floats:
    """A map on coarser cells: each cell has the mean of its pixels.

    A pixel belongs to the nearest cell (`Cells.average`). Where cells tile the
    image in whole pixels, the sum times the pixels per cell is that of the
    map; elsewhere a pixel on a border counts for its cells in proportion.

    Args:
        full_map: (height, width), not negative: a heat map, or a mask in
            {0, 1}, whose cells then hold the share that it covers.
        cells: Where the cells lie, such as `MultiTaskModel.cells` of a head's
            maps; (rows, columns) tile the map.
        rescale: Divide by the maximum afterwards, so that the peak is 1, as
            in a gaze heat map (GG-CAM, Zhu et al. 2022, Algorithm 1).

    Returns:
        (rows, columns) float32.

    Raises:
        UmsrepError: a grid finer than the map, a map of another size than the
            cells' image or all zero, or values that are negative or not
            finite.
    """
    full_map = np.asarray(full_map, np.float32)
    if full_map.ndim == 3 and full_map.shape[-1] == 1:
        full_map = full_map[..., 0]
    rows, columns = cells.grid if isinstance(cells, Cells) else cells
    if full_map.ndim != 2 or not (
        1 <= rows <= full_map.shape[0] and 1 <= columns <= full_map.shape[1]
    ):
        raise UmsrepError(
            f"A map of shape {full_map.shape} for a grid of {(rows, columns)}: "
            "expected (height, width) with at least a pixel per cell. Pass "
            "the map at the image's resolution."
        )
    if not np.isfinite(full_map).all() or full_map.min() < 0:
        raise UmsrepError(
            "The map has values that are negative or not finite. Expected a "
            "heat map or a mask of values of at least 0."
        )
    if full_map.max() == 0:
        raise UmsrepError(
            "The map is zero everywhere, so it says nothing about attention. "
            "Leave the image without a target instead (None)."
        )
    if not isinstance(cells, Cells):
        cells = Cells.tiling(cells, full_map.shape)
    # A mean is never above the maximum, whatever the last digit says.
    means = np.minimum(cells.average(full_map), full_map.max())
    return means / means.max() if rescale else means


def attention_target(
    maps: Iterable[ArrayLike | None],
    labels: ArrayLike,
    num_classes: int,
    grid: Sequence[int] | None = None,
) -> Floats:
    """Targets of an `AttentionHead` for a batch of images.

    Args:
        maps: A (rows, columns) map in [0, 1] per image, as `to_grid` returns;
            None for an image without a map.
        labels: (n,) index of each image's true class, as `Dataset.labels`
            returns; -1 where unknown, and the image has no target.
        num_classes: Number of classes.
        grid: (rows, columns); needed if no image has a map.

    Returns:
        (n, rows, columns, classes) float32: the map in the channel of the true
        class and -1 elsewhere. Images without target are -1 throughout:
        `(target >= 0).any(axis=(1, 2, 3))` are the sample weights.

    Raises:
        UmsrepError: a map of another size, a class that does not exist, or
            values outside [0, 1].
    """
    maps, labels = list(maps), np.asarray(labels)
    if labels.shape != (len(maps),):
        raise UmsrepError(
            f"{len(maps)} maps and labels of shape {labels.shape}: expected a "
            "label per map, -1 where unknown."
        )
    wrong = labels[(labels < -1) | (labels >= num_classes)]
    if len(wrong):
        raise UmsrepError(
            f"Class {wrong[0]} does not exist: expected 0 to "
            f"{num_classes - 1}, or -1 where unknown."
        )
    if grid is None:
        found = [np.shape(given) for given in maps if given is not None]
        if not found:
            raise UmsrepError(
                "No image has a map, so their size is unknown. Pass grid="
                "(rows, columns)."
            )
        grid = found[0]
    grid = tuple(grid)
    target = np.full((len(maps), *grid, num_classes), -1, np.float32)
    for number, (given, label) in enumerate(zip(maps, labels, strict=True)):
        if given is None or label < 0:
            continue
        cells = np.asarray(given, np.float32)
        if cells.shape != grid:
            raise UmsrepError(
                f"Map {number} has the shape {cells.shape}; expected {grid} "
                "like the others. Bring all to one grid with to_grid."
            )
        if not (cells.min() >= 0 and cells.max() <= 1):
            raise UmsrepError(
                f"Map {number} has values from {cells.min()} to {cells.max()}; "
                "expected [0, 1]. Pass to_grid(..., rescale=True)."
            )
        target[number, ..., label] = cells
    return target


def attention_spec(
    dataset: "Dataset",
    name: str,
    label: str,
    sources: str | dict[str, str],
    cells: Cells | tuple[int, int],
) -> AttentionSpec:
    """The checked task of `Dataset.with_attention`, whose arguments these are.

    Args:
        dataset: The data set.
        name, label, sources, cells: As of `Dataset.with_attention`.

    Raises:
        UmsrepError: an unknown task or class, one of another kind, or cells of
            images of another size.
    """
    size, task = dataset.image_size, dataset.task
    if not isinstance(cells, Cells):
        cells = Cells.tiling(cells, size)
    if cells.image_size != tuple(size):
        raise UmsrepError(
            f"The maps are of images of {cells.image_size} pixels, but data "
            f"set '{dataset.name}' has {tuple(size)}. Take the cells of a "
            "model for this data set."
        )
    classes = task(label).classes
    if not classes:
        raise UmsrepError(
            f"'{label}' is a {task(label).kind} task; attention "
            "supervises the maps of a label task. Name one."
        )
    if isinstance(sources, str):
        sources = dict.fromkeys(classes, sources)
    for group, source in sources.items():
        if group not in classes:
            raise UmsrepError(
                f"Attention names the class '{group}', but '{label}' has "
                f"{', '.join(classes)}. Use their names."
            )
        if tasks.of(task(source)).place != tasks.PICTURE:
            raise UmsrepError(
                f"Attention of class '{group}' comes from '{source}', a "
                f"{task(source).kind} task. Name a mask or map task."
            )
    return AttentionSpec(
        name,
        "attention",
        label=label,
        sources=tuple(sources.items()),
        cells=cells,
    )
