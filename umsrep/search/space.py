"""The space of a scan: which settings vary, and over which values.

In the YAML file of a search space:

    space:
      dropout: [0.1, 0.3, 0.5]             # a list of values
      learning_rate: {from: 1e-4, to: 1e-2, steps: 3, scale: log}
      weighting: [equal, {lung: 2, abnormality: 1}]
      arguments:                           # of the representation
        kernel_size: [3, 5, 7]

A range includes both ends. Here, an argument of the representation is named
`arguments.kernel_size`.
"""

import json

import numpy as np

from umsrep.data import storage
from umsrep.errors import UmsrepError
from umsrep.runs.former import renamed_field
from umsrep.stages import settings_file
from umsrep.stages.declaration import declared, parts
from umsrep.stages.settings import STAGES

NESTED = "arguments"
RANGE_KEYS = ("from", "to", "steps", "scale")
# Rounds that trained, validated or computed on other images or machines
# would not compare.
FIXED = {
    "fractions": "the validation images",
    "split_seed": "the validation images",
    "distribution": "the devices",
    "task": "the task",
}


def read_space(stored, stage, fixed, where):
    """{name: list of values}, each checked.

    Args:
        stored: The file's `space`.
        stage: A stage of `settings.STAGES`.
        fixed: The file's `settings`.
        where: The file's path, for messages.

    Raises:
        UmsrepError: names the key and the remedy.
    """
    space = {}
    for name, value in stored.items():
        name = renamed_field(name)
        if name == NESTED and isinstance(value, dict):
            for argument, values in value.items():
                space[f"{NESTED}.{argument}"] = values
        else:
            space[name] = value
    if not space:
        raise UmsrepError(
            f"{where}: 'space' is empty. Name at least one setting and its "
            "values, such as dropout: [0.1, 0.3, 0.5]."
        )
    known = declared(STAGES[stage])
    result = {}
    for name, value in space.items():
        place = f"{where}: space"
        field, _, argument = name.partition(".")
        if field not in known or (argument and field != NESTED):
            raise UmsrepError(
                f"{place}: '{name}' is no setting of the stage {stage}. Its "
                f"settings: {', '.join(known)}."
            )
        if field in FIXED or (field == "seed" and "split_seed" not in known):
            what = FIXED.get(field, "the validation images")
            raise UmsrepError(
                f"{place}: '{name}' decides {what}, which must be the same "
                "in all rounds to compare them. Put it into 'settings'."
            )
        if (argument and argument in (fixed.get(NESTED) or {})) or (
            not argument and field in fixed
        ):
            raise UmsrepError(
                f"{place}: '{name}' is in 'settings' as well. Leave it out of "
                "one of them."
            )
        hint = None if argument else known[field].type
        result[name] = _values(value, f"{place}.{name}", hint)
        if not argument:
            for given in result[name]:
                settings_file.check_value(stage, field, given, place)
    return result


def _values(value, where, hint):
    if isinstance(value, dict):
        values = _range(value, where, hint)
    elif isinstance(value, list) and value:
        values = value
    else:
        raise UmsrepError(
            f"{where}: {value!r}; expected a list of values, or a range such "
            "as {from: 1e-4, to: 1e-2, steps: 3, scale: log}. A value that "
            "does not vary belongs into 'settings'."
        )
    written = [text(value) for value in values]
    for value in written:
        if written.count(value) > 1:
            raise UmsrepError(
                f"{where}: the value {value} is there twice. Leave one out."
            )
    return values


def _range(value, where, hint):
    """Evenly spaced values; whole ones for a setting that must be.

    The kind of a representation's argument is not known (`hint` is None):
    it is whole if all values come out whole.
    """
    settings_file.check_keys(value, RANGE_KEYS, where)
    scale = value.get("scale", "linear")
    numbers = [value.get(key) for key in ("from", "to")]
    steps = value.get("steps")
    good = (
        all(type(number) in (int, float) for number in numbers)
        and type(steps) is int
        and steps >= 2
        and numbers[0] != numbers[1]
        and (scale == "linear" or (scale == "log" and min(numbers) > 0))
    )
    if not good:
        raise UmsrepError(
            f"{where}: {value!r} is no range. Expected two different numbers "
            "'from' and 'to', 'steps' of at least 2, and 'scale' linear or "
            "log (above 0), such as {from: 1e-4, to: 1e-2, steps: 3, scale: "
            "log}."
        )
    spaced = np.geomspace if scale == "log" else np.linspace
    points = spaced(*numbers, steps)
    kinds = parts(hint)
    near = np.allclose(points, points.round(), rtol=0, atol=1e-9)
    if float in kinds or (int not in kinds and not near):
        # 0.30000000000000004 helps nobody.
        return [float(f"{point:.6g}") for point in points]
    found = [int(point) for point in np.unique(points.round())]
    if len(found) < steps:
        raise UmsrepError(
            f"{where}: {value!r} has only {len(found)} whole numbers "
            f"({', '.join(map(str, found))}) for {steps} steps. Lower 'steps', "
            "or list the values."
        )
    return found


def with_values(fixed, chosen):
    """The fixed settings and the chosen values as {field: value}.

    Args:
        fixed: {field: value}.
        chosen: {name in the space: value}.
    """
    values = {**fixed}
    for name, value in chosen.items():
        field, _, argument = name.partition(".")
        if argument:
            values[field] = {**(values.get(field) or {}), argument: value}
        else:
            values[field] = value
    return values


def text(value):
    """A value as one writes it, for tables and axes."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return ", ".join(f"{name}={text(v)}" for name, v in value.items())
    return json.dumps(storage.plain(value))
