"""The names that settings and commands may choose among.

Every list comes from its registry, so that a class can be chosen the moment
it is registered. Asking a registry imports Keras, which takes seconds; a help
text printed before Keras is there shows `choices.json`, which `python -m
umsrep.stages.reference` writes.
"""

import functools
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from umsrep.errors import UmsrepError
from umsrep.registry import arguments_of

RECORD = Path(__file__).with_name("choices.json")


def _strategies():
    from umsrep import finetuning

    return finetuning.registry.names()


def _weightings():
    from umsrep import balancing

    return balancing.weightings()


def _classifiers():
    from umsrep import heads

    return [n for n, cls in heads.registry.items() if cls.kind == "label"]


def _architectures():
    from umsrep import representations

    # Settings give the shape of the images and numbers, not a Keras model.
    registered = [
        name
        for name, cls in representations.registry.items()
        if "image_shape" in arguments_of(cls)
    ]
    return [*registered, *representations.APPLICATIONS]


def _optimizers():
    from umsrep.training import optimizers

    return optimizers.names()


def _fidelities():
    from umsrep.balancing import uncertainty

    return uncertainty.FIDELITIES


def _decays():
    from umsrep.training import schedule

    return [*schedule.DECAYS, *schedule.NAMED]


def _augmentations():
    from umsrep.data import augmentation

    return augmentation.KINDS


def _fills():
    from umsrep.data import focusing

    return focusing.FILLS


def _class_balances():
    from umsrep.data import balance

    return ["none", *balance.METHODS]


def _precisions():
    from umsrep import precision

    return precision.PRECISIONS


def _distributions():
    from umsrep import distribution

    return distribution.NAMES


def _objectives():
    from umsrep.stages import objectives

    return objectives.registry.names()


def _explainers():
    from umsrep import derived

    return [
        name
        for name, cls in derived.registry.items()
        if issubclass(cls, derived.Explainer)
    ]


def _derived():
    from umsrep import derived

    return [name for name, cls in derived.registry.items() if cls.columns]


def _layouts():
    from umsrep.phantoms.chest import layouts

    return layouts.LAYOUTS


def _difficulties():
    from umsrep.phantoms.chest import difficulty

    return list(difficulty.LEVELS)


SOURCES: dict[str, Callable] = {
    "strategies": _strategies,
    "weightings": _weightings,
    "classifiers": _classifiers,
    "architectures": _architectures,
    "optimizers": _optimizers,
    "fidelities": _fidelities,
    "decays": _decays,
    "augmentations": _augmentations,
    "fills": _fills,
    "class_balances": _class_balances,
    "precisions": _precisions,
    "distributions": _distributions,
    "objectives": _objectives,
    "explainers": _explainers,
    "derived": _derived,
    "layouts": _layouts,
    "difficulties": _difficulties,
}


def names(source: str) -> list[str]:
    """The names that may be chosen, from the registry.

    Args:
        source: A key of `SOURCES`.
    """
    return list(SOURCES[source]())


def check(source: str, name: str, option: str) -> None:
    """Raises unless `name` is one of the names.

    Args:
        source: A key of `SOURCES`.
        name: What was given.
        option: What it was given for, for the message.
    """
    known = names(source)
    if name not in known:
        raise UmsrepError(
            f"{option} {name}: expected one of {', '.join(known)}. Choose "
            "among them."
        )


class Named(Mapping):
    """{source: "a, b or c"} for help texts."""

    def __getitem__(self, source):
        known = names(source) if "keras" in sys.modules else recorded()[source]
        *others, last = known
        return f"{', '.join(others)} or {last}" if others else last

    def __iter__(self):
        return iter(SOURCES)

    def __len__(self):
        return len(SOURCES)


@functools.cache
def recorded() -> dict[str, list[str]]:
    """{source: names} as of `choices.json`."""
    return json.loads(RECORD.read_text(encoding="utf-8"))
