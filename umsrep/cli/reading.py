"""How values are read that options spell as text."""

import json
from typing import Any

from umsrep.errors import UmsrepError

EXAMPLES = {
    int: "lung=2",
    float: "lung=2",
    str: "pneumonia=lung",
    Any: "width=16",
}


def pairs(
    given: list[str] | None,
    option: str,
    form: str = "NAME=VALUE",
    kind: Any = Any,
) -> dict[str, Any]:
    """{name: value} of NAME=VALUE.

    Args:
        given: What was written.
        option: Such as "--weight", for messages.
        form: How it is written, for messages.
        kind: Type of the values; `Any` is JSON, or text that is not JSON.
    """
    result = {}
    for pair in given or ():
        name, _, value = pair.partition("=")
        try:
            if not (name and value):
                raise ValueError
            result[name] = _value(value, kind)
        except ValueError as error:
            raise UmsrepError(
                f"{option} {pair}: expected {form}. Write one, such as "
                f"{EXAMPLES[kind]}."
            ) from error
    return result


def _value(text, kind):
    if kind in (int, float):
        return float(text)
    if kind is str:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def counts(given: list[str] | None, option: str) -> dict[str, int] | None:
    """{task: whole number} of TASK=NUMBER; None where none."""
    result = pairs(given, option, "TASK=NUMBER", int)
    for task, value in result.items():
        if value != int(value) or value < 1:
            raise UmsrepError(
                f"{option} {task}={value:g}: expected a whole number of at "
                "least 1. Write one, such as lung=2."
            )
    return {task: int(value) for task, value in result.items()} or None


def by_class(
    given: list[str] | None, option: str
) -> str | dict[str, str] | None:
    """A task, or {class: task} of CLASS=TASK; None for none."""
    if not given:
        return None
    if len(given) == 1 and "=" not in given[0]:
        return given[0]
    return pairs(given, option, "one TASK, or CLASS=TASK for each class", str)


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """The whole numbers in "16,32,64"; none in "none"."""
    if text in ("", "none"):
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UmsrepError(
            f"{option} {text}: expected whole numbers with commas between "
            "them, such as 16,32,64,128."
        ) from error
