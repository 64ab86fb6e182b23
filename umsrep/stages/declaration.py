"""How a setting is declared, once: type, bounds, default, help and group.

    @settings
    class MySettings:
        epochs: Annotated[
            int, Field(ge=1, description="Epochs at most."), Group("training")
        ] = 30

Validation, settings files, options of commands, their help and the reference
page all follow from this. Nothing here imports Keras: names that a registry
holds are asked for when a value is checked.
"""

import functools
import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import annotated_types
import pydantic
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, core_schema

from umsrep.errors import UmsrepError
from umsrep.stages import choices

UNKNOWN_NAME = "unknown_name"
T = typing.TypeVar("T")
NO_FIELD = "unexpected_keyword_argument"
ONE = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
}
MANY = {int: "whole numbers", float: "numbers", str: "names"}


class Disagreement(UmsrepError):
    """Values that are fine by themselves and do not go together."""


@dataclass(frozen=True)
class Group:
    """What a setting belongs to: "training", "network", "heads", "data",
    "objective"."""

    name: str


@dataclass(frozen=True)
class Expected:
    """What a message says was expected, where type and bounds do not say."""

    words: str


@dataclass(frozen=True)
class OneOf:
    """Text among names that are asked for when a value is checked.

    Args:
        source: A key of `choices.SOURCES`, such as "strategies".
        otherwise: How the list of names ends in a message.
    """

    source: str
    otherwise: str = ""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: pydantic.GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(
            self._check, handler(source)
        )

    def _check(self, value: Any) -> Any:
        if isinstance(value, dict):
            # One for each task; numbers are no names.
            return {key: self._check(entry) for key, entry in value.items()}
        if not isinstance(value, str):
            return value
        names = choices.names(self.source)
        for name in (value, value.lower()):
            if name in names:
                return name
        raise PydanticCustomError(
            UNKNOWN_NAME, ", ".join(names) + self.otherwise
        )


@dataclass(frozen=True)
class Option:
    """A spelling of a setting on the command line.

    A setting without one is spelled as its name, and read by its type.

    Args:
        name: Without dashes at the front, such as "segment-from".
        type: How it is read; None: as the setting.
        key: The entry of the setting, a mapping, that it sets.
        stands_for: The value that it stands for, as a flag.
        metavar: What it is followed by, such as "TASK=NUMBER".
        help: Instead of the setting's own text.
    """

    name: str
    type: Any = None
    key: str | None = None
    stands_for: Any = None
    metavar: str | None = None
    help: str | None = None

    @property
    def parameter(self) -> str:
        """Its name as a parameter of a Python function."""
        return self.name.replace("-", "_")


@dataclass(frozen=True)
class Setting:
    """The declaration of one field.

    Attributes:
        name, default, help: Name, default and help text of the field.
        type: Its type; bounds of what it holds are annotations within.
        group: Name of the group.
        expected: What a value must be, in words.
        choices: A key of `choices.SOURCES`, or None.
        options: `Option`s.
    """

    name: str
    type: Any
    default: Any
    help: str
    group: str
    expected: str
    choices: str | None
    options: tuple[Option, ...]


@typing.dataclass_transform(kw_only_default=True, frozen_default=True)
def settings(cls: type[T]) -> type[T]:
    """Decorator: a frozen data class whose values are checked.

    All fields are given by name and have a default. `dataclasses.replace`,
    `asdict` and `fields` work as ever.

    Raises:
        UmsrepError: on construction, for a value that the field cannot have,
            or a field that does not exist.
    """
    validated: Any = pydantic.dataclasses.dataclass(
        frozen=True,
        kw_only=True,
        config=pydantic.ConfigDict(extra="forbid", allow_inf_nan=False),
    )(cls)
    checked = validated.__init__

    @functools.wraps(checked)
    def __init__(self: Any, *args: Any, **values: Any) -> None:
        try:
            checked(self, *args, **values)
        except pydantic.ValidationError as error:
            raise translated(error, type(self), values) from None

    validated.__init__ = __init__
    return validated


@settings
class Settings:
    """What all settings derive from: no fields, and one check."""

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(
        cls, value: Any, info: pydantic.ValidationInfo
    ) -> Any:
        # Python counts True as 1; a person does not.
        if isinstance(value, bool):
            field = _fields(cls)[str(info.field_name)]
            if bool not in parts(field.annotation):
                raise PydanticCustomError("bool", "a truth value")
        return value


def translated(
    error: pydantic.ValidationError, cls: type, values: dict[str, Any]
) -> UmsrepError:
    """The first mistake of a validation in the three parts of our messages.

    Args:
        error: What pydantic raised.
        cls: The class of settings.
        values: {field: value} as given.
    """
    first = error.errors(include_url=False)[0]
    place, kind = first["loc"], first["type"]
    if not place:
        return Disagreement(str(first["ctx"]["error"]))
    name = str(place[0])
    known = declared(cls)
    if kind == NO_FIELD or name not in known:
        return UmsrepError(
            f"'{name}' is no setting of {cls.__name__}. Its settings: "
            f"{', '.join(known)}."
        )
    value = values.get(name, first["input"])
    if kind == UNKNOWN_NAME:
        return UmsrepError(
            f"{name}={value!r} is unknown. Choose one of {first['msg']}."
        )
    return UmsrepError(
        f"{name}={value!r}: expected {known[name].expected}. Fix the value."
    )


@functools.cache
def declared(cls: type) -> dict[str, Setting]:
    """{name: `Setting`} of a class of settings, in order."""
    return {name: _setting(name, field) for name, field in _fields(cls).items()}


def _fields(cls: Any) -> dict[str, FieldInfo]:
    return cls.__pydantic_fields__


def _setting(name: str, field: FieldInfo) -> Setting:
    found = {type(note): note for note in field.metadata}
    options = tuple(n for n in field.metadata if isinstance(n, Option))
    expected, group = found.get(Expected), found.get(Group)
    names = found.get(OneOf)
    return Setting(
        name,
        field.annotation,
        field.get_default(call_default_factory=True),
        field.description or "",
        group.name if group else "other",
        expected.words if expected else words(field.annotation, field.metadata),
        names and names.source,
        options or (Option(name.replace("_", "-")),),
    )


def parts(annotation: Any) -> tuple[Any, ...]:
    """The members of a union without None; else the type alone."""
    union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    members = typing.get_args(annotation) if union else (annotation,)
    return tuple(member for member in members if member is not type(None))


def words(
    annotation: Any, notes: Sequence[Any] = (), many: bool = False
) -> str:
    """What a value of a type must be: "a whole number of at least 1"."""
    origin, members = typing.get_origin(annotation), parts(annotation)
    if origin is typing.Annotated:
        annotation, *inner = typing.get_args(annotation)
        for note in inner:
            notes = [
                *notes,
                *(note.metadata if isinstance(note, FieldInfo) else [note]),
            ]
        return words(annotation, notes, many)
    if members != (annotation,):
        text = " or ".join(words(member, notes) for member in members)
        nullable = len(members) < len(typing.get_args(annotation))
        return f"{text}, or null" if nullable else text
    arguments = typing.get_args(annotation)
    if origin is tuple:
        return words(arguments[0], many=True)
    if origin is dict:
        return f"{words(arguments[1])} for each name"
    kinds = MANY if many else ONE
    return kinds.get(annotation, "a value") + _bounds(notes)


def _bounds(notes: Iterable[Any]) -> str:
    found = {type(note): note for note in notes}
    low = found.get(annotated_types.Ge)
    above = found.get(annotated_types.Gt)
    high = found.get(annotated_types.Le)
    below = found.get(annotated_types.Lt)
    if low and high:
        return f" from {low.ge} to {high.le}"
    if low and below:
        return f" from {low.ge} on and below {below.lt}"
    if low:
        return f" of at least {low.ge}"
    if above:
        return f" above {above.gt}"
    return ""
