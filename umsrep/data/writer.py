"""Writing a prepared data set, whole or not at all."""

import contextlib
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep import tasks as task_kinds
from umsrep.data import (
    copies,
    copies_file,
    file_content,
    source_checks,
    source_facts,
    source_image,
    storage,
)
from umsrep.data import scale as scales
from umsrep.data.deep_pixels import check_sixteen_bit
from umsrep.data.frame import Frame
from umsrep.data.gaze import GazeMap
from umsrep.data.header import lacking, origin, preprocessing, versions
from umsrep.data.prepared import (
    FORMAT,
    FORMAT_VERSION,
    HEADER,
    MANIFEST,
    SPLITS,
    SourceDescription,
    TaskSpec,
    count_images,
)
from umsrep.data.targets import sources
from umsrep.errors import UmsrepError

ON_ERROR = ("stop", "skip")


class PreparedWriter:
    """Writes a prepared data set that is whole or not there.

    A context manager: images are added inside it; on leaving it without an
    error the manifest and the header are written and the folder appears.

    Args:
        out: The folder to make; it must not exist, or be empty.
        name: Short name of the data set.
        tasks: `TaskSpec`s, in the order of the manifest's columns.
        description: A `SourceDescription`.
        size: Side of the prepared images in pixels, or (height, width).
        on_error: "stop" at the first bad file, or "skip" it, count it and
            record it with the reason.
        sixteen_bit: "refuse" or "rescale", see `images.read_grey`.
        fit: "stretch" to the size, or "pad": keep the aspect ratio and put
            black beside the image.
        gaze_map: A `gaze.GazeMap`: how gaze becomes the map of a map task.

    Attributes:
        skipped: [{"file", "reason"}] so far.
        header: The content of `dataset.json`, once the context is left.

    Raises:
        UmsrepError: bad arguments, a folder that is not empty or is being
            written by another command, a bad file (`on_error="stop"`), or no
            image at all.
    """

    def __init__(
        self,
        out: str | Path,
        name: str,
        tasks: Sequence[TaskSpec],
        description: SourceDescription,
        size: int | Sequence[int] = 256,
        on_error: str = "stop",
        sixteen_bit: str = "refuse",
        fit: str = "stretch",
        gaze_map: GazeMap | None = None,
    ) -> None:
        self.out = Path(out)
        self.name = name
        self.tasks = {task.name: task for task in tasks}
        self.kinds: dict[str, Any] = {
            n: task_kinds.of(t) for n, t in self.tasks.items()
        }
        self.description = description
        self.size = _checked_size(size)
        if on_error not in ON_ERROR:
            raise UmsrepError(
                f"on_error is {on_error!r}. Use one of {', '.join(ON_ERROR)}."
            )
        check_sixteen_bit(sixteen_bit)
        if len(self.tasks) != len(tasks):
            raise UmsrepError(
                f"Data set '{name}' has tasks "
                f"{[task.name for task in tasks]}. Give each task its own "
                "name."
            )
        Frame(self.size, self.size, fit)
        self.fit = fit
        self.on_error = on_error
        self.sixteen_bit = sixteen_bit
        self.skipped: list[dict[str, str]] = []
        self.warnings: list[str] = []
        self.header: dict[str, Any] | None = None
        self._rows: list[dict[str, str]] = []
        self._checksums: dict[str, str] = {}
        self._shapes: list[tuple[int, int]] = []
        self._facts: dict[str, tuple[Path, dict[str, Any]]] = {}
        self._signatures: list[NDArray[np.uint8]] = []
        self._seen: dict[str, Path] = {}
        self._sources = sources(gaze_map or GazeMap())
        # {axis: (unit, the first image with a scale of it)}
        self._units: dict[str, tuple[str, Path]] = {}

    def __enter__(self) -> "PreparedWriter":
        self._stack = contextlib.ExitStack()
        self._folder = self._stack.enter_context(storage.new_folder(self.out))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        if kind is not None:
            return self._stack.__exit__(kind, error, trace)
        with self._stack:
            self._finish()
        return False

    def add(
        self,
        image_id: str,
        image_path: str | Path,
        patient: object,
        split: str = "",
        targets: Mapping[str, Any] | None = None,
        scale: scales.Scale | None = None,
    ) -> bool:
        """Reads, checks, resizes and writes one image with its targets.

        Args:
            image_id: Name of the image in the prepared set, unique without
                regard to case: letters, digits, ".", "_" and "-".
            image_path: The source file.
            patient: Key of the patient; images of one patient share it.
            split: "train", "validation", "test" or "" for none.
            targets: {task: target}; a task left out, None, "" or an empty
                list is unlabelled. Of a label its class name; a number, or
                its text; of a mask a file, or a bool or uint8 array of the
                image's size, 1 inside and 0 outside, or a list of several to
                unite; of a map a `gaze.Gaze`, or a grey heat map file of the
                image's size.
            scale: `umsrep.data.Scale` of the source image; None takes the
                millimetres per pixel that a DICOM file states of the object.
                All images of a set share one unit per axis.

        Returns:
            True if the image was written, False if it was skipped.

        Raises:
            UmsrepError: an unknown task or split; or, with
                `on_error="stop"`, a bad file, a label that is none of the
                task's, a mask or map of another size, gaze that never meets
                the image, a scale beyond the image or in another unit, or an
                id seen before.
        """
        image_id, image_path = str(image_id), Path(image_path)
        cells, pictures = self._given(targets or {})
        if split not in ("", *SPLITS):
            raise UmsrepError(
                f"Split '{split}' of image '{image_id}' is unknown. Use "
                f"{', '.join(SPLITS)}, or '' for none."
            )
        try:
            source_checks.check_identity(
                image_id, image_path, patient, self._seen
            )
            source_checks.check_cells(image_path, cells, self.kinds)
            source_checks.check_units(image_path, scale, self._units)
            frame, grey, drawn, stated = self._read(image_path, pictures)
            scale = scale or source_checks.fitting(stated, self._units)
            moved = source_checks.moved(image_path, frame, scale)
        except UmsrepError as error:
            return self.reject(image_path, error)
        self._seen[image_id.lower()] = image_path
        source_checks.note_units(image_path, scale, self._units)
        row = {
            "image": f"images/{image_id}.png",
            "patient": str(patient),
            "split": split,
            **{task: cells.get(task, "") for task in self.tasks},
        }
        self._write_png(row["image"], grey)
        files = [image_path]
        for task, values in drawn.items():
            kind, given = self.kinds[task], pictures[task]
            row[task] = f"{kind.folder}/{task}/{image_id}.png"
            self._write_png(row[task], kind.encode(values))
            source = self._sources[kind.source]
            source.keep(row["image"], frame, task, given)
            files += source.files(given)
        self._shapes.append(frame.shape)
        fact = source_facts.facts(image_path, frame.shape)
        self._facts[row["image"]] = image_path, fact
        self._signatures.append(copies.signature(grey))
        row |= scales.to_cells(moved)
        row["source"] = ";".join(dict.fromkeys(file.name for file in files))
        self._rows.append(row)
        return True

    def reject(self, path: str | Path, error: UmsrepError) -> bool:
        """Raises `error`, or with `on_error="skip"` records it.

        Args:
            path: The file at fault.
            error: The `UmsrepError` about it.

        Returns:
            False.
        """
        if self.on_error == "stop":
            raise error
        self.skip(path, str(error))
        return False

    def skip(self, path: str | Path, reason: str) -> None:
        """Records a file that is left out on purpose, whatever `on_error`."""
        path = Path(path)
        # The record travels with the data: no need to name a home folder. Other
        # files in the reason share the outer folders only.
        for above in path.parents[1:]:
            if above.name:
                reason = reason.replace(f"{above}{os.sep}", "")
        self.skipped.append(
            {"file": "/".join(path.parts[-2:]), "reason": reason}
        )

    def warn(self, message: str) -> None:
        """Records a warning that belongs to the data set as a whole."""
        self.warnings.append(message)

    def _given(
        self, targets: Mapping[str, Any]
    ) -> tuple[dict[str, str], dict[str, Any]]:
        """({task: cell}, {task: source of a picture}) without missing ones."""
        cells, pictures = {}, {}
        for name, value in targets.items():
            if name not in self.tasks:
                raise UmsrepError(
                    f"Data set '{self.name}' has no task '{name}'. It has: "
                    f"{', '.join(self.tasks) or 'none'}."
                )
            if value is None or (isinstance(value, str) and not value):
                continue
            kind = self.kinds[name]
            if kind.place == task_kinds.CELL:
                cells[name] = str(value)
                continue
            value = self._sources[kind.source].given(value)
            if value is not None:
                pictures[name] = value
        return cells, pictures

    def _read(
        self, path: Path, pictures: Mapping[str, Any]
    ) -> tuple[
        Frame,
        NDArray[np.uint8],
        dict[str, NDArray],
        scales.Scale | None,
    ]:
        source = source_image.read(path, self.sixteen_bit)
        grey = source.grey
        frame = Frame(grey.shape, self.size, self.fit)
        drawn = {
            task: self._sources[self.kinds[task].source].draw(
                path, frame, task, given
            )
            for task, given in pictures.items()
        }
        grey = frame.image(grey)
        file_content.check_not_constant(path, grey)
        return frame, grey, drawn, source.scale

    def _write_png(self, relative: str, pixels: NDArray) -> None:
        self._checksums[relative] = write_png(self._folder / relative, pixels)

    def _finish(self) -> None:
        if not self._rows:
            raise nothing_prepared(self.name, self.skipped)
        table = pd.DataFrame(self._rows)
        units = {axis: unit for axis, (unit, _) in sorted(self._units.items())}
        if not units:
            table = table.drop(columns=list(scales.COLUMNS))
        counts = count_images(table, self.tasks)
        for text in lacking(self.tasks, counts):
            self.warn(text)
        gaze = self._sources["gaze"].record.write(
            self._folder, self._checksums, self.warn
        )
        thumbnails = np.stack(self._signatures)
        for text in copies_file.write(self._folder, table, thumbnails):
            self.warn(text)
        source_facts.write(self._folder, self._facts)
        storage.write_csv(self._folder / MANIFEST, table)
        for name in (MANIFEST, source_facts.SOURCES, *copies_file.FILES):
            self._checksums[name] = storage.sha256(self._folder / name)
        self.header = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "name": self.name,
            **origin(self.description),
            "preprocessing": preprocessing(
                self.size, self.fit, self.sixteen_bit, self._shapes
            ),
            "gaze": gaze,
            "tasks": {
                name: {k: v for k, v in task.to_json().items() if v}
                for name, task in self.tasks.items()
            },
            **({"scales": units} if units else {}),
            "counts": counts,
            "skipped": self.skipped,
            "warnings": self.warnings,
            "checksums": dict(sorted(self._checksums.items())),
            "versions": versions(),
        }
        storage.write_json(self._folder / HEADER, self.header)


def _checked_size(size: int | Sequence[int]) -> tuple[int, int]:
    sides: Any = (size, size) if np.ndim(size) == 0 else size
    height, width = sides
    if not all(
        isinstance(side, (int, np.integer)) and 8 <= side <= 4096
        for side in (height, width)
    ):
        raise UmsrepError(
            f"Size {size!r} is not usable. Give whole pixels from 8 to 4096, "
            "for example 256."
        )
    return int(height), int(width)


def write_png(file: Path, pixels: NDArray) -> str:
    """Writes a PNG and returns the checksum of its bytes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Encoded in memory: a full disk is then an OSError that says so.
    data = cv2.imencode(".png", pixels)[1].tobytes()
    file.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def nothing_prepared(
    name: str, skipped: Sequence[Mapping[str, str]]
) -> UmsrepError:
    """The error of a data set without an image."""
    reasons = "; ".join(s["reason"] for s in skipped[:3])
    return UmsrepError(
        f"No image of '{name}' could be prepared"
        + (f" ({len(skipped)} skipped: {reasons})" * bool(reasons))
        + ". Check the source folder."
    )
