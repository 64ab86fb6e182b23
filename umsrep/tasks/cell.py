"""Kinds whose target is a cell of the manifest."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from umsrep.errors import UmsrepError
from umsrep.tasks.base import CELL, TaskKind
from umsrep.tasks.protocols import Cells, Data


class CellKind(TaskKind):
    """A kind whose target is a cell of the manifest (abstract)."""

    place = CELL
    # What its cells hold, in messages.
    held = "values"

    def fault(self, cell: str) -> tuple[str, str] | None:
        """What is wrong with a cell: (what it is, what was expected)."""
        raise NotImplementedError

    def parse(self, cells: Iterable[str]) -> NDArray:
        """Cells as an array (n,); `missing` where empty."""
        raise NotImplementedError

    def known(self, values: NDArray) -> NDArray[np.bool_]:
        """Which of the values of `parse` are there."""
        raise NotImplementedError

    def batch(self, values: NDArray) -> NDArray:
        """Values of `parse` as targets of a batch; anything where missing."""
        raise NotImplementedError

    def true_values(self, dataset: Data) -> NDArray:
        """As `Dataset.values`; all missing where the data lack the task."""
        if self.spec.name in dataset.tasks:
            return dataset.values(self.spec.name)
        return self.parse([""] * len(dataset))

    def check_learnable(self, cells: Cells, images: str) -> None:
        found = sorted(set(cells))
        if len(found) < 2:
            raise UmsrepError(
                f"Task '{self.spec.name}': all {len(cells)} labelled {images} "
                f"are '{found[0]}'. Expected at least two {self.held}; choose "
                "other split fractions, or leave the task out."
            )
