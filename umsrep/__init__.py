"""umsrep: several tasks on one shared representation of an imaging modality.

`image -> Representation -> {feature: tensor} -> Head -> {task: prediction}`

Parts are imported when they are first used, so that `import umsrep` is quick.
A saved model opens with `keras.saving.load_model` in its safe mode whichever
of Keras and umsrep is imported first (`umsrep.keras_import`).
"""

import lazy_loader

from umsrep import keras_import

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
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
        "precision",
        "recipes",
        "report",
        "representations",
        "runs",
        "search",
        "stages",
        "tasks",
        "training",
    ],
    submod_attrs={
        "cells": ["Cells"],
        "errors": ["UmsrepError"],
        "evaluation": ["audit"],
        "model": ["MultiTaskModel"],
    },
)

keras_import.watch()
