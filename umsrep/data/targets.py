"""From what a converter gives for a task to a target in the prepared format.

One class per `PictureKind.source`. `given(value)` is the value as the others
take it, or None where there is none; `draw(image, frame, task, given)` the
prepared target (height, width); `files(given)` the files it was made of; and
`keep(...)` notes what is to be recorded of an image that was written.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from umsrep.data import masks
from umsrep.data.frame import Frame
from umsrep.data.gaze import Gaze, GazeMap
from umsrep.data.gaze_record import GazeRecord


class Regions:
    """Masks: files or arrays, united."""

    def given(
        self, value: masks.Mask | Sequence[masks.Mask] | None
    ) -> list[Path | np.ndarray] | None:
        return masks.as_list(value) or None

    def draw(
        self,
        image: Path,
        frame: Frame,
        task: str,
        given: list[Path | np.ndarray],
    ) -> NDArray[np.bool_]:
        return frame.mask(masks.unite(given, frame.shape, task, image))

    def files(self, given: list[Path | np.ndarray]) -> list[Path]:
        return [mask for mask in given if isinstance(mask, Path)]

    def keep(self, name: str, frame: Frame, task: str, given: object) -> None:
        pass


class Gazes:
    """Maps: a `gaze.Gaze`, or a grey heat map file.

    Args:
        gaze_map: A `gaze.GazeMap`.
    """

    def __init__(self, gaze_map: GazeMap) -> None:
        self.record = GazeRecord(gaze_map)

    def given(self, value: Gaze | str | Path) -> Gaze | str | Path:
        return value

    def draw(
        self, image: Path, frame: Frame, task: str, given: Gaze | str | Path
    ) -> NDArray[np.float32]:
        return self.record.draw(image, frame, task, given)

    def files(self, given: Gaze | str | Path) -> list[Path]:
        return [] if isinstance(given, Gaze) else [Path(given)]

    def keep(
        self, name: str, frame: Frame, task: str, given: Gaze | str | Path
    ) -> None:
        if isinstance(given, Gaze):
            self.record.keep(name, frame, task, given)


def sources(gaze_map: GazeMap) -> dict[str, Any]:
    """{name of a source: object}; `PictureKind.source` names one."""
    return {"regions": Regions(), "gaze": Gazes(gaze_map)}
