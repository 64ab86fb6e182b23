"""What a frozen representation sees in images, as plain arrays."""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from umsrep import backend
from umsrep.data import Dataset
from umsrep.data.batches import ahead
from umsrep.errors import UmsrepError
from umsrep.heads.linear import pooled

if TYPE_CHECKING:
    from umsrep.cells import Cells
    from umsrep.representations import Representation

Floats = NDArray[np.float32]

BATCH_SIZE = 32
# Pixels per cell, and columns, up to which stages are put side by side.
COARSEST, WIDEST = 16, 512


def frozen_features(
    representation: "Representation",
    dataset: Dataset,
    feature: str | tuple[str, ...] = "bottleneck",
    deviations: bool = False,
) -> Floats:
    """Means of a feature, or several, over each image.

    Args:
        representation: A `Representation`, of whatever weights.
        dataset: The images.
        feature: Name of one of its features, or several names.
        deviations: Add the standard deviations over each image.

    Returns:
        (n, channels of all features) float32, or twice as many columns with
        the deviations.
    """
    reader = Reader(representation, feature, deviations, cells=False)
    return reader.read(dataset)[0]


class Reader:
    """Reads features of images; made once, it follows changing weights.

    Args:
        representation, feature, deviations: As in `frozen_features`.
        cells: Also read what each cell sees, for masks: the coarsest stage of
            at most 16 pixels per cell, and finer ones averaged to its cells.

    Attributes:
        cells: The `Cells` that are read, or None.
    """

    def __init__(
        self,
        representation: "Representation",
        feature: str | tuple[str, ...] = "bottleneck",
        deviations: bool = False,
        cells: bool = True,
    ) -> None:
        names = (feature,) if isinstance(feature, str) else tuple(feature)
        missing = [n for n in names if n not in representation.features]
        if missing:
            raise UmsrepError(
                f"Representation '{representation.name}' has no feature "
                f"'{missing[0]}'. Its features: "
                f"{', '.join(representation.features)}."
            )
        self.channels = representation.image_shape[-1]
        self.cells: Cells | None = None
        read = [representation.output[name] for name in names]
        outputs = {"pooled": pooled(read, deviations)}
        if cells and (stages := cell_stages(representation)):
            self.cells = representation.cells(stages[0])
            outputs["cells"] = _side_by_side(representation, stages)
        self._model = keras.Model(representation.input, outputs)

    def read(self, dataset: Dataset) -> tuple[Floats, NDArray | None]:
        """(means (n, columns), cells (n, rows, columns, channels) or None).

        Cells are float16, which spares half the memory.
        """
        columns, cells = [], []
        batches = dataset.batches(BATCH_SIZE, tasks=(), channels=self.channels)
        for images, _, _ in ahead(batches):
            found = backend.outputs(self._model, images)
            columns.append(found["pooled"])
            if "cells" in found:
                values = found["cells"]
                most = np.finfo(np.float16).max
                cells.append(values.clip(-most, most).astype(np.float16))
        return (
            np.concatenate(columns),
            np.concatenate(cells) if cells else None,
        )


def cell_stages(representation: "Representation") -> list[str]:
    """Names of the stages that masks are probed on, the coarsest first."""
    stages = [
        name
        for name in representation.stages
        if len(representation.output[name].shape) == 4
    ]
    fine = [s for s in stages if representation.stride(s) <= COARSEST]
    if not stages:
        return []
    first, *others = fine or stages[-1:]
    chosen, width = [first], representation.output[first].shape[-1]
    grid = representation.output[first].shape[1:3]
    for name in others:
        shape = representation.output[name].shape
        width += shape[-1]
        if width > WIDEST or any(
            n % k for n, k in zip(shape[1:3], grid, strict=True)
        ):
            break
        chosen.append(name)
    return chosen


def _side_by_side(representation: "Representation", stages: list[str]) -> Any:
    grid = representation.output[stages[0]].shape[1:3]
    parts = []
    for name in stages:
        tensor = keras.ops.cast(representation.output[name], "float32")
        factors = tuple(
            n // k for n, k in zip(tensor.shape[1:3], grid, strict=True)
        )
        if factors != (1, 1):
            tensor = keras.ops.average_pool(tensor, factors, factors)
        parts.append(tensor)
    return parts[0] if len(parts) == 1 else keras.ops.concatenate(parts, -1)
