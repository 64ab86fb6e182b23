"""Settings in a file: what `--settings` reads and a scan writes.

stage: finetune            # or an objective: denoising, supervised, ...
tasks: [lung, abnormality]
representation: runs/cxr   # finetune; also denoise_with, leave_out
settings:                  # fields of the stage's settings; the others
  strategy: joint          # are the defaults
  learning_rate: 1e-3
chosen_by: {...}           # where they come from; a note
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from umsrep.data import yaml_file
from umsrep.errors import UmsrepError
from umsrep.runs.former import renamed, renamed_stage
from umsrep.stages.declaration import Disagreement
from umsrep.stages.settings import STAGES, has_tasks
from umsrep.stages.shared_settings import StageSettings

# Run folders that fine-tuning may read.
SOURCES = ("representation", "denoise_with", "leave_out")
KEYS = ("stage", "tasks", "settings", "chosen_by")


@dataclass(frozen=True)
class StoredSettings:
    """What a settings file says.

    Attributes:
        stage: "finetune", or the name of an objective.
        settings: The stage's settings object.
        tasks: Names of tasks; empty for all, or for denoising.
        sources: {"representation", "denoise_with", "leave_out": run folder or
            None}.
    """

    stage: str
    settings: StageSettings
    tasks: tuple[str, ...] = ()
    sources: dict[str, str | None] = field(default_factory=dict)


def read_settings(
    path: str | Path, stages: Collection[str] = tuple(STAGES)
) -> StoredSettings:
    """Reads a settings file.

    Args:
        path: A YAML file.
        stages: The stages that the command can do.

    Returns:
        `StoredSettings`.

    Raises:
        UmsrepError: names the file, the key and the remedy.
    """
    stored = yaml_file.read_yaml(path, "settings file")
    stage = check_stage(stored.get("stage"), path)
    if stage not in stages:
        command = "finetune" if stage == "finetune" else "pretrain"
        raise UmsrepError(
            f"{path} holds settings of the stage '{stage}', and this command "
            f"does {' or '.join(stages)}. Pass it to `umsrep {command}`."
        )
    known = KEYS + (SOURCES if stage == "finetune" else ())
    check_keys(stored, known, path)
    tasks = names(stored.get("tasks"), "tasks", path)
    values = mapping(stored.get("settings"), "settings", path)
    if has_tasks(stage):
        named = tasks[0] if len(tasks) == 1 else tasks
        values = {"task": named or "", **values}
        if not values["task"]:
            raise UmsrepError(
                f"{path}: 'tasks' is missing. The stage {stage} learns tasks; "
                "write tasks: [name]."
            )
    sources = {key: source(stored.get(key)) for key in SOURCES}
    return StoredSettings(
        stage, make(stage, values, f"{path}: settings"), tasks, sources
    )


def write_settings(
    path: str | Path,
    stage: str,
    settings: StageSettings,
    tasks: Iterable[str],
    sources: Mapping[str, str | None],
    chosen_by: Any,
    comment: str,
) -> None:
    """Writes a settings file with every field; see the module."""
    value: dict[str, Any] = {"stage": stage, "tasks": list(tasks)}
    if stage == "finetune":
        value |= {key: sources.get(key) for key in SOURCES}
    value |= {"settings": asdict(settings), "chosen_by": chosen_by}
    yaml_file.write_yaml(path, value, comment)


def make(
    stage: str, values: dict[str, Any], where: str | Path
) -> StageSettings:
    """The stage's settings object, of checked values.

    Args:
        stage: A key of `STAGES`.
        values: {field: value}; former names are understood.
        where: For messages: what the values were read from.

    Raises:
        UmsrepError: an unknown field, or a value that it cannot have.
    """
    try:
        return STAGES[stage](**renamed(values))
    except UmsrepError as error:
        raise UmsrepError(f"{where}: {error}") from error


def default_strategy(
    representation: str | None, arguments: Mapping[str, Any] | None
) -> dict[str, str]:
    """{"strategy"} of a fine-tuning whose settings name none; or the default.

    Heads on a frozen encoder make sense where it has learnt something:
    without a representation and pretrained weights, models are separate.

    Args:
        representation: Run folder, or None for a new one.
        arguments: Of a new representation.
    """
    learnt = representation is not None or (arguments or {}).get("weights")
    return {} if learnt else {"strategy": "separate"}


def check_value(stage: str, name: str, value: Any, where: str | Path) -> None:
    """Raises unless a field exists and may hold the value by itself."""
    try:
        STAGES[stage](**{name: value})
    except Disagreement:
        # The other values are not these ones.
        return
    except UmsrepError as error:
        raise UmsrepError(f"{where}: {error}") from error


def check_stage(stage: Any, path: str | Path) -> str:
    """`stage` if there is one of that name; former names are understood."""
    stage = renamed_stage(stage)
    if not isinstance(stage, str) or stage not in STAGES:
        raise UmsrepError(
            f"{path}: stage: {stage!r}; expected one of {', '.join(STAGES)}. "
            "Write it as the file's first line."
        )
    return stage


def check_keys(
    stored: Iterable[str], known: Collection[str], where: str | Path
) -> None:
    """Raises at a key that means nothing."""
    unknown = [key for key in stored if key not in known]
    if unknown:
        raise UmsrepError(
            f"{where}: the key '{unknown[0]}' is unknown; expected "
            f"{', '.join(known)}. Fix or remove it."
        )


def mapping(value: Any, key: str, where: str | Path) -> dict[str, Any]:
    """A mapping, empty if left out."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UmsrepError(
            f"{where}: {key}: {value!r}; expected lines of 'name: value' "
            "below it."
        )
    return value


def names(value: Any, key: str, where: str | Path) -> tuple[str, ...]:
    """A tuple of names, of one name or a list."""
    if value is None:
        return ()
    value = [value] if isinstance(value, str) else value
    if not isinstance(value, list) or not all(
        isinstance(name, str) for name in value
    ):
        raise UmsrepError(
            f"{where}: {key}: {value!r}; expected a name or a list of names, "
            f"such as {key}: [lung, abnormality]."
        )
    return tuple(value)


def source(value: Any) -> str | None:
    """A run folder as text; "none" is None, as on the command line."""
    if value is None or str(value).lower() == "none":
        return None
    return str(value)
