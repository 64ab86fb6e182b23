"""umsrep: several tasks on one shared representation of an imaging modality.

`image -> Representation -> {feature: tensor} -> Head -> {task: prediction}`

Importing the package imports Keras and registers every class, so that a saved
model loads with `keras.saving.load_model` in its safe mode. The command line
skips that until a sub-command needs it, so that `umsrep --help` is quick.
"""

import importlib
import sys
from pathlib import Path

from umsrep import notebook

__version__ = "0.1.0"

_PUBLIC = {
    "MultiTaskModel": "umsrep.model",
    "UmsrepError": "umsrep.errors",
}
_MODULES = (
    "balancing",
    "data",
    "derived",
    "distribution",
    "evaluation",
    "experiments",
    "export",
    "figures",
    "finetuning",
    "heads",
    "inference",
    "layers",
    "losses",
    "metrics",
    "phantoms",
    "recipes",
    "report",
    "representations",
    "runs",
    "search",
    "stages",
    "tasks",
    "training",
)
__all__ = [*_PUBLIC, *_MODULES]


def __getattr__(name):
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"umsrep.{name}")
    raise AttributeError(f"module 'umsrep' has no attribute '{name}'")


def __dir__():
    return sorted([*globals(), *__all__])


if Path(sys.argv[0] if sys.argv else "").stem != "umsrep":
    if "keras" not in sys.modules and notebook.in_notebook():
        # Start-up notices in red would be the first thing that it shows.
        importlib.import_module("umsrep.cli.quiet").load_backend()
    for _name in _MODULES:
        importlib.import_module(f"umsrep.{_name}")
