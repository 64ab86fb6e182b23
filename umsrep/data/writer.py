"""Writing a prepared data set, whole or not at all."""

import contextlib
import hashlib
import os
import platform
import re
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import PIL

from umsrep import __version__
from umsrep.data import file_content, storage
from umsrep.data import images as reading
from umsrep.data import masks as mask_reading
from umsrep.data import scale as scales
from umsrep.data.frame import Frame
from umsrep.data.gaze import Gaze, GazeMap, to_sixteen_bit
from umsrep.data.gaze_record import GazeRecord
from umsrep.data.prepared import (
    FORMAT,
    FORMAT_VERSION,
    HEADER,
    MANIFEST,
    SPLITS,
    count_images,
)
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
        out,
        name,
        tasks,
        description,
        size=256,
        on_error="stop",
        sixteen_bit="refuse",
        fit="stretch",
        gaze_map=None,
    ):
        self.out = Path(out)
        self.name = name
        self.tasks = {task.name: task for task in tasks}
        self.description = description
        self.size = _checked_size(size)
        for value, allowed, what in (
            (on_error, ON_ERROR, "on_error"),
            (sixteen_bit, reading.SIXTEEN_BIT, "sixteen_bit"),
        ):
            if value not in allowed:
                raise UmsrepError(
                    f"{what} is {value!r}. Use one of {', '.join(allowed)}."
                )
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
        self.skipped = []
        self.warnings = []
        self.header = None
        self._rows = []
        self._checksums = {}
        self._shapes = []
        self._seen = {}
        self._gaze = GazeRecord(gaze_map or GazeMap())
        # {axis: (unit, the first image with a scale of it)}
        self._units = {}

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        self._folder = self._stack.enter_context(storage.new_folder(self.out))
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None:
            return self._stack.__exit__(kind, error, trace)
        with self._stack:
            self._finish()
        return False

    def add(
        self,
        image_id,
        image_path,
        patient,
        split="",
        labels=None,
        masks=None,
        maps=None,
        scale=None,
    ):
        """Reads, checks, resizes and writes one image with its labels.

        Args:
            image_id: Name of the image in the prepared set, unique without
                regard to case: letters, digits, ".", "_" and "-".
            image_path: The source file.
            patient: Key of the patient; images of one patient share it.
            split: "train", "validation", "test" or "" for none.
            labels: {label task: class name}; a task left out, None or "" is
                unlabelled.
            masks: {mask task: a mask file, or a bool or uint8 array of the
                image's size, 1 inside and 0 outside; or a list of several to
                unite}; left out, None or empty is unlabelled.
            maps: {map task: a `gaze.Gaze`, or a grey heat map file of the
                image's size}; left out or None is unlabelled.
            scale: `umsrep.data.Scale` of the source image; None is unknown.
                All images of a set share one unit per axis.

        Returns:
            True if the image was written, False if it was skipped.

        Raises:
            UmsrepError: an unknown task or split; or, with
                `on_error="stop"`, a bad file, an unknown class, a mask or
                map of another size, gaze that never meets the image, a scale
                beyond the image or in another unit, or an id seen before.
        """
        image_id = str(image_id)
        labels = {
            k: v for k, v in (labels or {}).items() if v not in (None, "")
        }
        masks = {
            task: listed
            for task, given in (masks or {}).items()
            if (listed := mask_reading.as_list(given))
        }
        maps = {k: v for k, v in (maps or {}).items() if v is not None}
        self._check_tasks(maps, "map")
        self._check_tasks(labels, "label")
        self._check_tasks(masks, "mask")
        if split not in ("", *SPLITS):
            raise UmsrepError(
                f"Split '{split}' of image '{image_id}' is unknown. Use "
                f"{', '.join(SPLITS)}, or '' for none."
            )
        image_path = Path(image_path)
        try:
            self._check_identity(image_id, image_path, patient)
            self._check_classes(image_path, labels)
            self._check_units(image_path, scale)
            frame, grey, united = self._read(image_path, masks)
            drawn = {
                task: self._gaze.draw(image_path, frame, task, value)
                for task, value in maps.items()
            }
            moved = _moved(image_path, frame, scale)
        except UmsrepError as error:
            return self.reject(image_path, error)
        self._seen[image_id.lower()] = image_path
        for axis, unit in (scale.units if scale else {}).items():
            self._units.setdefault(axis, (unit, image_path))
        row = {
            "image": f"images/{image_id}.png",
            "patient": str(patient),
            "split": split,
            **{task: labels.get(task, "") for task in self.tasks},
        }
        self._write_png(row["image"], grey)
        for task, mask in united.items():
            row[task] = f"masks/{task}/{image_id}.png"
            self._write_png(row[task], mask.astype(np.uint8) * 255)
        for task, values in drawn.items():
            row[task] = f"maps/{task}/{image_id}.png"
            self._write_png(row[task], to_sixteen_bit(values))
            if isinstance(maps[task], Gaze):
                self._gaze.keep(row["image"], frame, task, maps[task])
        files = [
            image_path,
            *(
                mask
                for group in masks.values()
                for mask in group
                if isinstance(mask, Path)
            ),
            *(Path(v) for v in maps.values() if not isinstance(v, Gaze)),
        ]
        self._shapes.append(frame.shape)
        row |= scales.to_cells(moved)
        row["source"] = ";".join(dict.fromkeys(file.name for file in files))
        self._rows.append(row)
        return True

    def reject(self, path, error):
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

    def skip(self, path, reason):
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

    def warn(self, message):
        """Records a warning that belongs to the data set as a whole."""
        self.warnings.append(message)

    def _check_tasks(self, given, kind):
        for name in given:
            if name not in self.tasks or self.tasks[name].kind != kind:
                known = [t.name for t in self.tasks.values() if t.kind == kind]
                raise UmsrepError(
                    f"Data set '{self.name}' has no {kind} task '{name}'. "
                    f"It has: {', '.join(known) or 'none'}."
                )

    def _check_identity(self, image_id, path, patient):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", image_id):
            raise UmsrepError(
                f"{path} gives the image id '{image_id}'. Expected letters, "
                "digits, '.', '_' and '-'; rename the file."
            )
        if image_id.lower() in self._seen:
            raise UmsrepError(
                f"{path} has the same image id '{image_id}' as "
                f"{self._seen[image_id.lower()]}. Every image needs a name "
                "of its own; rename or remove one."
            )
        if patient is None or not str(patient).strip():
            raise UmsrepError(
                f"{path} has no patient. Give a key, for example the image "
                "id where every image is another person."
            )

    def _check_classes(self, path, labels):
        for name, label in labels.items():
            if label not in self.tasks[name].classes:
                raise UmsrepError(
                    f"{path} has the unknown label '{label}' for task "
                    f"'{name}'. Expected one of "
                    f"{', '.join(self.tasks[name].classes)}; correct it, or "
                    "leave the image out."
                )

    def _check_units(self, path, scale):
        for axis, unit in (scale.units if scale else {}).items():
            first, other = self._units.get(axis, (unit, None))
            if unit != first:
                raise UmsrepError(
                    f"{path} has a {axis} scale in {unit}, but {other} has "
                    f"one in {first}. Expected one unit per axis for all "
                    "images; convert one of them."
                )

    def _read(self, path, masks):
        grey = reading.read_grey(path, self.sixteen_bit)
        frame = Frame(grey.shape, self.size, self.fit)
        united = {
            task: frame.mask(mask_reading.unite(given, grey.shape, task, path))
            for task, given in masks.items()
        }
        grey = frame.image(grey)
        file_content.check_not_constant(path, grey)
        return frame, grey, united

    def _write_png(self, relative, pixels):
        file = self._folder / relative
        file.parent.mkdir(parents=True, exist_ok=True)
        # Encoded in memory: a full disk is then an OSError that says so.
        data = cv2.imencode(".png", pixels)[1].tobytes()
        file.write_bytes(data)
        self._checksums[relative] = hashlib.sha256(data).hexdigest()

    def _finish(self):
        if not self._rows:
            reasons = "; ".join(s["reason"] for s in self.skipped[:3])
            raise UmsrepError(
                f"No image of '{self.name}' could be prepared"
                + (f" ({len(self.skipped)} skipped: {reasons})" * bool(reasons))
                + ". Check the source folder."
            )
        table = pd.DataFrame(self._rows)
        units = {axis: unit for axis, (unit, _) in sorted(self._units.items())}
        if not units:
            table = table.drop(columns=list(scales.COLUMNS))
        counts = count_images(table, self.tasks)
        self._warn_of_missing(counts)
        gaze = self._gaze.write(self._folder, self._checksums, self.warn)
        storage.write_csv(self._folder / MANIFEST, table)
        self._checksums[MANIFEST] = storage.sha256(self._folder / MANIFEST)
        about = self.description
        self.header = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "modality": about.modality,
            "source": {
                "title": about.title,
                "url": about.url,
                "citation": about.citation,
                "terms": about.terms,
            },
            "licence": about.licence,
            "preprocessing": {
                "size": list(self.size),
                "fit": self.fit,
                "source_sizes": _ranges(self._shapes),
                "grey": "8-bit luma (ITU-R BT.601)",
                "sixteen_bit": self.sixteen_bit,
                "image_interpolation": "bicubic (OpenCV)",
                "image_reduction": (
                    "sides above twice the size are first averaged by area "
                    "to twice the size"
                ),
                "mask_interpolation": "nearest",
                "map_interpolation": "area averages, sum 1",
            },
            "gaze": gaze,
            "tasks": {
                task.name: {"kind": task.kind}
                | ({"classes": list(task.classes)} if task.classes else {})
                for task in self.tasks.values()
            },
            **({"scales": units} if units else {}),
            "counts": counts,
            "skipped": self.skipped,
            "warnings": self.warnings,
            "checksums": dict(sorted(self._checksums.items())),
            "versions": _versions(),
        }
        storage.write_json(self._folder / HEADER, self.header)

    def _warn_of_missing(self, counts):
        for name, task in self.tasks.items():
            count = counts["tasks"][name]
            if not count["labelled"]:
                self.warn(f"Task '{name}' has no labelled image.")
                continue
            missing = [c for c in task.classes if not count["classes"][c]]
            if missing:
                self.warn(
                    f"Task '{name}' has no image of class "
                    f"{', '.join(missing)}; it cannot be trained on this "
                    "set alone."
                )


def _moved(path, frame, scale):
    """The scale of the prepared image; an error names the file."""
    if scale is None:
        return None
    try:
        return frame.scale(scale)
    except UmsrepError as error:
        raise UmsrepError(f"{path}: {error}") from error


def _checked_size(size):
    height, width = (size, size) if np.ndim(size) == 0 else size
    if not all(
        isinstance(side, (int, np.integer)) and 8 <= side <= 4096
        for side in (height, width)
    ):
        raise UmsrepError(
            f"Size {size!r} is not usable. Give whole pixels from 8 to 4096, "
            "for example 256."
        )
    return int(height), int(width)


def _ranges(shapes):
    """Least and most height, width and width / height of (height, width)s."""
    heights, widths = np.array(shapes).T
    return {
        name: [values.min().item(), values.max().item()]
        for name, values in (
            ("height", heights),
            ("width", widths),
            ("aspect_ratio", (widths / heights).round(4)),
        )
    }


def _versions():
    return {
        "umsrep": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "pillow": PIL.__version__,
    }
