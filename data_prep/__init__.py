"""Converters: one file per public data set -> the one prepared format.

A converter is a function in a file of its own:

    @register("shenzhen")
    def convert(source, out, progress=None, **options):
        ...

It finds the files below `source`, adds them to a
`umsrep.data.writer.PreparedWriter` (which takes the options), calls
`progress(done, total)` after each image and returns the writer's header.
Nothing else needs changing: files of this folder whose names do not start with
"_" are imported when a converter is asked for, and the command line lists them.
A file has the name of its converter, with "_" for "-".
"""

import importlib
import pkgutil
from collections.abc import Callable

from umsrep.errors import UmsrepError

_CONVERTERS = {}


def register(name):
    """Decorator: makes a function the converter called `name`.

    Raises:
        UmsrepError: the name is taken.
    """

    def decorate(function):
        if name in _CONVERTERS:
            raise UmsrepError(
                f"A converter named '{name}' is already registered "
                f"({_CONVERTERS[name].__module__}). Choose another name."
            )
        _CONVERTERS[name] = function
        return function

    return decorate


def files() -> list[str]:
    """Names of the converters, without importing them."""
    return sorted(
        module.name.replace("_", "-")
        for module in pkgutil.iter_modules(__path__)
        if not module.name.startswith("_")
    )


def converters() -> dict[str, Callable]:
    """All converters, {name: function}, in order of name."""
    for name in files():
        importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    return dict(sorted(_CONVERTERS.items()))


def get(name: str) -> Callable:
    """The converter called `name`.

    Raises:
        UmsrepError: there is none; the message lists those that exist.
    """
    known = converters()
    if name not in known:
        raise UmsrepError(
            f"No data set is named '{name}'. Known: {', '.join(known)}. For "
            "images of your own, use 'folder'."
        )
    return known[name]
