"""Imports the backend without its start-up notices."""

import logging
import os

from umsrep.errors import UmsrepError
from umsrep.keras_import import silence

BACKENDS = ("tensorflow", "jax", "torch")


def load_backend():
    """Imports Keras and its backend, silently.

    Raises:
        UmsrepError: KERAS_BACKEND names a backend that is not installed.
    """
    with silence():
        _load()
    # Notices about retracing are for developers of models. In a notebook,
    # TensorFlow sets a level of its own when it is imported.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def _load():
    name = os.environ.get("KERAS_BACKEND", "tensorflow")
    if name not in BACKENDS:
        raise UmsrepError(
            f"KERAS_BACKEND={name} is no backend of this toolkit. Set it to "
            f"one of {', '.join(BACKENDS)}, or unset it."
        )
    try:
        import keras  # noqa: F401
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package not in (name, f"{name}lib"):
            raise
        raise UmsrepError(
            f"KERAS_BACKEND={name}, but {package} is not installed. "
            "Install it with `pip install -e '.[backends]'`, or unset "
            "KERAS_BACKEND."
        ) from error
    from umsrep import backend

    # The first look for a GPU complains where there is none.
    backend.has_accelerator()
