"""A run folder in the making."""

import contextlib
import os
import platform
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import pandas as pd
import psutil

from umsrep import distribution
from umsrep.data import storage
from umsrep.data.dataset import Dataset
from umsrep.errors import UmsrepError
from umsrep.runs.folder import SPLIT_COLUMNS
from umsrep.runs.former import comparable
from umsrep.runs.header import FORMAT, FORMAT_VERSION, HEADER, read_run

# What worker 0 tells the others.
REFUSED, OPEN = 0, 1
# Settings that are paths; their contents are in "fingerprints".
PLACES = ("data", "representation", "denoise_with", "leave_out")
# What comes out does not depend on these, but for rounding: where a folder
# lies, which devices share the batches, and how they compute.
FREE = (*PLACES, "distribution", "cache_features", "xla")
PACKAGES = ("umsrep", "keras", "tensorflow", "numpy", "opencv-python")


def versions() -> dict[str, str]:
    """{package: version} of what decides the numbers."""
    found = {"python": platform.python_version()}
    # Every backend's name is its package's.
    for package in dict.fromkeys((*PACKAGES, keras.backend.backend())):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return {**found, "backend": keras.backend.backend()}


def machine() -> dict[str, Any]:
    """What the numbers were computed on."""
    model = platform.processor()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.system(),
    }


class RunWriter:
    """A run folder in the making, locked against other commands.

    Use as a context manager. Until `finish`, run.json says "running".

    Attributes:
        path: Where results are written.
        checkpoint: Folder for the training state.
        complete: Whether there is nothing left to do.

    Args:
        path: The folder.
        kind: "pretrain" or "finetune".
        config: The settings, JSON-able; a resumed training must have the
            same.
        resume: Go on in an existing folder.
        devices: `distribution.Devices`. Of several workers, worker 0 writes
            the folder; the others read the training state from it, and what
            they write goes with their temporary `path`.
    """

    def __init__(
        self,
        path: str | Path,
        kind: str,
        config: Mapping[str, Any],
        resume: bool = False,
        devices: distribution.Devices | None = None,
    ) -> None:
        self.path = Path(path)
        self.checkpoint = self.path / "checkpoint"
        self.devices = devices or distribution.use("none")
        self.kind = kind
        self.config = storage.plain(config)
        self.resume = resume
        self.complete = False
        self._created = False

    def __enter__(self) -> "RunWriter":
        self._stack = contextlib.ExitStack()
        if not self.devices.leads:
            self._follow()
            return self
        try:
            self._stack.enter_context(storage.locked(self.path))
            self._open()
        except BaseException:
            self._stack.close()
            self.devices.from_leader(REFUSED)
            raise
        self.devices.from_leader(OPEN)
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if kind is None:
            # A cluster ends when its first worker leaves.
            self.devices.from_leader(OPEN)
        # A mistake before the first epoch must not leave a folder behind that
        # refuses the corrected command.
        if kind is not None and self._created and not self._has_state():
            shutil.rmtree(self.path, ignore_errors=True)
        self._stack.close()

    def _has_state(self) -> bool:
        return self.checkpoint.exists() and any(self.checkpoint.iterdir())

    def _follow(self) -> None:
        if self.devices.from_leader(OPEN) == REFUSED:
            raise UmsrepError(
                f"Worker 0 could not begin in {self.path}. Its own message "
                "says why; start all workers again."
            )
        self.complete = read_run(self.path)["status"] == "complete"
        if not self.complete:
            self.path = Path(
                self._stack.enter_context(tempfile.TemporaryDirectory())
            )

    def _open(self) -> None:
        exists = self.path.exists() and (
            not self.path.is_dir() or any(self.path.iterdir())
        )
        if not exists:
            with storage.explain_os_errors(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
            self._created = True
            self._write("running", {})
            return
        if not (self.path / HEADER).exists():
            raise UmsrepError(
                f"{self.path} already holds other files. Choose a new --out "
                "folder."
            )
        info = read_run(self.path)
        if not self.resume:
            raise UmsrepError(
                f"{self.path} already holds a {info['status']} run. Pass "
                "--resume to go on with it, or choose a new --out folder."
            )
        old, new = (
            {k: v for k, v in comparable(config).items() if k not in FREE}
            for config in (info["config"], self.config)
        )
        if info["kind"] != self.kind or old != new:
            changed = sorted(
                key for key in {*old, *new} if old.get(key) != new.get(key)
            )
            raise UmsrepError(
                f"{self.path} was begun with other settings: "
                f"{', '.join(changed) or 'another command'}. Repeat the "
                "command as in run.json, or choose a new --out folder."
            )
        self.complete = info["status"] == "complete"

    def _write(self, status: str, entries: Mapping[str, Any]) -> None:
        storage.write_json(
            self.path / HEADER,
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "kind": self.kind,
                "status": status,
                "config": self.config,
                "seed": self.config["seed"],
                "versions": versions(),
                "machine": machine(),
                **entries,
            },
        )

    def save_model(self, model: keras.Model, name: str = "model.keras") -> None:
        """Saves a model atomically."""
        with storage.atomic_path(self.path / name) as temporary:
            model.save(temporary)

    def save_split(
        self,
        parts: Mapping[str, Dataset],
        more: Iterable[pd.DataFrame] = (),
    ) -> None:
        """Writes split.csv.

        Args:
            parts: {split name: `data.Dataset`}.
            more: Data frames with the columns of split.csv.
        """
        tables = []
        for name, data in parts.items():
            table = data.table[["image", "patient", "checksum"]].copy()
            table["split"] = name
            table.insert(0, "dataset", data.name)
            tables.append(table)
        table = pd.concat([*tables, *more])[SPLIT_COLUMNS]
        storage.write_csv(self.path / "split.csv", table)

    def finish(self, entries: Mapping[str, Any]) -> None:
        """Marks the run complete and removes the training state."""
        self._write("complete", {"devices": self.devices.count, **entries})
        if self.devices.leads:
            shutil.rmtree(self.checkpoint, ignore_errors=True)
