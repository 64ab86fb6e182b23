"""Kinds whose target is a picture."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from umsrep.tasks.base import PICTURE, TaskKind


class PictureKind(TaskKind):
    """A kind whose target is a picture of the image's size (abstract).

    Attributes:
        source: What makes a prepared picture from what a converter gives:
            a name of `umsrep.data.targets.SOURCES`.
        mode: Pillow's mode of the stored pictures.
        discrete: Whether values must not be mixed: resized and moved by the
            nearest neighbour.
        cached_as: Number format of targets kept in memory.
    """

    place = PICTURE
    source = ""
    mode = "L"
    discrete = False
    cached_as = "float32"

    @classmethod
    def encode(cls, values: NDArray) -> NDArray:
        """Target (height, width) -> pixels of the stored PNG."""
        raise NotImplementedError

    @classmethod
    def decode(cls, pixels: NDArray) -> NDArray:
        """Pixels of the stored PNG -> target (height, width)."""
        raise NotImplementedError

    @classmethod
    def faults(cls, pixels: NDArray) -> Iterator[tuple[str, str | None]]:
        """What is wrong with stored pixels.

        Yields:
            (what it is, None where results would be wrong; for what is only
            doubtful, what to do).
        """
        raise NotImplementedError

    def usable(self, targets: NDArray) -> NDArray:
        """(batch,) which targets, moved by an augmentation, still say
        something."""
        return np.ones(len(targets), np.float32)
