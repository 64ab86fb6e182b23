"""Memory of a scan over many rounds, of its process and of its workers.

python -m benchmarks.scan_memory                     100 rounds, some minutes
python -m benchmarks.scan_memory --in-process        without worker processes
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path

import psutil

from benchmarks import material
from umsrep import runs, search

ROWS = 10


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scan_memory")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--in-process", action="store_true")
    options = parser.parse_args(arguments)
    engine = (
        search.InProcess()
        if options.in_process
        else search.Local(options.workers)
    )
    with tempfile.TemporaryDirectory() as folder:
        data = material.prepared(folder, "shenzhen", 40, 64)
        out = Path(folder) / "scan"
        with Memory(out / "rounds") as memory:
            search.scan(recipe(data, options.rounds), out, engine)
    machine = runs.machine()
    print(
        f"{options.rounds} rounds, {type(engine).__name__}, "
        f"{machine['cores']} cores of {machine['processor']}, "
        f"{machine['memory_gib']} GiB"
    )
    print("| rounds | scan, peak MiB | workers, peak MiB |")
    print("|---|---|---|")
    for name, own, others in memory.table(options.rounds):
        print(f"| {name} | {own:.0f} | {others:.0f} |")


def recipe(data, rounds):
    """Short rounds that differ in their seeds."""
    return {
        "data": str(data),
        "stage": "finetune",
        "tasks": ["lung", "abnormality"],
        "settings": {
            "strategy": "joint",
            "arguments": {"filters": [8, 16, 32]},
            "convolutions": [16],
            "epochs": 2,
            "fractions": [0.5, 0.25, 0.25],
        },
        "space": {"seed": list(range(rounds))},
        "search": "grid",
    }


class Memory:
    """Samples the resident memory of this process and of its children.

    Args:
        rounds: Folder in which a finished round has a round.json.
    """

    def __init__(self, rounds):
        self.rounds = rounds
        self.samples = []

    def __enter__(self):
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._end.set()
        self._thread.join()

    def _watch(self):
        this = psutil.Process()
        while not self._end.is_set():
            done = len(list(self.rounds.glob("*/round.json")))
            others = 0
            for child in this.children(recursive=True):
                try:
                    others += child.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.samples.append((done, this.memory_info().rss, others))
            time.sleep(0.25)

    def table(self, rounds):
        """(rounds, MiB of this process, MiB of its children): the peaks."""
        step = max(1, rounds // ROWS)
        for first in range(0, rounds, step):
            part = [s for s in self.samples if first <= s[0] < first + step]
            if not part:
                # Finished between two samples.
                continue
            peaks = [max(s[i] for s in part) / 2**20 for i in (1, 2)]
            yield f"{first + 1} to {min(first + step, rounds)}", *peaks


if __name__ == "__main__":
    main()
