"""Reads run folders and evaluation folders.

The header (run.json or evaluation.json) must be whole and of this format
version. Everything else may be missing, for a folder is worth reading before
all of it is there: what is missing is listed in `notes`. A piece that is
there but broken is an error.
"""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from umsrep.data.prepared import TaskSpec
from umsrep.data.storage import read_json
from umsrep.errors import UmsrepError
from umsrep.evaluation.table_metrics import read_predictions

FORMAT_VERSION = 1
DENOISING = "denoised"
_HEADERS = {"evaluation.json": "umsrep-evaluation", "run.json": "umsrep-run"}


@dataclass
class Picture:
    """A PNG inside a folder.

    Attributes:
        file: Its path.
        kind: "mask", "gradcam", or "" for a part of a triplet.
        task, image, caption: Text, maybe empty.
        score: Whatever the writer ranked it by, or None.
    """

    file: Path
    kind: str = ""
    task: str = ""
    image: str = ""
    caption: str = ""
    score: float | None = None


@dataclass
class Run:
    """A run folder: one training.

    Attributes:
        path: The folder.
        info: run.json.
        history: Data frame of history.csv, or None.
        metrics: metrics.json, or None.
        triplets: [{"noise": text, "noisy" | "denoised" | "clean": Picture}].
        notes: What is missing, in words.
    """

    path: Path
    info: dict
    history: pd.DataFrame | None = None
    metrics: dict | None = None
    triplets: list[dict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def pretrained_task(self):
        """The task that the representation was learnt by."""
        return (self.info.get("tasks") or [DENOISING])[0]


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
    """

    path: Path
    info: dict
    run: dict
    tasks: list[TaskSpec]
    metrics: dict | None = None
    predictions: pd.DataFrame | None = None
    history: pd.DataFrame | None = None
    pictures: list[Picture] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def data(self):
        """What was evaluated: data set, split and changes to the images."""
        parts = [(self.info.get("data") or {}).get("name") or "unnamed data"]
        if self.info.get("split"):
            parts.append(f"{self.info['split']} split")
        if self.info.get("blank_outside"):
            parts.append(f"black outside {self.info['blank_outside']}")
        if self.info.get("shift"):
            parts.append(f"simulated shift {self.info['shift']}")
        return ", ".join(map(str, parts))


def read_folder(path):
    """The `Run` or `Evaluation` in a folder.

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
    for file, name in _HEADERS.items():
        if (path / file).exists():
            info = _header(path / file, name)
            if file == "run.json":
                return _run(path, info)
            return _evaluation(path, info)
    raise UmsrepError(
        f"{path} holds neither run.json nor evaluation.json, so it is no run "
        "folder and no evaluation folder. Pass a folder written by 'umsrep "
        "pretrain', 'umsrep finetune' or 'umsrep evaluate'."
    )


def read_evaluation(path):
    """As `read_folder`, but only an evaluation with its predictions will do.

    Raises:
        UmsrepError: also when it is a run folder, or has no predictions.
    """
    folder = read_folder(path)
    if isinstance(folder, Run):
        raise UmsrepError(
            f"{folder.path} is a run folder. Expected an evaluation folder; "
            "run 'umsrep evaluate RUN --data DATA --out DIR' and pass DIR."
        )
    if folder.predictions is None:
        raise UmsrepError(
            f"{folder.path} holds no predictions.csv, so there is nothing to "
            "compare. Run 'umsrep evaluate' again into a new folder."
        )
    return folder


def _header(file, name):
    info = read_json(file, "header of a folder")
    if not isinstance(info, dict) or info.get("format") != name:
        raise UmsrepError(
            f'{file} does not say "format": "{name}". Expected a file '
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


def _run(path, info):
    run = Run(path, info)
    if info.get("status") != "complete":
        run.notes.append(
            f"The run is not complete (status: {info.get('status')}). "
            "Continue it with --resume."
        )
    run.history = _history(path, run.notes)
    run.metrics = _optional_json(path / "metrics.json", dict, None)
    if info.get("kind") == "pretrain" and run.pretrained_task != DENOISING:
        if run.metrics is None:
            run.notes.append("No metrics.json: its metrics are not shown.")
    elif info.get("kind") == "pretrain":
        if run.metrics is None:
            run.notes.append("No metrics.json: restoration was not measured.")
        listed = _optional_json(path / "samples" / "samples.json", list, [])
        for entry in listed:
            triplet = _triplet(path, entry, run.notes)
            if triplet:
                run.triplets.append(triplet)
        if not listed:
            run.notes.append("No samples: there are no triplets to show.")
    return run


def _evaluation(path, info):
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
            TaskSpec(name, entry.get("kind"), tuple(entry.get("classes") or ()))
            for name, entry in tasks.items()
        ]
    except UmsrepError as error:
        raise UmsrepError(f"{file}: {error}") from error
    run = info.get("run") if isinstance(info.get("run"), dict) else {}
    evaluation = Evaluation(path, info, run, specs)
    notes = evaluation.notes
    if not run:
        notes.append("evaluation.json holds no copy of the run's run.json.")
    evaluation.metrics = _optional_json(path / "metrics.json", dict, None)
    if evaluation.metrics is None:
        notes.append("No metrics.json: its metrics are not shown.")
    if (path / "predictions.csv").exists():
        evaluation.predictions = read_predictions(path / "predictions.csv")
    else:
        notes.append(
            "No predictions.csv: no curves, distributions or paired tests."
        )
    evaluation.history = _history(path, notes)
    listed = _optional_json(path / "pictures" / "pictures.json", list, [])
    for entry in listed:
        picture = _picture(path, "pictures", entry.get("file"), notes)
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


def _history(path, notes):
    file = path / "history.csv"
    if not file.exists():
        notes.append("No history.csv: no training curves.")
        return None
    try:
        history = pd.read_csv(file)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UmsrepError(
            f"{file} is not a readable history ({str(error).strip()}). "
            "Continue the run with --resume, or train again."
        ) from error
    if history.empty:
        notes.append("history.csv has no epoch yet: no training curves.")
        return None
    return history


def _optional_json(file, kind, default):
    if not file.exists():
        return default
    value = read_json(file, "file of results")
    wrong = not isinstance(value, kind) or (
        kind is list and not all(isinstance(entry, dict) for entry in value)
    )
    if wrong:
        shape = "an object" if kind is dict else "a list of objects"
        raise UmsrepError(
            f"{file} does not hold {shape}. Make it again with the command "
            "that wrote it."
        )
    return value


def _triplet(run_folder, entry, notes):
    parts = {
        part: _picture(run_folder, "samples", entry.get(part), notes)
        for part in ("noisy", "denoised", "clean")
    }
    if not all(parts.values()):
        return None
    return {"noise": str(entry.get("noise") or ""), **parts}


def _picture(folder, subfolder, name, notes):
    """The picture, unless it is missing or lies outside `folder`."""
    inside = folder.resolve()
    for file in (folder / str(name), folder / subfolder / str(name)):
        file = file.resolve()
        if file.is_relative_to(inside) and file.is_file():
            return Picture(file)
    notes.append(f"The picture '{Path(str(name)).name}' is missing.")
    return None
