"""Where the rounds of a scan run.

An engine gives an executor of `concurrent.futures`; the processes are loky's
and the cluster is Dask's.
"""

import contextlib
import logging
import os
import threading
from concurrent import futures
from functools import partial

from loky import ProcessPoolExecutor

from umsrep.errors import UmsrepError
from umsrep.search import worker

# A process keeps some 20 MiB of every model that Keras has released; a new
# one takes seconds to start.
ROUNDS_PER_PROCESS = 10


class InProcess:
    """Rounds in the calling process, one after the other.

    For looking into a round with a debugger. Memory grows by what TensorFlow
    keeps of each round, and a round that is killed takes the scan with it.
    """

    workers = 1
    # How a worker trains a round.
    run_round = staticmethod(partial(worker.run_round, capture=False))
    # Whether rounds see the scan's own folder.
    shares_folder = True

    @contextlib.contextmanager
    def executor(self):
        """Yields a `concurrent.futures.Executor`."""
        yield _Here()


class _Here(futures.Executor):
    def submit(self, function, /, *args, **kwargs):
        future = futures.Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Local:
    """Rounds in worker processes on this machine.

    A worker begins anew after some rounds, so that memory stays steady, and
    after a round that killed it (the system's out-of-memory killer, a crash
    in C code). Workers are spawned, never forked. With several, each gets its
    share of the processor's cores, and none takes a whole graphics card's
    memory at once.

    Args:
        workers: How many rounds run at a time.
        rounds_per_process: After how many a worker begins anew.
    """

    run_round = staticmethod(partial(worker.run_round, capture=True))
    shares_folder = True

    def __init__(self, workers=1, rounds_per_process=ROUNDS_PER_PROCESS):
        if workers < 1:
            raise UmsrepError(
                f"workers={workers}: expected at least 1. Pass the number of "
                "rounds to run at a time."
            )
        self.workers = workers
        self.rounds_per_process = rounds_per_process

    @contextlib.contextmanager
    def executor(self):
        """Yields a `concurrent.futures.Executor`."""
        executor = _Processes(self.workers, self.rounds_per_process)
        try:
            yield executor
        finally:
            executor.stop()


class _Processes(futures.Executor):
    """Each worker is an executor of its own: when a process dies, it is known
    which round killed it, and the other rounds go on."""

    def __init__(self, workers, rounds_per_process):
        self.rounds_per_process = rounds_per_process
        self.environment = _environment(workers)
        self.threads = futures.ThreadPoolExecutor(workers)
        self.own = threading.local()
        self.pools = set()
        self.stopped = False
        self.lock = threading.Lock()

    def submit(self, function, /, *args, **kwargs):
        return self.threads.submit(self._run, function, args, kwargs)

    def _run(self, function, args, kwargs):
        pool, done = getattr(self.own, "state", (None, 0))
        if pool is None:
            pool = self._start()
        try:
            result = pool.submit(function, *args, **kwargs).result()
        except BaseException:
            self._end(pool)
            raise
        done += 1
        if done == self.rounds_per_process:
            self._end(pool)
        else:
            self.own.state = (pool, done)
        return result

    def _start(self):
        with self.lock:
            if self.stopped:
                raise futures.CancelledError
            pool = ProcessPoolExecutor(
                1,
                env=self.environment,
                initializer=_silent(),
                initargs=(os.getpid(),),
            )
            self.pools.add(pool)
        return pool

    def _end(self, pool):
        self.own.state = (None, 0)
        with self.lock:
            self.pools.discard(pool)
        pool.shutdown(kill_workers=True)

    def stop(self):
        """Ends the workers, with what they are doing."""
        with self.lock:
            self.stopped = True
            pools = list(self.pools)
        self.threads.shutdown(wait=False, cancel_futures=True)
        for pool in pools:
            pool.shutdown(kill_workers=True)
        self.threads.shutdown()


def _silent():
    """A function for a new process that ends its output, and watches.

    A scan that is killed cannot end its workers; they end themselves, or a
    resumed scan would find their runs in use. Defined here, so that it is
    pickled by value: a new process would import this package, and so
    TensorFlow with its notices, to find a function of a module.
    """

    def silent(parent):
        import os
        import threading
        import time

        def watch():
            while os.getppid() == parent:
                time.sleep(1)
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)

    return silent


def _environment(workers):
    """Environment variables of the worker processes."""
    if workers == 1:
        return {}
    cores = os.cpu_count() or 1
    with contextlib.suppress(AttributeError):
        cores = len(os.sched_getaffinity(0))
    threads = str(max(1, cores // workers))
    return {
        "OMP_NUM_THREADS": threads,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": threads,
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }


class Dask:
    """Rounds on a cluster through Dask distributed.

    Data sets and run folders must have the same paths on all its machines,
    and the same versions be installed there. Each round has a process of its
    own there. The scan's own folder may be on this machine alone, so what an
    interrupted round had learnt is not kept; on a cluster that goes on, such
    a round trains to its end for nothing.

    Args:
        scheduler: Address of a running scheduler, such as
            "tcp://10.0.0.5:8786". None starts a cluster on this machine.
        workers: Number of workers of that local cluster.
    """

    run_round = staticmethod(worker.run_round_apart)
    shares_folder = False
    # Seconds that the scheduler may take to answer.
    timeout = 30

    def __init__(self, scheduler=None, workers=2):
        self.scheduler = scheduler
        self.workers = workers

    @contextlib.contextmanager
    def executor(self):
        """Yields a `concurrent.futures.Executor`."""
        try:
            import dask
            import distributed
        except ModuleNotFoundError as error:
            raise UmsrepError(
                f"The engine dask needs the package {error.name}. Install it "
                "with `pip install -e '.[cluster]'`, or use the engine local."
            ) from error
        with contextlib.ExitStack() as stack:
            address = self.scheduler
            if address is None:
                # A round that kills its worker fails; it would kill others.
                stack.enter_context(
                    dask.config.set(
                        {"distributed.scheduler.allowed-failures": 0}
                    )
                )
                address = stack.enter_context(
                    distributed.LocalCluster(
                        n_workers=self.workers,
                        threads_per_worker=1,
                        host="127.0.0.1",
                        dashboard_address=None,
                        # What it says of its own end.
                        silence_logs=logging.CRITICAL,
                        env=_environment(self.workers),
                    )
                )
            try:
                client = distributed.Client(address, timeout=self.timeout)
            except (OSError, TimeoutError, ValueError) as error:
                raise UmsrepError(
                    f"No Dask scheduler answers at {address} "
                    f"({' '.join(str(error).split())[:200]}). Start one with "
                    "`dask scheduler`, and pass the address it prints."
                ) from error
            stack.enter_context(client)
            executor = client.get_executor(pure=False, retries=0)
            try:
                yield executor
            finally:
                executor.shutdown(wait=False)


def engine(name, workers, scheduler=None):
    """The engine that the command line names.

    Args:
        name: "local" or "dask".
        workers: Rounds at a time.
        scheduler: Address of a Dask scheduler, or None.
    """
    if name not in ("local", "dask"):
        raise UmsrepError(f"--engine {name} is unknown. Choose local or dask.")
    if scheduler is not None and name != "dask":
        raise UmsrepError(
            f"--scheduler {scheduler} is an option of Dask. Add --engine "
            "dask, or leave it out."
        )
    return Dask(scheduler, workers) if name == "dask" else Local(workers)
