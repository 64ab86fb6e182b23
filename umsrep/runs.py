"""Run folders: everything needed to read a training later.

run.json         what was done: settings, data, seed, versions, machine,
                 seconds, parameters; "status" is "complete" at the end
split.csv        data set, image, patient, split; the split "seen" is what its
                 representation has learnt from, and so was left out
history.csv      one row per epoch
model.keras      the trained model (model-<task>.keras per separate model)
calibration.json temperature and threshold per label task
metrics.json     pretrain: test images; finetune: validation images
samples/         pictures for the report
checkpoint/      state of an unfinished training
"""

import contextlib
import hashlib
import json
import os
import platform
import shutil
import tempfile
from importlib import metadata
from pathlib import Path

import keras
import pandas as pd
import psutil

# A model file names classes that are known once their modules are imported.
import umsrep.balancing
import umsrep.heads
import umsrep.model
import umsrep.representations  # noqa: F401
from umsrep import distribution
from umsrep.data import storage
from umsrep.errors import UmsrepError

FORMAT = "umsrep-run"
FORMAT_VERSION = 1
HEADER = "run.json"
# What worker 0 tells the others.
REFUSED, OPEN = 0, 1
# The split of images that a run leaves out, for its representation has
# learnt from their patients.
SEEN = "seen"
LEARNT_FROM = ("train", "validation", SEEN)
SPLIT_COLUMNS = ["dataset", "image", "patient", "split", "checksum"]
# Settings that are paths; their contents are in "fingerprints".
PLACES = ("data", "representation", "denoise_with", "leave_out")
# What comes out does not depend on these, but for rounding: where a folder
# lies, which devices share the batches, and how they compute.
FREE = (*PLACES, "distribution", "cache_features", "xla")
PACKAGES = ("umsrep", "keras", "tensorflow", "numpy", "opencv-python")


def versions():
    """{package: version} of what decides the numbers."""
    found = {"python": platform.python_version()}
    # Every backend's name is its package's.
    for package in dict.fromkeys((*PACKAGES, keras.backend.backend())):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return {**found, "backend": keras.backend.backend()}


def machine():
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


def read_run(path):
    """The parsed run.json of a run folder.

    Raises:
        UmsrepError: no run folder, or one of another format version.
    """
    path = Path(path)
    if not (path / HEADER).exists():
        raise UmsrepError(
            f"{path} is not a run folder (no {HEADER}). Pass the --out folder "
            "of `umsrep pretrain` or `umsrep finetune`."
        )
    info = storage.read_json(path / HEADER, "run header")
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        raise UmsrepError(
            f"{path / HEADER} is not an umsrep run header. Pass the --out "
            "folder of `umsrep pretrain` or `umsrep finetune`."
        )
    wanted = {"status", "kind", "config", "versions"}
    if info.get("status") == "complete":
        wanted |= {"tasks", "task_specs", "data"}
    missing = sorted(wanted - set(info))
    if missing and info.get("format_version") == FORMAT_VERSION:
        raise UmsrepError(
            f"{path / HEADER} lacks '{missing[0]}': it is damaged. Train "
            "again into a new folder."
        )
    if info.get("format_version") != FORMAT_VERSION:
        raise UmsrepError(
            f"{path / HEADER} has format version "
            f"{info.get('format_version')}, this umsrep reads "
            f"{FORMAT_VERSION}. Train again, or use the umsrep version in its "
            "'versions'."
        )
    return info


class Run:
    """A finished training.

    Args:
        path: The run folder.

    Attributes:
        info: run.json as a dict.
        path: The folder.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.info = read_run(path)
        if self.info["status"] != "complete":
            raise UmsrepError(
                f"{path} holds an unfinished training. Finish it: repeat the "
                "command that made it, with --resume."
            )
        self._models = {}

    @property
    def tasks(self):
        """Names of the tasks."""
        return tuple(self.info["tasks"])

    @property
    def classes(self):
        """{label task: class names}."""
        return {
            name: tuple(entry.get("classes") or ())
            for name, entry in self.info["task_specs"].items()
            if entry["kind"] == "label"
        }

    @property
    def has_labels(self):
        """Whether labels, masks or maps were learnt from, not only images."""
        specs = self.info["task_specs"].values()
        return any(entry["kind"] != "image" for entry in specs)

    def model(self, task=None):
        """The model that predicts `task`; the same one for shared tasks."""
        if task is not None and task not in self.tasks:
            raise UmsrepError(
                f"{self.path} has no task '{task}'. Its tasks: "
                f"{', '.join(self.tasks)}."
            )
        name = "model.keras"
        if self.info.get("strategy") == "separate":
            name = f"model-{task or self.tasks[0]}.keras"
        return self._load(name)

    def denoiser(self):
        """The denoising model that images go through first, or None."""
        if (self.path / "denoiser.keras").exists():
            return self._load("denoiser.keras")
        return None

    def _load(self, name):
        if name not in self._models:
            self._models[name] = load_model(self.path / name)
        return self._models[name]

    def split(self):
        """The split: dataset, image, patient, split, checksum."""
        try:
            table = pd.read_csv(
                self.path / "split.csv", dtype=str, keep_default_na=False
            )
            return table[SPLIT_COLUMNS]
        except (OSError, ValueError, KeyError) as error:
            raise UmsrepError(
                f"{self.path / 'split.csv'} cannot be read ({error}). The "
                "run folder is damaged or of an older umsrep; train again."
            ) from error


def load_model(path):
    """Loads a .keras file in safe mode: no code from it is executed."""
    if not Path(path).exists():
        raise UmsrepError(
            f"{path} does not exist. The run folder is damaged; train again."
        )
    try:
        return keras.saving.load_model(path, safe_mode=True)
    except Exception as error:  # Keras raises many kinds; all mean the same.
        raise UmsrepError(
            f"{path} cannot be loaded as a model "
            f"({type(error).__name__}: {str(error).strip()[:160]}). It is "
            "damaged, or was made by another version of umsrep or Keras; "
            "train again, or use the versions named in run.json."
        ) from error


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

    def __init__(self, path, kind, config, resume=False, devices=None):
        self.path = Path(path)
        self.checkpoint = self.path / "checkpoint"
        self.devices = devices or distribution.use("none")
        self.kind = kind
        self.config = storage.plain(config)
        self.resume = resume
        self.complete = False
        self._created = False

    def __enter__(self):
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

    def __exit__(self, kind, *exc):
        if kind is None:
            # A cluster ends when its first worker leaves.
            self.devices.from_leader(OPEN)
        # A mistake before the first epoch must not leave a folder behind that
        # refuses the corrected command.
        if kind is not None and self._created and not self._has_state():
            shutil.rmtree(self.path, ignore_errors=True)
        self._stack.close()

    def _has_state(self):
        return self.checkpoint.exists() and any(self.checkpoint.iterdir())

    def _follow(self):
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

    def _open(self):
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
            {k: v for k, v in config.items() if k not in FREE}
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

    def _write(self, status, entries):
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

    def save_model(self, model, name="model.keras"):
        """Saves a model atomically."""
        with storage.atomic_path(self.path / name) as temporary:
            model.save(temporary)

    def save_split(self, parts, more=()):
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

    def finish(self, entries):
        """Marks the run complete and removes the training state."""
        self._write("complete", {"devices": self.devices.count, **entries})
        if self.devices.leads:
            shutil.rmtree(self.checkpoint, ignore_errors=True)


def fingerprints(data_folders, run_folders=()):
    """{what: SHA-256}: a resumed training must find the same inputs.

    Args:
        data_folders: Prepared data sets.
        run_folders: Run folders whose models are read; None is left out.
    """
    found = {
        f"data {number}": _fingerprint(Path(folder))
        for number, folder in enumerate(data_folders)
    }
    for number, folder in enumerate(run_folders):
        if folder is not None:
            model = Path(folder) / "model.keras"
            found[f"model {number}"] = storage.sha256(model)
    return found


def _fingerprint(folder):
    """Of a prepared data set: its table, its pictures, how they were made."""
    header = storage.read_json(folder / "dataset.json")
    made = {key: header.get(key) for key in ("checksums", "preprocessing")}
    text = json.dumps(made, sort_keys=True)
    text += storage.sha256(folder / "manifest.csv")
    return hashlib.sha256(text.encode()).hexdigest()


def describe_data(folders):
    """For run.json: name, folder and fingerprint of prepared data sets."""
    entries = []
    for folder in folders:
        folder = Path(folder)
        header = storage.read_json(folder / "dataset.json")
        entries.append(
            {
                "name": header["name"],
                "path": str(folder),
                "manifest_sha256": storage.sha256(folder / "manifest.csv"),
                "images": header["counts"].get("images"),
                "fit": header["preprocessing"].get("fit", "stretch"),
            }
        )
    return entries
