"""Imports the backend without its start-up notices."""

import contextlib
import logging
import os

from umsrep.errors import UmsrepError

BACKENDS = ("tensorflow", "jax", "torch")


def load_backend():
    """Imports Keras and its backend.

    TensorFlow writes notices about drivers and logging straight to the
    terminal before any setting can silence them; a failing import still
    raises. Later ones are left out, too, unless TF_CPP_MIN_LOG_LEVEL asks for
    them: what fails raises.

    Raises:
        UmsrepError: KERAS_BACKEND names a backend that is not installed.
    """
    import sys

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    with contextlib.ExitStack() as stack:
        saved = os.dup(2)
        stack.callback(os.close, saved)
        null = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, null)
        os.dup2(null, 2)
        try:
            _load()
        finally:
            os.dup2(saved, 2)
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
