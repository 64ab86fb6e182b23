"""Executes the notebooks, each in a fresh kernel, as a reader would.

python notebooks/run.py            all of them; fails if a cell fails
python notebooks/run.py --write    and keeps the new outputs in the files
python notebooks/run.py FILE ...   these only
"""

import argparse
import os
import re
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

HERE = Path(__file__).parent
# Of a whole notebook; each is meant to end within two minutes on two idle
# cores.
SECONDS = 300
# Of the terminal, in tracebacks.
COLOURS = re.compile(r"\x1b\[[\d;]*m")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="default: all")
    parser.add_argument("--write", action="store_true", help="keep outputs")
    parser.add_argument("--parallel", type=int, default=2, metavar="N")
    parser.add_argument(
        "--seconds",
        type=int,
        default=SECONDS,
        metavar="N",
        help=f"time for one notebook, {SECONDS} unless given",
    )
    options = parser.parse_args()
    files = options.files or sorted(HERE.glob("*.ipynb"))
    failed = False
    with ProcessPoolExecutor(options.parallel) as pool:
        running = {
            pool.submit(execute, file, options.seconds, options.write): file
            for file in files
        }
        for done in as_completed(running):
            seconds, busy, problem = done.result()
            words = "failed" if problem else "ok"
            print(
                f"{running[done].name}: {words}, {seconds:.0f} s "
                f"({busy:.0f} s of processor time)",
                flush=True,
            )
            if problem:
                failed = True
                print(problem, file=sys.stderr, flush=True)
    return int(failed)


def execute(file, seconds=SECONDS, write=False):
    """Runs one notebook from top to bottom.

    Args:
        file: The notebook; its cells run in its folder.
        seconds: After which it is stopped.
        write: Put the outputs into the file.

    Returns:
        (seconds, seconds of processor time, None or what went wrong).
    """
    begin, before = time.monotonic(), os.times()
    notebook = nbformat.read(file, as_version=4)
    problem = None
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile("w+") as log,
    ):
        client = Client(
            notebook,
            timeout=seconds,
            km=kernel(folder),
            resources={"metadata": {"path": str(file.parent)}},
            # Times would differ in every version of the file.
            record_timing=False,
            coalesce_streams=True,
        )
        try:
            # What a cell says is in its output, too.
            client.execute(stdout=log, stderr=log, cleanup_kc=True)
        except (CellExecutionError, CellTimeoutError) as error:
            problem = COLOURS.sub("", f"{file.name}: {error}")
        except RuntimeError as error:
            # The kernel died, or did not start.
            log.seek(0)
            problem = f"{file.name}: {error}\n{log.read()[-2000:]}"
    if write and problem is None:
        notebook.metadata = nbformat.from_dict(
            {
                "kernelspec": {
                    "display_name": "Python 3",
                    "language": "python",
                    "name": "python3",
                },
                "language_info": {"name": "python"},
            }
        )
        nbformat.write(notebook, file)
    after = os.times()
    # The kernel is a child of this process.
    busy = after.children_user + after.children_system
    busy -= before.children_user + before.children_system
    return time.monotonic() - begin, busy, problem


class Client(NotebookClient):
    """Counts the seconds of the notebook, not of each cell."""

    def execute(self, **options):
        self._end = time.monotonic() + self.timeout
        self.timeout_func = lambda cell: max(
            1, int(self._end - time.monotonic())
        )
        return super().execute(**options)


def kernel(folder):
    """This Python as kernel, whatever else is installed as "python3".

    Args:
        folder: For the socket files by which we speak to it; a port could be
            reached by others on the machine.
    """
    return AsyncKernelManager(
        kernel_name="python3",
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
        transport="ipc",
        ip=str(Path(folder) / "kernel"),
    )


if __name__ == "__main__":
    sys.exit(main())
