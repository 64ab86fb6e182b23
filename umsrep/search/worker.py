"""One round in whatever process it runs; imports little until it does.

A round is of a scan, or, where the job's "work" is "evaluated", a training that
is evaluated on test images as well.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from concurrent import futures
from pathlib import Path

from umsrep.errors import UmsrepError

# Kept of what a round printed; enough for a traceback and the last epochs.
LOG_CHARACTERS = 20_000


def run_round(job, capture):
    """Trains one round and says how it went.

    Args:
        job: As returned by `jobs.job`, or as `evaluated` takes it: plain
            values.
        capture: Whether what the round prints goes into its log, because the
            process has no terminal of its own.

    Returns:
        A record: `status` "complete" or "failed", `reason` and `traceback` of
        a failure, `log`, and what the work found out.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        with _output_in(log) if capture else contextlib.nullcontext():
            record = _attempt(job)
        if capture:
            written = log.read_text(encoding="utf-8", errors="replace")
            record["log"] = written[-LOG_CHARACTERS:]
    return record


def run_round_apart(job):
    """`run_round` in a process of its own.

    For processes that do other things meanwhile, such as Dask's workers: Keras
    draws the seeds of new layers from Python's one random generator, so
    anything else that draws from it would change what a round trains.

    Args:
        job: As returned by `jobs.job`.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("job", "record", "log")]
        given, found, log = files
        given.write_text(json.dumps(job), encoding="utf-8")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(given), str(found)],
                # Its end tells the round that this process is gone.
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            with process:
                # Not communicate(), which would close the pipe.
                code = process.wait()
        written = log.read_text(encoding="utf-8", errors="replace")
        if found.exists():
            record = json.loads(found.read_text(encoding="utf-8"))
        else:
            record = killed(f"exit code {code}")
        return {**record, "log": written[-LOG_CHARACTERS:]}


def _main(given, found):
    """The other side of `run_round_apart`."""

    def end_with_the_parent():
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=end_with_the_parent, daemon=True).start()
    record = run_round(json.loads(Path(given).read_text("utf-8")), False)
    from umsrep.data import storage

    storage.write_text(found, json.dumps(storage.plain(record)))


def killed(how):
    """The record of a round whose process ended without a word."""
    return {
        "status": "failed",
        "reason": "the worker process ended, most often because memory was "
        f"exhausted; {how}"[:500],
    }


def record_of(future, again):
    """The record of a round that has ended.

    Args:
        future: Its future.
        again: How the command is repeated, for the message.

    Raises:
        UmsrepError: another worker is still at its folder.
        BaseException: what is no `Exception`, such as an interruption.
    """
    error = future.exception()
    if error is not None and not isinstance(error, Exception):
        raise error
    record = future.result() if error is None else lost(error)
    if record.pop("in_use", False):
        raise UmsrepError(
            f"{record['reason']} A worker of an earlier command ends a second "
            f"after it; then {again}."
        )
    return record


def lost(error):
    """The record of a round that has none of its own.

    Args:
        error: What its future raised.
    """
    if isinstance(error, futures.BrokenExecutor) or (
        type(error).__name__ == "KilledWorker"
    ):
        return killed(" ".join(str(error).split()))
    return failure(error)


def _attempt(job):
    from umsrep.search import evaluated, training

    work = {
        "round": training.train_round,
        "evaluated": evaluated.train_and_evaluate,
    }[job.get("work", "round")]
    try:
        return {"status": "complete", **work(job)}
    except Exception as error:  # Whatever it is, the scan goes on.
        return failure(error)
    finally:
        training.release()


def failure(error):
    """The record of a round that ended with an exception."""
    kind = type(error).__name__
    words = " ".join(str(error).split())
    if kind in ("ResourceExhaustedError", "MemoryError", "OutOfMemoryError"):
        words = f"out of memory; {words}"
    elif kind not in ("UmsrepError", "InUse"):
        words = f"{kind}: {words}"
    return {
        "status": "failed",
        "reason": words[:500],
        "in_use": kind == "InUse",
        "traceback": "".join(traceback.format_exception(error)),
    }


@contextlib.contextmanager
def _output_in(path):
    """Sends standard output and error to a file, also that of C code."""
    saved = [os.dup(number) for number in (1, 2)]
    target = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for number in (1, 2):
            os.dup2(target, number)
        yield
    finally:
        for number, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        os.close(target)


if __name__ == "__main__":
    _main(*sys.argv[1:])
