"""Where a data set's pictures come from: folders, or other stores.

A store has `size`, (height, width), and gives by the row of a data set
`image(row)`, `picture(task, row)`, the decoded target or None, and
`fixations(task, row)`.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import pandas as pd
from numpy.typing import NDArray

from umsrep import tasks as task_kinds
from umsrep.data import gaze
from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError

# Decoded pictures kept per data set; any more are read again from the disk,
# so that a large set does not fill the memory.
CACHE_BYTES = 2**30


class Store(Protocol):
    """What `Dataset` reads pictures from."""

    @property
    def size(self) -> tuple[int, int]: ...

    def image(self, row: int) -> NDArray: ...

    def picture(self, task: str, row: int) -> NDArray | None: ...

    def fixations(self, task: str, row: int) -> pd.DataFrame | None: ...


class OtherImages:
    """A store with the targets of another and images of its own (abstract).

    A subclass implements `image(row)`.

    Args:
        store: The other store.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.size = store.size

    def picture(self, task: str, row: int) -> NDArray | None:
        return self.store.picture(task, row)

    def fixations(self, task: str, row: int) -> pd.DataFrame | None:
        return self.store.fixations(task, row)


class Pictures:
    """Images and targets of one folder, decoded at first use and kept."""

    def __init__(
        self,
        path: Path,
        table: pd.DataFrame,
        tasks: Mapping[str, TaskSpec],
        size: Sequence[int],
    ) -> None:
        self.path = path
        self.size: tuple[int, int] = (size[0], size[1])
        self._images = table["image"].tolist()
        kinds: dict[str, Any] = {
            name: task_kinds.of(task) for name, task in tasks.items()
        }
        self._kinds = {
            name: kind
            for name, kind in kinds.items()
            if kind.place == task_kinds.PICTURE
        }
        self._files = {name: table[name].tolist() for name in self._kinds}
        self._fixations: dict[str, dict[str, pd.DataFrame]] = {}
        self._cache: dict[str, NDArray] = {}
        self._room = CACHE_BYTES

    def image(self, row: int) -> NDArray:
        return self._read(self._images[row])

    def picture(self, task: str, row: int) -> NDArray | None:
        file = self._files[task][row] if task in self._files else None
        if not file:
            return None
        depth = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH
        return self._kinds[task].decode(self._read(file, depth))

    def fixations(self, task: str, row: int) -> pd.DataFrame | None:
        if task not in self._fixations:
            self._fixations[task] = self._read_fixations(task)
        return self._fixations[task].get(self._images[row])

    def _read_fixations(self, task: str) -> dict[str, pd.DataFrame]:
        path = self.path / "fixations" / f"{task}.csv"
        if not path.exists():
            return {}
        try:
            table = pd.read_csv(path, dtype={"image": str, "observer": str})
            groups = table.groupby("image", sort=False)
            columns = list(gaze.COLUMNS)
            return {
                str(image): rows[columns].reset_index(drop=True)
                for image, rows in groups
            }
        except (OSError, ValueError, KeyError) as error:
            raise UmsrepError(
                f"{path} cannot be read ({error}). Run `umsrep verify`, or "
                "prepare the data set again."
            ) from error

    def _read(self, name: str, flags: int = cv2.IMREAD_GRAYSCALE) -> NDArray:
        picture = self._cache.get(name)
        if picture is None:
            picture = cv2.imread(str(self.path / name), flags)
            if picture is None or picture.shape != self.size:
                found = "nothing readable"
                if picture is not None:
                    found = f"{picture.shape[0]}x{picture.shape[1]} pixels"
                raise UmsrepError(
                    f"{self.path / name}: expected a picture of "
                    f"{self.size[0]}x{self.size[1]} pixels, found {found}. "
                    "Run `umsrep verify`, or prepare the data set again."
                )
            if self._room >= picture.nbytes:
                # All pictures are wanted equally often, so which ones are
                # kept does not matter.
                self._room -= picture.nbytes
                self._cache[name] = picture
        return picture


class Joined:
    """Pictures of several data sets, in order."""

    def __init__(self, parts: Sequence[tuple[Store, Iterable[int]]]) -> None:
        self.size = parts[0][0].size
        self._rows = [(store, row) for store, rows in parts for row in rows]

    def image(self, row: int) -> NDArray:
        store, inner = self._rows[row]
        return store.image(inner)

    def picture(self, task: str, row: int) -> NDArray | None:
        store, inner = self._rows[row]
        return store.picture(task, inner)

    def fixations(self, task: str, row: int) -> pd.DataFrame | None:
        store, inner = self._rows[row]
        return store.fixations(task, inner)
