"""Imports the backend without its start-up notices."""

import contextlib
import logging
import os


def load_backend():
    """Imports Keras and its backend.

    TensorFlow writes notices about drivers and logging straight to the
    terminal before any setting can silence them; a failing import still
    raises.
    """
    import sys

    # Notices about retracing are for developers of models.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    sys.stderr.flush()
    with contextlib.ExitStack() as stack:
        saved = os.dup(2)
        stack.callback(os.close, saved)
        null = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, null)
        os.dup2(null, 2)
        try:
            import keras  # noqa: F401

            from umsrep import backend

            # The first look for a GPU complains where there is none.
            backend.xla_helps()
        finally:
            os.dup2(saved, 2)
