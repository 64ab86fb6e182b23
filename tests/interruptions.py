"""Trainings that are interrupted."""

import contextlib

import pytest

from umsrep.training import loop


@contextlib.contextmanager
def interrupted(monkeypatch, after):
    """Expects that what happens inside is stopped as by Ctrl-C.

    Args:
        monkeypatch: Of pytest.
        after: Epochs, of each group, that are let pass.
    """
    run, calls = loop._run_epoch, []

    def stopping(*arguments):
        if len(calls) == after:
            raise KeyboardInterrupt("stop here")
        calls.append(1)
        return run(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_run_epoch", stopping)
        with pytest.raises(KeyboardInterrupt, match="stop here"):
            yield
