"""Run folders: everything needed to read a training later.

run.json         what was done: settings, data, seed, versions, machine,
                 seconds, parameters; "status" is "complete" at the end
split.csv        data set, image, patient, split; the split "seen" is what its
                 representation has learnt from, and so was left out;
                 "copy" is a copy of a test image, and so was left out;
                 "unlabelled" are training images beyond labelled_patients
stage_one.csv    finetune: what its representation has learnt from
history.csv      one row per epoch
model.keras      the trained model (model-<task>.keras per separate model)
calibration.json temperature and threshold per label task
metrics.json     pretrain: test images; finetune: validation images
samples/         pictures for the report
checkpoint/      state of an unfinished training
fold-1/ ...      of a cross-validation: the run folders of its folds; the
                 models beside them are ensembles of these
"""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from umsrep.data.prepared import TaskSpec
from umsrep.data.storage import read_json
from umsrep.errors import UmsrepError
from umsrep.runs.calibration import Calibration
from umsrep.runs.contents import optional_json, read_history, read_picture
from umsrep.runs.header import is_complete, read_run

if TYPE_CHECKING:
    import keras

# The split of images that a run leaves out, for its representation has
# learnt from their patients.
SEEN = "seen"
LEARNT_FROM = ("train", "validation", SEEN)
# The split of images on no side: copies of images that the manifest tests on.
COPY = "copy"
# The split of training images whose labels a training was not given.
UNLABELLED = "unlabelled"
SPLIT_COLUMNS = ["dataset", "image", "patient", "split", "checksum"]
DENOISING = "denoised"
# Kinds of what is learnt from images alone.
FROM_IMAGES = ("image", "embedding")


def fold_folder(path: str | Path, fold: int) -> Path:
    """The run folder of one fold, from 1, of a run of folds."""
    return Path(path) / f"fold-{fold}"


class Run:
    """A run folder: one training, or the folds of a cross-validation.

    It is read without Keras until a model is asked for.

    Args:
        path: The run folder.
        unfinished: Whether a training that has not ended will do.
        own_precision: Load models in the number format that they were trained
            in, so that they predict the same wherever they are loaded; else
            in the one that is set, such as to train them further.

    Attributes:
        info: run.json as a dict.
        path: The folder.
    """

    def __init__(
        self,
        path: str | Path,
        unfinished: bool = False,
        own_precision: bool = True,
    ) -> None:
        self.path = Path(path)
        self._own_precision = own_precision
        self.info = read_run(path, whole=not unfinished)
        if not unfinished and self.info["status"] != "complete":
            left = [
                str(number)
                for number in range(1, self.folds + 1)
                if not is_complete(fold_folder(path, number))
            ]
            if left:
                raise UmsrepError(
                    f"{path} holds an unfinished cross-validation: of "
                    f"{self.folds} folds, fold {', '.join(left)} is missing. "
                    "Repeat the command that made it, with --resume, or with "
                    f"--fold {left[0]}."
                )
            raise UmsrepError(
                f"{path} holds an unfinished training. Finish it: repeat the "
                "command that made it, with --resume."
            )
        self._models: dict[str, keras.Model] = {}

    def __repr__(self) -> str:
        return f"Run('{self.path}')"

    @property
    def kind(self) -> str | None:
        """The command that made it: "pretrain" or "finetune"."""
        return self.info.get("kind")

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return tuple(self.info["tasks"])

    @property
    def specs(self) -> list[TaskSpec]:
        """`TaskSpec`s of the tasks of a run of `finetune`."""
        return [
            TaskSpec.from_json(name, entry)
            for name, entry in self.info["task_specs"].items()
        ]

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """{label task: class names}."""
        return {
            name: tuple(entry.get("classes") or ())
            for name, entry in self.info["task_specs"].items()
            if entry.get("classes")
        }

    @property
    def folds(self) -> int:
        """How many folds it consists of; 0 of a single training."""
        config = self.info.get("config") or {}
        return 0 if config.get("fold") else config.get("folds") or 0

    @property
    def members(self) -> list["Run"]:
        """The runs of its folds; none of a single training."""
        numbers = range(1, self.folds + 1)
        return [Run(fold_folder(self.path, number)) for number in numbers]

    @property
    def has_labels(self) -> bool:
        """Whether labels, masks or maps were learnt from, not only images."""
        specs = self.info["task_specs"].values()
        return bool(self.info.get("source_has_labels")) or any(
            entry["kind"] not in FROM_IMAGES for entry in specs
        )

    @property
    def objective(self) -> str:
        """What a representation was constructed by, such as "denoising"."""
        usual = "denoising" if DENOISING in self.tasks else "supervised"
        return self.info.get("objective") or usual

    @property
    def reconstructs(self) -> bool:
        """Whether a representation was constructed by restoring images."""
        return bool(self.info.get("by_level", DENOISING in self.tasks))

    @property
    def remarks(self) -> list[str]:
        """What went wrong in a construction, in words."""
        return list(self.info.get("remarks") or ())

    @property
    def pretrained_task(self) -> str:
        """The task that a representation was learnt by."""
        return (self.info.get("tasks") or [DENOISING])[0]

    @property
    def calibrations(self) -> dict[str, Calibration]:
        """{label task: `Calibration`}."""
        stored = read_json(self.path / "calibration.json", "calibration")
        return {task: Calibration(**entry) for task, entry in stored.items()}

    def model(self, task: str | None = None) -> "keras.Model":
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

    def denoiser(self) -> "keras.Model | None":
        """The denoising model that images go through first, or None."""
        if (self.path / "denoiser.keras").exists():
            return self._load("denoiser.keras")
        return None

    def _load(self, name: str) -> "keras.Model":
        if name not in self._models:
            # Reports and comparisons read runs and do not wait for Keras.
            from umsrep import precision
            from umsrep.runs.models import load_model

            own = self.info.get("precision") if self._own_precision else None
            self._models[name] = load_model(
                self.path / name, precision.native(own)
            )
        return self._models[name]

    def split(self) -> pd.DataFrame:
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

    @property
    def history(self) -> pd.DataFrame | None:
        """Data frame of history.csv, or None."""
        return self._results["history"]

    @property
    def metrics(self) -> dict[str, Any] | None:
        """metrics.json, or None."""
        return self._results["metrics"]

    @property
    def triplets(self) -> list[dict[str, Any]]:
        """What a reconstruction saw, gave and should have given.

        [{"noise": text, "noisy" | "denoised" | "clean": Picture}].
        """
        return self._results["triplets"]

    @property
    def notes(self) -> list[str]:
        """What is missing, in words."""
        return self._results["notes"]

    @functools.cached_property
    def _results(self) -> dict[str, Any]:
        notes: list[str] = []
        triplets: list[dict[str, Any]] = []
        if self.info.get("status") != "complete":
            notes.append(
                f"The run is not complete (status: {self.info.get('status')}). "
                "Continue it with --resume."
            )
        history = read_history(self.path, notes)
        metrics = optional_json(self.path / "metrics.json", dict, None)
        reconstructs = self.kind == "pretrain" and self.reconstructs
        if self.kind == "pretrain" and metrics is None:
            notes.append(
                "No metrics.json: restoration was not measured."
                if reconstructs
                else "No metrics.json: its metrics are not shown."
            )
        if reconstructs:
            triplets = self._triplets(notes)
        return {
            "history": history,
            "metrics": metrics,
            "triplets": triplets,
            "notes": notes,
        }

    def _triplets(self, notes: list[str]) -> list[dict[str, Any]]:
        listed = optional_json(self.path / "samples" / "samples.json", list, [])
        found = []
        for entry in listed:
            parts = {
                part: read_picture(self.path, "samples", entry.get(part), notes)
                for part in ("noisy", "denoised", "clean")
            }
            if all(parts.values()):
                found.append({"noise": str(entry.get("noise") or ""), **parts})
        if not listed:
            notes.append("No samples: there are no triplets to show.")
        return found
