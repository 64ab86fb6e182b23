"""Registration: one decorator makes a class known to umsrep and to Keras.

A registered class can be found by name, is serialisable (so that models which
hold it load in Keras's safe mode), and is picked up by the contract tests.
"""

import inspect
from collections.abc import Callable
from typing import TypeVar

from umsrep.errors import UmsrepError

C = TypeVar("C", bound=type)


class Registry:
    """Classes of one kind by name.

    Args:
        kind: What is registered, in the words of an error message
            ("head", "balancer", ...).
        serializable: Also register with Keras under the package "umsrep".
    """

    def __init__(self, kind: str, serializable: bool = True) -> None:
        self.kind = kind
        self.serializable = serializable
        self._classes: dict[str, type] = {}

    def register(self, name: str) -> Callable[[C], C]:
        """Decorator: registers the class under `name`; a duplicate raises.

        A notebook's cell may be run again: its class replaces itself.
        """

        def decorate(cls: C) -> C:
            if name in self._classes and not _again(cls, self._classes[name]):
                raise UmsrepError(
                    f"A {self.kind} named '{name}' is already registered "
                    f"({self._classes[name].__module__}). Choose another name."
                )
            if self.serializable:
                # Names are also looked up where nothing else needs Keras.
                import keras

                cls = keras.saving.register_keras_serializable("umsrep")(cls)
            self._classes[name] = cls
            return cls

        return decorate

    def get(self, name: str) -> type:
        """The class registered under `name`; a miss lists what exists."""
        if name not in self._classes:
            raise UmsrepError(
                f"No {self.kind} is named '{name}'. Registered: "
                f"{', '.join(sorted(self._classes)) or 'none'}."
            )
        return self._classes[name]

    def names(self) -> list[str]:
        """Names, in order."""
        return sorted(self._classes)

    def items(self) -> list[tuple[str, type]]:
        """(name, class) pairs in order of name."""
        return sorted(self._classes.items())


def arguments_of(cls: type) -> set[str]:
    """Names of the arguments that a class is made with."""
    parameters = inspect.signature(cls.__init__).parameters  # type: ignore[misc]
    return {
        name
        for name, parameter in parameters.items()
        if name != "self" and parameter.kind is not parameter.VAR_KEYWORD
    }


def _again(cls: type, registered: type) -> bool:
    """Whether a notebook's cell defines a registered class once more."""
    return cls.__module__ == registered.__module__ == "__main__" and (
        cls.__qualname__ == registered.__qualname__
    )
