"""Reads run folders and evaluation folders.

The header (run.json or evaluation.json) must be whole and of this format
version. Everything else may be missing, for a folder is worth reading before
all of it is there: what is missing is listed in `notes`. A piece that is
there but broken is an error.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from umsrep import runs
from umsrep.data.prepared import TaskSpec
from umsrep.data.storage import read_json
from umsrep.errors import UmsrepError
from umsrep.evaluation import audit_folder, curve_folder
from umsrep.evaluation.audit_folder import AuditFolder, read_audit
from umsrep.evaluation.curve_folder import LearningCurve, read_curve
from umsrep.evaluation.fold_spread import HELD_OUT
from umsrep.evaluation.table_metrics import read_predictions
from umsrep.runs.contents import (
    Picture,
    optional_json,
    read_history,
    read_picture,
)
from umsrep.runs.folder import Run

FORMAT = "umsrep-evaluation"
FORMAT_VERSION = 1
HEADER = "evaluation.json"


@dataclass
class Evaluation:
    """An evaluation folder: one run on one data set.

    Attributes:
        path: The folder.
        info: evaluation.json.
        run: The copy of the run's run.json in it.
        tasks: `TaskSpec`s.
        metrics: metrics.json, or None.
        predictions: Data frame of predictions.csv, or None.
        history: Data frame of history.csv, or None.
        pictures: `Picture`s.
        notes: What is missing, in words.
        subgroups: subgroups.json, or None.
        folds: folds.json of a cross-validation (`fold_spread`), or None.
    """

    path: Path
    info: dict[str, Any]
    run: dict[str, Any]
    tasks: list[TaskSpec]
    metrics: dict[str, Any] | None = None
    predictions: pd.DataFrame | None = None
    history: pd.DataFrame | None = None
    pictures: list[Picture] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    subgroups: dict[str, Any] | None = None
    folds: dict[str, Any] | None = None

    @property
    def data(self) -> str:
        """What was evaluated: data set, split and changes to the images."""
        parts = [(self.info.get("data") or {}).get("name") or "unnamed data"]
        split = self.info.get("split")
        if split == HELD_OUT:
            parts.append("each patient by the fold that held them out")
        elif split:
            parts.append(f"{split} split")
        if self.info.get("blank_outside"):
            parts.append(f"black outside {self.info['blank_outside']}")
        if self.info.get("shift"):
            parts.append(f"simulated shift {self.info['shift']}")
        augmented = self.info.get("test_time_augmentation")
        if augmented:
            parts.append(f"mean of {augmented['copies']} versions of an image")
        return ", ".join(map(str, parts))


Folder = Run | Evaluation | AuditFolder | LearningCurve


def read_folder(path: str | Path) -> Folder:
    """The `Run`, `Evaluation`, `AuditFolder` or `LearningCurve` in a folder.

    Raises:
        UmsrepError: neither of both, another format version, or a broken
            file.
    """
    path = Path(path)
    if not path.is_dir():
        raise UmsrepError(
            f"{path} is not a folder. Expected a run folder ('umsrep "
            "pretrain', 'umsrep finetune') or an evaluation folder ('umsrep "
            "evaluate'); check the path."
        )
    if (path / HEADER).exists():
        return _evaluation(path, _read_header(path / HEADER))
    if (path / runs.HEADER).exists():
        return runs.Run(path, unfinished=True)
    if (path / audit_folder.HEADER).exists():
        return read_audit(path)
    if (path / curve_folder.HEADER).exists():
        return read_curve(path)
    raise UmsrepError(
        f"{path} holds neither run.json nor evaluation.json, so it is no run "
        "folder and no evaluation folder. Pass a folder written by 'umsrep "
        "pretrain', 'umsrep finetune' or 'umsrep evaluate'."
    )


def read_evaluation(path: str | Path) -> Evaluation:
    """As `read_folder`, but only an evaluation with its predictions will do.

    Raises:
        UmsrepError: also when it is a run folder, or has no predictions.
    """
    folder = read_folder(path)
    if not isinstance(folder, Evaluation):
        names = {runs.Run: "a run", AuditFolder: "an audit"}
        what = names.get(type(folder), "a learning curve's")
        raise UmsrepError(
            f"{folder.path} is {what} folder. Expected an evaluation folder; "
            "run 'umsrep evaluate RUN --data DATA --out DIR' and pass DIR."
        )
    if folder.predictions is None:
        raise UmsrepError(
            f"{folder.path} holds no predictions.csv, so there is nothing to "
            "compare. Run 'umsrep evaluate' again into a new folder."
        )
    return folder


def _read_header(file: Path) -> dict[str, Any]:
    info = read_json(file, "header of a folder")
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        raise UmsrepError(
            f'{file} does not say "format": "{FORMAT}". Expected a file '
            "that umsrep wrote; run the command that makes this folder again."
        )
    version = info.get("format_version")
    if version != FORMAT_VERSION:
        raise UmsrepError(
            f"{file} has format version {version!r}; this umsrep reads "
            f"version {FORMAT_VERSION}. Make the folder again with this "
            "umsrep, or use the umsrep that wrote it."
        )
    return info


def _evaluation(path: Path, info: dict[str, Any]) -> Evaluation:
    file = path / "evaluation.json"
    tasks = info.get("tasks")
    if not isinstance(tasks, dict) or not all(
        isinstance(entry, dict) for entry in tasks.values()
    ):
        raise UmsrepError(
            f"{file} lacks a valid entry 'tasks'. Expected {{name: {{kind, "
            "classes}}}; evaluate the run again."
        )
    try:
        specs = [
            TaskSpec.from_json(name, entry) for name, entry in tasks.items()
        ]
    except UmsrepError as error:
        raise UmsrepError(f"{file}: {error}") from error
    copied = info.get("run")
    run = copied if isinstance(copied, dict) else {}
    evaluation = Evaluation(path, info, run, specs)
    notes = evaluation.notes
    if not run:
        notes.append("evaluation.json holds no copy of the run's run.json.")
    evaluation.metrics = optional_json(path / "metrics.json", dict, None)
    evaluation.subgroups = optional_json(path / "subgroups.json", dict, None)
    evaluation.folds = optional_json(path / "folds.json", dict, None)
    if evaluation.metrics is None:
        notes.append("No metrics.json: its metrics are not shown.")
    if (path / "predictions.csv").exists():
        evaluation.predictions = read_predictions(path / "predictions.csv")
    else:
        notes.append(
            "No predictions.csv: no curves, distributions or paired tests."
        )
    evaluation.history = read_history(path, notes)
    listed = optional_json(path / "pictures" / "pictures.json", list, [])
    for entry in listed:
        picture = read_picture(path, "pictures", entry.get("file"), notes)
        if picture:
            picture.kind = str(entry.get("kind") or "")
            picture.task = str(entry.get("task") or "")
            picture.image = str(entry.get("image") or "")
            picture.caption = str(entry.get("caption") or "")
            score = entry.get("score")
            if isinstance(score, (int, float)):
                picture.score = float(score)
            evaluation.pictures.append(picture)
    if not listed:
        notes.append("No pictures: no overlays to show.")
    return evaluation
