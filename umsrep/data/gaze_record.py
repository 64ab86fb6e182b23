"""Gaze on its way into a prepared data set: maps, fixations, provenance."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep.data import gaze, storage
from umsrep.data import images as reading
from umsrep.data.frame import Frame
from umsrep.data.prepared import FIXATION_COLUMNS
from umsrep.errors import UmsrepError


class GazeRecord:
    """Draws maps, and remembers what they were made of.

    Args:
        gaze_map: How points become a map.
    """

    def __init__(self, gaze_map: gaze.GazeMap) -> None:
        self.gaze_map = gaze_map
        self._notes: dict[str, dict[str, Any]] = {}

    def draw(
        self,
        path: str | Path,
        frame: Frame,
        task: str,
        value: gaze.Gaze | str | Path,
    ) -> NDArray[np.float32]:
        """The prepared map of one image.

        Args:
            path: The image, for messages.
            frame: Its `Frame`.
            task: Name of the map task.
            value: The gaze on the image, or a heat map file.

        Raises:
            UmsrepError: a heat map of another size, or gaze without a point
                on the image.
        """
        if not isinstance(value, gaze.Gaze):
            heat = reading.read_map(value)
            if heat.shape != frame.shape:
                raise UmsrepError(
                    f"{value} is {heat.shape[1]} x {heat.shape[0]} pixels "
                    f"but its image {path} is {frame.shape[1]} x "
                    f"{frame.shape[0]}. A heat map must have its image's "
                    "size; get the matching file, or leave it out."
                )
            return frame.map(heat)
        try:
            points, _ = gaze.inside(value.points, frame.shape)
            return frame.map(
                gaze.density(
                    points,
                    frame.shape,
                    self._sigma(frame, value),
                    self.gaze_map.weight,
                )
            )
        except UmsrepError as error:
            raise UmsrepError(
                f"Gaze '{task}' on {path} ({frame.shape[1]} x "
                f"{frame.shape[0]} pixels): {error}"
            ) from error

    def keep(
        self, image: str, frame: Frame, task: str, value: gaze.Gaze
    ) -> None:
        """Keeps the gaze on an image that was written, for `write`."""
        note = self._notes.setdefault(
            task,
            {
                "points": 0,
                "points_outside": 0,
                "fixations_outside": 0,
                "sigma": [],
                "prepared": [],
                "tables": [],
            },
        )
        points, outside = gaze.inside(value.points, frame.shape)
        note["points"] += len(points)
        note["points_outside"] += outside
        sigma = self._sigma(frame, value)
        note["sigma"].append(sigma)
        scale = np.divide(frame.inner, frame.shape)
        note["prepared"].append(sigma * scale)
        if value.fixations is not None:
            points, outside = gaze.inside(value.fixations, frame.shape)
        note["fixations_outside"] += outside
        table = frame.points(points)
        table.insert(0, "image", image)
        note["tables"].append(table)

    def write(
        self,
        folder: Path,
        checksums: dict[str, str],
        warn: Callable[[str], object],
    ) -> dict[str, dict[str, Any]]:
        """Writes the fixations of every task.

        Args:
            folder: The prepared folder.
            checksums: {file: SHA-256}; the new files are added.
            warn: Called with a sentence about points left out.

        Returns:
            {task: where its maps came from}, for the header.
        """
        if self._notes:
            (folder / "fixations").mkdir(exist_ok=True)
        return {
            task: self._write(task, note, folder, checksums, warn)
            for task, note in self._notes.items()
        }

    def _write(
        self,
        task: str,
        note: dict[str, Any],
        folder: Path,
        checksums: dict[str, str],
        warn: Callable[[str], object],
    ) -> dict[str, Any]:
        table = pd.concat(note["tables"], ignore_index=True)
        table = table[list(FIXATION_COLUMNS)]
        for column in ("x", "y"):
            # Rounded down, so that no point moves across the border.
            table[column] = np.floor(table[column] * 1000) / 1000
        file = f"fixations/{task}.csv"
        storage.write_csv(folder / file, table)
        checksums[file] = storage.sha256(folder / file)
        if note["points_outside"]:
            warn(
                f"Gaze '{task}': {note['points_outside']} points outside "
                "their image were left out."
            )
        return {
            "points": note["points"],
            "points_outside": note["points_outside"],
            "fixations": len(table),
            "fixations_outside": note["fixations_outside"],
            "observers": int(table["observer"].nunique()),
            "images": len(note["sigma"]),
            "weight": self.gaze_map.weight,
            # Least and largest sigma, in pixels of the source images.
            "sigma_pixels": [
                round(min(note["sigma"]), 3),
                round(max(note["sigma"]), 3),
            ],
            # The median over the prepared images, (y, x).
            "sigma_prepared": [
                round(float(sigma), 4)
                for sigma in np.median(note["prepared"], axis=0)
            ],
            "border": "mirrored",
        }

    def _sigma(self, frame: Frame, value: gaze.Gaze) -> float:
        return self.gaze_map.pixels(frame.shape, value.pixels_per_degree)
