"""The folder of a scan.

scan.json         the plan, data, versions, machine, "status"
rounds/<key>/     round.json: settings, status, figures; history.csv: every
                  epoch; log.txt: what a round printed; run/: of a round that
                  was interrupted
results.csv       one row per round, the best first; results.md: the same
parallel.png      the rounds as lines through their settings
best.yaml         the best round's settings, for --settings
talos/            what Talos itself writes
"""

import contextlib
import shutil
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from umsrep import runs
from umsrep.data import load, storage
from umsrep.errors import UmsrepError
from umsrep.search import jobs

HEADER = "scan.json"
FORMAT = "umsrep-scan"
FORMAT_VERSION = 1


class ScanFolder:
    """A scan's folder in the making; use as a context manager.

    Args:
        path: The folder.
        plan: A `ScanPlan`.
        resume: Go on in an existing folder.
        retry_failed: Forget rounds that failed.

    Attributes:
        path: The folder.
        talos: Where Talos writes; empty at the start.
    """

    def __init__(self, path, plan, resume=False, retry_failed=False):
        self.path = Path(path)
        self.talos = self.path / "talos"
        self.plan = plan
        self.resume = resume or retry_failed
        self.retry_failed = retry_failed
        self.identity = jobs.identity(plan)

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(storage.locked(self.path))
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exc):
        self._stack.close()

    def _open(self):
        if (self.path / HEADER).exists():
            self._check()
        elif self.path.exists() and (
            not self.path.is_dir() or any(self.path.iterdir())
        ):
            raise UmsrepError(
                f"{self.path} already holds other files. Choose a new --out "
                "folder."
            )
        for record in self.records() if self.retry_failed else ():
            if record["status"] == "failed":
                shutil.rmtree(self.round(record["key"]))
        # Talos lists all rounds again; finished ones take no time.
        shutil.rmtree(self.talos, ignore_errors=True)
        self.write("running", {})

    def _check(self):
        path = self.path / HEADER
        header = storage.read_json(path, "scan")
        if header.get("format") != FORMAT:
            raise UmsrepError(
                f"{path} is not of a scan. Choose a new --out folder."
            )
        if not self.resume:
            raise UmsrepError(
                f"{self.path} already holds a scan ({header['status']}). Pass "
                "--resume to go on with it, or choose a new --out folder."
            )
        old, new = header["identity"], self.identity
        if old != new:
            changed = sorted(
                name for name in {*old, *new} if old.get(name) != new.get(name)
            )
            raise UmsrepError(
                f"{self.path} was begun with another search space: "
                f"{', '.join(changed)} differ. Only space, search, rounds, "
                "fraction, reduction and objective may change. Restore the "
                "file, or choose a new --out folder."
            )

    def write(self, status, entries):
        """Writes scan.json."""
        storage.write_json(
            self.path / HEADER,
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "status": status,
                "plan": asdict(self.plan),
                "identity": self.identity,
                "data": runs.describe_data(map(load, self.plan.data)),
                "versions": runs.versions(),
                "machine": runs.machine(),
                **entries,
            },
        )

    def round(self, key):
        """Folder of one round."""
        return self.path / "rounds" / key

    def scratch(self, key):
        """Folder of one round's run, while it trains."""
        return self.round(key) / "run"

    def save(self, key, chosen, record):
        """Keeps a round; returns what `records` will read.

        Args:
            key: As returned by `jobs.key`.
            chosen: {name in the space: value}.
            record: As returned by `worker.run_round`.
        """
        folder = self.round(key)
        record = {"key": key, "chosen": chosen, **record}
        history = record.pop("history", None)
        log = record.pop("log", "") + record.pop("traceback", "")
        if history:
            table = pd.DataFrame(history)
            storage.write_csv(folder / "history.csv", table)
        if log:
            storage.write_text(folder / "log.txt", log)
        # Last: a round without it is not done.
        storage.write_json(folder / "round.json", record)
        # Not what a round of a killed scan still writes.
        with (
            contextlib.suppress(storage.InUse),
            storage.locked(self.scratch(key)),
        ):
            shutil.rmtree(self.scratch(key), ignore_errors=True)
        return storage.plain(record)

    def history(self, key):
        """{column: one value per epoch}; empty for a failed round."""
        path = self.round(key) / "history.csv"
        return pd.read_csv(path).to_dict("list") if path.exists() else {}

    def records(self):
        """All rounds that were kept."""
        return [
            storage.read_json(path, "round of a scan")
            for path in sorted(self.path.glob("rounds/*/round.json"))
        ]
