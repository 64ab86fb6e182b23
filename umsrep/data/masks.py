"""Masks of one image, from files or arrays, united into one."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from umsrep.data import images as reading
from umsrep.errors import UmsrepError

Mask = str | Path | np.ndarray


def as_list(given: Mask | Sequence[Mask] | None) -> list[Path | np.ndarray]:
    """The masks that a caller gave for a task, as a list.

    Args:
        given: A mask file or array, several in a list, or None.

    Returns:
        Paths and arrays; empty for None, "" or an empty list.
    """
    if given is None or (isinstance(given, str) and not given):
        return []
    if isinstance(given, (str, Path, np.ndarray)):
        given = [given]
    return [
        mask if isinstance(mask, np.ndarray) else Path(mask) for mask in given
    ]


def unite(
    masks: Iterable[Path | np.ndarray],
    shape: tuple[int, int],
    task: str,
    image: str | Path,
) -> NDArray[np.bool_]:
    """Reads masks of one image and unites them.

    Args:
        masks: What `as_list` returned.
        shape: (height, width) of the image.
        task: The masks' task, for messages about arrays.
        image: The image's file, for messages.

    Returns:
        (height, width), True inside any of the masks.

    Raises:
        UmsrepError: a file that cannot be read as a mask, an array of other
            values than 0 and 1, or another size than the image's.
    """
    united = np.zeros(shape, bool)
    for mask in masks:
        if isinstance(mask, Path):
            name, inside = str(mask), reading.read_mask(mask)
        else:
            name = f"The array for task '{task}'"
            inside = _checked(name, image, mask)
        if inside.shape != tuple(shape):
            raise UmsrepError(
                f"{name} is {inside.shape[1]} x {inside.shape[0]} pixels "
                f"but its image {image} is {shape[1]} x {shape[0]}. A mask "
                "must have its image's size; get the matching file, or leave "
                "it out."
            )
        united |= inside
    return united


def _checked(
    name: str, image: str | Path, mask: np.ndarray
) -> NDArray[np.bool_]:
    if mask.ndim != 2 or mask.dtype not in (np.bool_, np.uint8):
        raise UmsrepError(
            f"{name} of {image} is {mask.dtype} of shape {mask.shape}. "
            "Expected bool or uint8 (height, width), 0 outside and 1 inside; "
            "threshold or convert it."
        )
    if mask.size and mask.max() > 1:
        raise UmsrepError(
            f"{name} of {image} holds values up to {mask.max()}. Expected 0 "
            "outside and 1 inside; pass mask > 0."
        )
    return mask.astype(bool)
