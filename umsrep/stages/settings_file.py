"""Settings in a file: what `--settings` reads and a scan writes.

stage: finetune            # or pretrain, construct
tasks: [lung, abnormality]
representation: runs/cxr   # finetune; also denoise_with, leave_out
settings:                  # fields of the stage's settings; the others
  strategy: joint          # are the defaults
  learning_rate: 1e-3
chosen_by: {...}           # where they come from; a note
"""

import types
import typing
from dataclasses import asdict, dataclass, fields

import pydantic

from umsrep.data import yaml_file
from umsrep.errors import UmsrepError
from umsrep.stages.construction import ConstructionSettings
from umsrep.stages.pretraining import PretrainSettings
from umsrep.stages.settings import FinetuneSettings

STAGES = {
    "construct": ConstructionSettings,
    "pretrain": PretrainSettings,
    "finetune": FinetuneSettings,
}
# Run folders that fine-tuning may read.
SOURCES = ("representation", "denoise_with", "leave_out")
KEYS = ("stage", "tasks", "settings", "chosen_by")


@dataclass(frozen=True)
class StoredSettings:
    """What a settings file says.

    Attributes:
        stage: "construct", "pretrain" or "finetune".
        settings: The stage's settings object.
        tasks: Names of tasks; empty for all, or for denoising.
        sources: {"representation", "denoise_with", "leave_out": run folder or
            None}.
    """

    stage: str
    settings: object
    tasks: tuple = ()
    sources: dict = None


def read_settings(path, stages=tuple(STAGES)):
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
    if stage == "construct":
        values = {"task": tasks[0] if tasks else "", **values}
        if not values["task"]:
            raise UmsrepError(
                f"{path}: 'tasks' is missing. The stage construct learns one "
                "label task; write tasks: [name]."
            )
    sources = {key: source(stored.get(key)) for key in SOURCES}
    return StoredSettings(
        stage, make(stage, values, f"{path}: settings"), tasks, sources
    )


def write_settings(path, stage, settings, tasks, sources, chosen_by, comment):
    """Writes a settings file with every field; see the module."""
    value = {"stage": stage, "tasks": list(tasks)}
    if stage == "finetune":
        value |= {key: sources.get(key) for key in SOURCES}
    value |= {"settings": asdict(settings), "chosen_by": chosen_by}
    yaml_file.write_yaml(path, value, comment)


def make(stage, values, where):
    """The stage's settings object, of checked values.

    Args:
        stage: A key of `STAGES`.
        values: {field: value}.
        where: For messages: what the values were read from.

    Raises:
        UmsrepError: an unknown field, or a value of another type.
    """
    cls = STAGES[stage]
    hints = typing.get_type_hints(cls)
    for name, value in values.items():
        if name not in hints:
            raise UmsrepError(
                f"{where}: '{name}' is no setting of the stage {stage}. Its "
                f"settings: {', '.join(field.name for field in fields(cls))}."
            )
        values = {**values, name: _checked(value, hints[name], where, name)}
    try:
        return cls(**values)
    except UmsrepError as error:
        raise UmsrepError(f"{where}: {error}") from error


def hint(stage, name):
    """The type of a field of the stage's settings."""
    return typing.get_type_hints(STAGES[stage])[name]


def check_value(stage, name, value, where):
    """Raises unless a field exists and may hold the value, by its type."""
    _checked(value, hint(stage, name), where, name)


def _checked(value, hint, where, name):
    allowed = typing.get_args(hint) or (hint,)
    try:
        if isinstance(value, bool) and bool not in allowed:
            # Python counts True as 1; a person does not.
            raise TypeError
        return pydantic.TypeAdapter(hint).validate_python(value)
    except (TypeError, pydantic.ValidationError) as error:
        raise UmsrepError(
            f"{where}.{name}: {value!r} is not of the kind expected, "
            f"{_words(hint)}. Mend the value."
        ) from error


def _words(hint):
    words = {
        "int": "a whole number",
        "float": "a number",
        "str": "text",
        "bool": "true or false",
        "tuple": "a list",
        "dict": "a mapping",
        "NoneType": "null",
    }
    parts = typing.get_args(hint) if _is_union(hint) else (hint,)
    return " or ".join(words.get(p.__name__, p.__name__) for p in parts)


def _is_union(hint):
    return isinstance(hint, types.UnionType)


def check_stage(stage, path):
    """`stage` if there is one of that name."""
    if not isinstance(stage, str) or stage not in STAGES:
        raise UmsrepError(
            f"{path}: stage: {stage!r}; expected one of {', '.join(STAGES)}. "
            "Write it as the file's first line."
        )
    return stage


def check_keys(stored, known, where):
    """Raises at a key that means nothing."""
    unknown = [key for key in stored if key not in known]
    if unknown:
        raise UmsrepError(
            f"{where}: the key '{unknown[0]}' is unknown; expected "
            f"{', '.join(known)}. Mend or remove it."
        )


def mapping(value, key, where):
    """A mapping, empty if left out."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UmsrepError(
            f"{where}: {key}: {value!r}; expected lines of 'name: value' "
            "below it."
        )
    return value


def names(value, key, where):
    """A tuple of names, of one name or a list."""
    if value is None:
        return ()
    value = [value] if isinstance(value, str) else value
    if not isinstance(value, list) or not all(
        isinstance(one, str) for one in value
    ):
        raise UmsrepError(
            f"{where}: {key}: {value!r}; expected a name or a list of names, "
            f"such as {key}: [lung, abnormality]."
        )
    return tuple(value)


def source(value):
    """A run folder as text; "none" is None, as on the command line."""
    if value is None or str(value).lower() == "none":
        return None
    return str(value)
