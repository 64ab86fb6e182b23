"""Workers: recycled, mortal, and with the same results everywhere."""

import os
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest
from typer.testing import CliRunner

from umsrep import search
from umsrep.cli.main import app
from umsrep.data import storage
from umsrep.errors import UmsrepError
from umsrep.search import worker
from umsrep.search.folder import ScanFolder


def test_a_worker_begins_anew_after_some_rounds():
    with search.Local(1, rounds_per_process=2).executor() as executor:
        pids = [executor.submit(os.getpid).result() for _ in range(5)]
        one, other, last = pids[0], pids[2], pids[4]
        assert pids == [one, one, other, other, last]
        assert len({one, other, last, os.getpid()}) == 4
        # Its memory is the system's again.
        assert not psutil.pid_exists(one)
        assert not psutil.pid_exists(other)
    assert not psutil.pid_exists(last)


def test_a_round_that_kills_its_worker_kills_no_other():
    with search.Local(2).executor() as executor:
        slow = executor.submit(time.sleep, 2)
        killed = executor.submit(os._exit, 9)
        assert killed.exception() is not None
        assert slow.result() is None
        after = executor.submit(os.getpid)
        assert after.result() != os.getpid()


def test_workers_end_with_a_scan_that_is_killed():
    code = (
        "import os, time\n"
        "from umsrep import search\n"
        "with search.Local(1).executor() as executor:\n"
        "    print(executor.submit(os.getpid).result(), flush=True)\n"
        "    executor.submit(time.sleep, 120).result()\n"
    )
    scan = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    process = psutil.Process(int(scan.stdout.readline()))
    scan.kill()
    scan.wait()
    psutil.wait_procs([process], timeout=10)
    assert not process.is_running()


def test_what_another_process_writes_is_left_alone(toy_space, tmp_path):
    """A round whose run is held is not a failed round."""
    plan = search.load_space(toy_space())
    with ScanFolder(tmp_path / "scan", plan, False, False) as folder:
        key = "0" * 12
        scratch = folder.scratch(key)
        scratch.mkdir(parents=True)
        with storage.locked(scratch), pytest.raises(storage.InUse) as error:
            with storage.locked(scratch):
                pass
        assert worker.failure(error.value)["in_use"]
        with storage.locked(scratch):
            folder.save(key, {}, {"status": "failed", "reason": ""})
            assert scratch.exists()
        folder.save(key, {}, {"status": "failed", "reason": ""})
        assert not scratch.exists()


def test_a_killed_round_says_so(toy_space, tmp_path, monkeypatch):
    # Defined here, it is pickled by value and its process imports nothing.
    def die(job):
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(search.Local, "run_round", staticmethod(die))
    with pytest.raises(UmsrepError, match="memory was exhausted.* Fix"):
        search.scan(toy_space(), tmp_path / "scan", progress=False)
    # All were tried.
    assert len(list(tmp_path.glob("scan/rounds/*/round.json"))) == 3


def test_a_round_apart_that_is_killed_says_so(monkeypatch):
    monkeypatch.setattr(worker.sys, "executable", "false")
    record = worker.run_round_apart({})
    assert record["status"] == "failed"
    assert "memory was exhausted; exit code 1" in record["reason"]


def test_workers_share_the_cores():
    cores = len(os.sched_getaffinity(0))
    with search.Local(2).executor() as executor:
        threads = executor.submit(os.getenv, "OMP_NUM_THREADS").result()
    assert int(threads) == max(1, cores // 2)


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("ray", 1), "Choose local or dask"),
        (("local", 0), "Pass the number of rounds"),
        (("local", 2, "tcp://127.0.0.1:9"), "Add --engine dask"),
    ],
)
def test_engines_that_do_not_exist(arguments, advice):
    with pytest.raises(UmsrepError, match=advice):
        search.engine(*arguments)


def test_a_reduction_needs_one_worker(toy_space, tmp_path):
    mapping = toy_space(reduction={"interval": 2})
    with pytest.raises(UmsrepError, match="Pass --workers 1"):
        search.scan(mapping, tmp_path / "scan", search.Local(2))


@pytest.fixture(scope="module")
def here(toy_space, tmp_path_factory):
    """Two rounds in this process."""
    mapping = toy_space(space={"learning_rate": [1e-2, 0.1]})
    out = tmp_path_factory.mktemp("scans") / "here"
    result = search.scan(mapping, out, search.InProcess(), progress=False)
    return mapping, result.table


def check_same(table, expected):
    assert (table["status"] == "complete").all()
    both = [
        t.set_index("key")["validation loss"].sort_index()
        for t in (table, expected)
    ]
    # A worker has fewer threads, which add in another order; another seed or
    # setting changes the loss by a hundredth and more.
    pd.testing.assert_series_equal(*both, rtol=2e-3)


def test_two_workers_do_what_one_does(here, tmp_path):
    import yaml

    mapping, expected = here
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(mapping))
    arguments = ("scan", path, "--out", tmp_path / "scan", "--workers", 2)
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None:
        raise result.exception
    assert "2 rounds, 0 failed" in result.output
    assert f"--settings {tmp_path / 'scan' / 'best.yaml'}" in result.output
    check_same(pd.read_csv(tmp_path / "scan" / "results.csv"), expected)


def test_a_cluster_does_what_one_process_does(here, tmp_path):
    pytest.importorskip("distributed")
    mapping, expected = here
    out = tmp_path / "scan"
    result = search.scan(mapping, out, search.Dask(workers=2), progress=False)
    check_same(result.table, expected)


def test_a_scheduler_that_does_not_answer(toy_space, tmp_path):
    pytest.importorskip("distributed")
    engine = search.Dask("tcp://127.0.0.1:9")
    engine.timeout = 1
    with pytest.raises(UmsrepError, match="Start one with `dask scheduler`"):
        search.scan(toy_space(), tmp_path / "scan", engine, progress=False)
