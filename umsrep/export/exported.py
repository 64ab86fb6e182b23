"""An exported file as a predictor."""

import hashlib
import json
import typing
from pathlib import Path

import numpy as np
import pydantic

from umsrep import tasks
from umsrep.data import storage
from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.export import packages
from umsrep.export.formats import METADATA, SUFFIXES
from umsrep.export.runtimes import RUNTIMES, UnsafeModel
from umsrep.predictor import Predictor, check_images, stacked

FORMAT = "umsrep-export"
FORMAT_VERSION = 1
SAVED_MODEL = "saved_model.pb"
# Images of one size that follow each other go through a file together.
BATCH_SIZE = 8


class _Task(pydantic.BaseModel):
    kind: str
    classes: list[str]
    threshold: float | None

    @pydantic.field_validator("kind")
    @classmethod
    def _is_exported(cls, value):
        if value not in tasks.names() or not tasks.get(value).exported:
            raise ValueError(f"'{value}' is no kind of task that is exported")
        return value


class Description(pydantic.BaseModel):
    """What a description must hold to be used."""

    tasks: typing.Annotated[dict[str, _Task], pydantic.Field(min_length=1)]
    image_size: tuple[pydantic.PositiveInt, pydantic.PositiveInt]
    fit: typing.Literal["stretch", "pad"]


def beside(path, suffix):
    """The file of `suffix` that belongs to an exported file or folder."""
    path = Path(path)
    return path.with_name(path.name + suffix)


def fingerprint(path):
    """SHA-256 of an exported file; of a folder, over those of its files."""
    path = Path(path)
    if not path.is_dir():
        return storage.sha256(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    lines = [f"{f.relative_to(path)} {storage.sha256(f)}\n" for f in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def open_file(path):
    """Opens an exported file.

    Args:
        path: A .keras, .onnx or .tflite file or a SavedModel folder of
            `umsrep export`. All but .onnx files need the .json beside them.

    Returns:
        An `ExportedPredictor`.

    Raises:
        UmsrepError: no such file, no .json beside it or that of another file,
            or a runtime that is not installed.
    """
    path = Path(path)
    kind = _kind(path)
    packages.require(kind)
    metadata = None
    if kind != "onnx":
        metadata = _read_metadata(path)
    try:
        runtime = RUNTIMES[kind](path)
    except UnsafeModel as error:
        raise UmsrepError(
            f"{path} {error}. It was not opened. `umsrep export` writes no "
            "such file; do not use one whose origin you do not know."
        ) from error
    except Exception as error:  # Runtimes raise nearly anything.
        raise UmsrepError(
            f"{path} cannot be opened as {kind} ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}). It is damaged or needs "
            "other versions; export the run again."
        ) from error
    if kind == "onnx":
        metadata = _embedded_metadata(path, runtime)
    return ExportedPredictor(path, runtime, metadata)


def _kind(path):
    if path.is_dir():
        if (path / SAVED_MODEL).exists():
            return "savedmodel"
    elif path.exists():
        for kind, suffix in SUFFIXES.items():
            if suffix and path.suffix == suffix:
                return kind
    else:
        raise UmsrepError(
            f"{path} does not exist. Expected a file of `umsrep export`; "
            "check the path."
        )
    raise UmsrepError(
        f"{path} is no exported file. Expected a .keras, .onnx or .tflite "
        f"file, or a folder with {SAVED_MODEL}; make one with `umsrep export`."
    )


def _read_metadata(path):
    sidecar = beside(path, ".json")
    if not sidecar.exists():
        raise UmsrepError(
            f"{path} has no {sidecar.name} beside it, so its tasks and classes "
            "are not known. Keep the two together, or export the run again."
        )
    metadata = _checked(
        storage.read_json(sidecar, "description of an exported file"), sidecar
    )
    if metadata.get("sha256") != fingerprint(path):
        raise UmsrepError(
            f"{sidecar} describes another file than {path} (the SHA-256 "
            "differs). Keep each file with its own, or export the run again."
        )
    return metadata


def _embedded_metadata(path, runtime):
    text = runtime.metadata.get(METADATA)
    if text is None:
        raise UmsrepError(
            f"{path} carries no description of its tasks: it was not written "
            "by umsrep. Make one with `umsrep export`."
        )
    try:
        return _checked(json.loads(text), path)
    except json.JSONDecodeError as error:
        raise UmsrepError(
            f"The description in {path} is damaged ({error}). Export the run "
            "again."
        ) from error


def _checked(metadata, path):
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise UmsrepError(
            f"{path} does not describe an exported file (expected "
            f'"format": "{FORMAT}"). Export the run again.'
        )
    if metadata.get("format_version") != FORMAT_VERSION:
        raise UmsrepError(
            f"{path} has format version {metadata.get('format_version')}, "
            f"this umsrep reads {FORMAT_VERSION}. Export the run again."
        )
    try:
        Description.model_validate(metadata)
    except pydantic.ValidationError as error:
        (first, *_) = error.errors()
        place = ".".join(str(part) for part in first["loc"])
        raise UmsrepError(
            f"{path} has no right '{place}' ({first['msg']}): it is damaged. "
            "Export the run again."
        ) from error
    return metadata


class ExportedPredictor(Predictor):
    """An exported file as a `Predictor`, in the runtime of its format.

    Args:
        path: The file.
        runtime: A `runtimes.Runtime` of it.
        metadata: Its description, as returned by `exporting.describe`.

    Attributes:
        metadata: The same.
    """

    def __init__(self, path, runtime, metadata):
        self.path = Path(path)
        self.metadata = metadata
        self.specs = {
            name: TaskSpec.from_json(name, entry)
            for name, entry in metadata["tasks"].items()
        }
        self.thresholds = {
            name: entry["threshold"]
            for name, entry in metadata["tasks"].items()
        }
        self.image_size = tuple(metadata["image_size"])
        self.fit = metadata["fit"]
        self.intensities = metadata.get("intensities")
        focus = metadata.get("focus")
        if focus and focus["task"] in self.specs:
            self.focus = focus
        self._runtime = runtime
        if set(runtime.names) != set(self.specs):
            raise UmsrepError(
                f"{path} has the outputs {sorted(runtime.names)}, but its "
                f"description names {sorted(self.specs)}. Export the run again."
            )

    def __call__(self, images):
        check_images(images)
        parts = {task: [] for task in self.specs}
        for batch in _equal_sizes(images):
            results = self._runtime(batch)
            for task, found in parts.items():
                found.extend(results[task])
        return {
            task: stacked(self.specs[task], found)
            for task, found in parts.items()
        }


def _equal_sizes(images):
    """Batches of neighbours that have one size."""
    start = 0
    for end in range(1, len(images) + 1):
        if (
            end == len(images)
            or images[end].shape != images[start].shape
            or end - start == BATCH_SIZE
        ):
            yield np.stack(images[start:end])
            start = end
