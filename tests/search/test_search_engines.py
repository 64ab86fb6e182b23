"""Worker processes: renewed, and survived."""

import os
from concurrent import futures

import pytest

from umsrep.errors import UmsrepError
from umsrep.search import Dask, Local, engines


def test_a_worker_begins_anew_after_some_rounds():
    with Local(rounds_per_process=2).executor() as executor:
        pids = [executor.submit(os.getpid).result() for _ in range(5)]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]
    assert os.getpid() not in pids


def test_a_round_that_kills_its_process_does_not_stop_the_others():
    with Local(workers=2).executor() as executor:
        dead = executor.submit(os._exit, 9)
        assert isinstance(dead.exception(), futures.BrokenExecutor)
        assert executor.submit(os.getpid).result() != os.getpid()


def test_cores_are_shared_and_nothing_is_inherited():
    cores = len(os.sched_getaffinity(0))
    with Local(workers=2).executor() as executor:
        threads = executor.submit(os.getenv, "OMP_NUM_THREADS").result()
    assert int(threads) == max(1, cores // 2)


def test_engines_of_the_command_line():
    assert engines.engine("local", 3).workers == 3
    assert isinstance(engines.engine("dask", 2, "tcp://x:1"), Dask)
    with pytest.raises(UmsrepError, match="Choose local or dask"):
        engines.engine("ray", 1)
    with pytest.raises(UmsrepError, match="Add --engine dask"):
        engines.engine("local", 1, "tcp://x:1")
    with pytest.raises(UmsrepError, match="expected at least 1"):
        Local(0)


def test_a_scheduler_that_does_not_answer():
    dask = Dask("nonsense://127.0.0.1:1")
    with (
        pytest.raises(UmsrepError, match="Start one with `dask scheduler`"),
        dask.executor(),
    ):
        pass
