"""What a task kind is given, by what it uses: kinds import no data."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

# Of a list, or of a column of the manifest.
Cells = Sequence[str] | pd.Series


class Spec(Protocol):
    """A task; see `data.TaskSpec`."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def unit(self) -> str: ...

    @property
    def limits(self) -> tuple[float, ...]: ...


class Frame(Protocol):
    """Where an image lies in the prepared one; see `data.frame.Frame`."""

    @property
    def inner(self) -> tuple[int, int]: ...

    @property
    def offset(self) -> tuple[int, int]: ...

    @property
    def content(self) -> tuple[slice, slice]: ...

    def restore(self, values: ArrayLike) -> NDArray[np.float32]: ...


class Data(Protocol):
    """Images with targets; see `data.Dataset`."""

    @property
    def tasks(self) -> dict[str, Any]: ...

    @property
    def table(self) -> pd.DataFrame: ...

    def __len__(self) -> int: ...

    def target(self, task: str, index: int) -> Any: ...

    def values(self, task: str) -> NDArray: ...

    def scale(self, index: int) -> Any: ...

    def fixations(self, task: str, index: int) -> pd.DataFrame | None: ...

    def frame(self, index: int) -> Frame: ...


class Calibration(Protocol):
    """Temperature and threshold; see `runs.calibration.Calibration`."""

    def apply(
        self, probabilities: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.int_]]: ...


class Reference(Protocol):
    """Gaze on training images; see `runs.gaze_reference.GazeReference`."""

    def inside(self, frame: Any) -> NDArray[np.float32]: ...


class Statistics(Protocol):
    """Metrics as a function of weights; see `TaskKind.statistics`."""

    def __call__(self, weights: NDArray | None) -> dict[str, Any]: ...
