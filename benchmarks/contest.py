"""Contestants in processes of their own, measured in turns.

Two frameworks in one process would share thread pools and memory; one after
the other would meet another machine (frequency, neighbours). So each
contestant lives in its own process, works only when called, and the parent
calls them round by round. Ratios are taken within a round.
"""

import importlib
import multiprocessing
import os
import statistics
import time
import traceback


def _serve(connection, factory, options):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        module, name = factory.split(":")
        contestant = getattr(importlib.import_module(module), name)(**options)
        connection.send(("ready", None))
        while True:
            method, arguments = connection.recv()
            if method is None:
                return
            begin = time.perf_counter()
            value = getattr(contestant, method)(**arguments)
            connection.send(("done", (value, time.perf_counter() - begin)))
    except EOFError:
        return
    except BaseException:
        connection.send(("failed", traceback.format_exc()))


class Contestant:
    """An object in another process.

    Args:
        factory: "module:callable" that makes the object there.
        options: Keyword arguments of the callable.
    """

    def __init__(self, factory, options=None):
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(
            target=_serve,
            args=(other, factory, options or {}),
            daemon=True,
        )
        self._process.start()
        other.close()
        self._receive()

    def call(self, method, **arguments):
        """(value, seconds) of a method."""
        self._connection.send((method, arguments))
        return self._receive()

    def _receive(self):
        try:
            kind, value = self._connection.recv()
        except EOFError:
            raise RuntimeError("A contestant's process has died.") from None
        if kind == "failed":
            raise RuntimeError(f"A contestant failed:\n{value}")
        return value

    def close(self):
        """Ends the process."""
        try:
            self._connection.send((None, None))
        except (BrokenPipeError, OSError):
            pass
        self._process.join(10)
        self._process.kill()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def rounds(contestants, repeats):
    """Calls `run` of every contestant once per round, in turns.

    The order is reversed every other round, so that none always follows the
    same neighbour.

    Args:
        contestants: {name: `Contestant`}.
        repeats: Number of rounds.

    Returns:
        {name: [seconds per round]}.
    """
    seconds = {name: [] for name in contestants}
    for number in range(repeats):
        names = list(contestants)
        for name in names if number % 2 == 0 else reversed(names):
            seconds[name].append(contestants[name].call("run")[1])
    return seconds


def median_ratio(slower, faster):
    """The median over rounds of slower / faster seconds."""
    pairs = zip(slower, faster, strict=True)
    return statistics.median(a / b for a, b in pairs)


def spread(values):
    """[smallest, median, largest]."""
    return [min(values), statistics.median(values), max(values)]
