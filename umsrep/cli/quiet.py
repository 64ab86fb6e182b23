"""Imports the backend without its start-up notices."""

import contextlib
import os


def load_backend():
    """Imports Keras and its backend.

    TensorFlow writes notices about drivers and logging straight to the
    terminal before any setting can silence them; a failing import still
    raises.
    """
    import sys

    sys.stderr.flush()
    with contextlib.ExitStack() as stack:
        saved = os.dup(2)
        stack.callback(os.close, saved)
        null = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, null)
        os.dup2(null, 2)
        try:
            import keras  # noqa: F401
        finally:
            os.dup2(saved, 2)
