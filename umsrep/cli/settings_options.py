"""Options of a command, from the declaration of settings.

    @with_settings(FinetuneSettings)
    def finetune(data: ..., out: ..., *, chosen):
        ...

gives the command an option for every field; `chosen` holds {field: value} of
those on the command line.
"""

import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import typer

from umsrep.cli import reading
from umsrep.errors import UmsrepError
from umsrep.stages.declaration import Option, Setting, declared, parts
from umsrep.stages.settings import STAGES
from umsrep.stages.shared_settings import StageSettings


def with_settings(*classes: type, only=None, default=None) -> Callable:
    """Decorator: adds an option for each field of classes of settings.

    A field that the function has a parameter for gets none.

    Args:
        classes: Classes of settings; of one name, the first's field counts.
        only: Names of the options to add; None: all.
        default: What help says of all defaults; None: each field's own.
    """

    def decorate(function):
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.name != "chosen"]
        taken = {parameter.name for parameter in own}
        spellings = [
            (setting, option)
            for setting in _merged(classes).values()
            for option in setting.options
            if option.parameter not in taken
            and (only is None or option.parameter in only)
        ]

        @functools.wraps(function)
        def command(**given):
            values = {
                option.parameter: given.pop(option.parameter)
                for _, option in spellings
            }
            return function(**given, chosen=_chosen(spellings, values))

        added = [
            _parameter(setting, option, classes, default)
            for setting, option in spellings
        ]
        command.__signature__ = signature.replace(parameters=[*own, *added])
        return command

    return decorate


def over(settings: StageSettings, chosen: dict) -> StageSettings:
    """Settings of a file, with what the command line says instead.

    One argument more leaves the file's other arguments, unless they are of
    another architecture.

    Args:
        settings: Settings of the file.
        chosen: As given by `with_settings`.
    """
    if "architecture" in chosen:
        chosen = {"arguments": {}, **chosen}
    elif "arguments" in chosen:
        arguments = settings.arguments | chosen["arguments"]
        chosen = {**chosen, "arguments": arguments}
    return replace(settings, **chosen)


def _merged(classes):
    found = {}
    for cls in classes:
        found = declared(cls) | found
    return found


def _parameter(setting, option, classes, default):
    text = option.help or setting.help
    if setting.choices and option.help is None:
        text += f" One of ${setting.choices}."
    first = option is setting.options[0]
    if first and "Default" not in text:
        text += _defaults(setting.name, classes) if default is None else default
    kind = _form(option.type or setting.type, option)
    shown = {
        "pairs": (list[str], option.metavar or "NAME=VALUE"),
        "repeated": (list[str], None),
        "numbers": (str, "N,N,..."),
    }.get(kind, (kind, None))
    return inspect.Parameter(
        option.parameter,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            shown[0] | None,
            typer.Option(
                help=text,
                metavar=shown[1],
                show_default=False,
                rich_help_panel=setting.group.capitalize(),
            ),
        ],
    )


def _defaults(name, classes):
    """ " Default: 30.", or one for each stage where they differ."""
    found = {
        cls: shown(declared(cls)[name].default)
        for cls in classes
        if name in declared(cls)
    }
    values = list(found.values())
    if not any(values):
        return ""
    if len(set(values)) == 1:
        return f" Default: {values[0]}."
    each = [
        (value, [_stage(cls) for cls, other in found.items() if other == value])
        for value in dict.fromkeys(values)
    ]
    # What most have needs no names.
    usual = max(each, key=lambda pair: len(pair[1]))
    if len(usual[1]) > 1:
        each = [usual, *(pair for pair in each if pair is not usual)]
        words = [usual[0] or "none"] + [_of(*pair) for pair in each[1:]]
    else:
        words = [_of(*pair) for pair in each]
    return f" Default: {', '.join(words)}."


def _of(value, names):
    return f"{value or 'none'} ({', '.join(names)})"


def _stage(cls):
    """The stage whose settings these are; else a name of the class."""
    for name, known in STAGES.items():
        if known is cls:
            return name
    return cls.__name__.removesuffix("Settings").lower()


def shown(value: Any) -> str:
    """A default as one writes it; empty for none."""
    if value is None or value in ({}, ()):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        between = "," if all(isinstance(v, int) for v in value) else " "
        return between.join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _form(annotation, option):
    """How an option is read: "pairs", "repeated", "numbers", or as a type."""
    if option.stands_for is not None:
        return bool
    members = parts(annotation)
    for member in members:
        if typing.get_origin(member) is dict:
            return "pairs"
        arguments = typing.get_args(member)
        if typing.get_origin(member) is tuple and arguments[-1] is Ellipsis:
            return "numbers" if _plain(arguments[0]) is int else "repeated"
    return members[0]


def _plain(annotation):
    """A type without what annotates it."""
    if typing.get_origin(annotation) is Annotated:
        return typing.get_args(annotation)[0]
    return annotation


def _chosen(spellings, values):
    """{field: value} of what was given."""
    chosen, by = {}, {}
    # Entries of a mapping first: NAME=VALUE takes precedence over them.
    for setting, option in sorted(spellings, key=lambda s: s[1].key is None):
        value = values[option.parameter]
        if value in (None, []) or (value is False and option.stands_for):
            continue
        value = read(setting, option, value)
        if option.key:
            chosen.setdefault(setting.name, {})[option.key] = value
        elif isinstance(chosen.get(setting.name), dict) and any(
            other.key for other in setting.options
        ):
            chosen[setting.name] |= value
        elif setting.name in by:
            raise UmsrepError(
                f"--{option.name} with --{by[setting.name]}: both say what "
                f"{setting.name} is. Leave one of them out."
            )
        else:
            chosen[setting.name] = value
            by[setting.name] = option.name
    return chosen


def read(setting: Setting, option: Option, value: Any) -> Any:
    """The value that was written on the command line, for the field."""
    if option.stands_for is not None:
        return option.stands_for
    annotation = option.type or setting.type
    kind = _form(annotation, option)
    if kind == "pairs":
        members = parts(annotation)
        if str in members:
            return reading.by_class(value, f"--{option.name}")
        (mapping,) = (m for m in members if typing.get_origin(m) is dict)
        return reading.pairs(
            value,
            f"--{option.name}",
            option.metavar or "NAME=VALUE",
            _plain(typing.get_args(mapping)[1]),
        )
    if kind == "repeated":
        alone = str in parts(annotation) and len(value) == 1
        return value[0] if alone else tuple(value)
    if kind == "numbers":
        return reading.whole_numbers(value, f"--{option.name}")
    return value
