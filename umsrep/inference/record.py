"""The folder that `predict` writes, image by image, and goes on with.

prediction.json  what made it; "status" is "complete" at the end
predictions.csv  a row per image
failures.csv     path and reason of the files that could not be read, if any
masks/<task>/, maps/<task>/, overlays/<task>/, <explainer>/<task>/
                 pictures, in the folders of their images

Until the end, a line of journal.jsonl stands for each image that is done, so
thousands of images need no memory, and an interrupted command goes on.
"""

import contextlib
import csv
import json
import shutil
from pathlib import Path

from umsrep import runs
from umsrep.data import storage
from umsrep.errors import UmsrepError
from umsrep.inference.listing import HEADER

FORMAT = "umsrep-predictions"
FORMAT_VERSION = 1
JOURNAL = "journal.jsonl"
PREDICTIONS = "predictions.csv"
FAILURES = "failures.csv"
FAILURE_COLUMNS = ("image", "reason")
# Names of files need not be valid text.
TEXT = {"newline": "", "encoding": "utf-8", "errors": "surrogateescape"}


class PredictionRecord:
    """A folder of predictions in the making; use as a context manager.

    Args:
        folder: The folder.
        config: What decides the results, JSON-able; to go on, it must be the
            same.
        resume: Go on in an existing folder.

    Attributes:
        path: The folder.
        complete: Whether there is nothing left to do.
        done: Paths of the files that are done, read or not.
        names: {path: results' name} of the images among them.
        counts: {"images", "failures", "warnings"}: images predicted, files
            that could not be read, images with a warning.

    Raises:
        UmsrepError: the folder holds something else, was begun with other
            settings, or exists without `resume`.
    """

    def __init__(self, folder, config, resume=False):
        self.path = Path(folder)
        self.config = storage.plain(config)
        self.resume = resume
        self.complete = False
        self.done = set()
        self.names = {}
        self.counts = dict.fromkeys(("images", "failures", "warnings"), 0)

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.enter_context(storage.locked(self.path))
            stack.enter_context(storage.explain_os_errors(self.path))
            self._open()
            if not self.complete:
                self._journal = stack.enter_context(
                    open(self.path / JOURNAL, "a", encoding="ascii")
                )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind, *exc):
        # A mistake before the first image leaves no folder that would refuse
        # the corrected command.
        if kind is not None and not self.done and not self.complete:
            self._journal.close()
            shutil.rmtree(self.path, ignore_errors=True)
        return self._stack.__exit__(kind, *exc)

    def _open(self):
        header = self.path / HEADER
        is_file = self.path.exists() and not self.path.is_dir()
        if not is_file and not any(self.path.glob("*")):
            self.path.mkdir(parents=True, exist_ok=True)
            self._write_header("running", {})
            return
        if not header.exists():
            raise UmsrepError(
                f"{self.path} already holds other files. Choose a new --out "
                "folder."
            )
        info = storage.read_json(header, "header of predictions")
        if not isinstance(info, dict) or info.get("format") != FORMAT:
            raise UmsrepError(
                f"{header} is not of this command. Choose a new --out folder."
            )
        if not self.resume:
            raise UmsrepError(
                f"{self.path} already holds {info.get('status')} predictions. "
                "Pass --resume to go on with them, or choose a new --out "
                "folder."
            )
        changed = sorted(
            key
            for key in {*self.config, *info["config"]}
            if self.config.get(key) != info["config"].get(key)
        )
        if changed:
            raise UmsrepError(
                f"{self.path} was begun with another {', '.join(changed)}. "
                f"Repeat the command as in {HEADER}, or choose a new --out "
                "folder."
            )
        self.complete = info["status"] == "complete"
        if self.complete:
            self.counts = info["counts"]
        else:
            self._recover()

    def _recover(self):
        """Counts the images that are done; what is torn is not."""
        journal = self.path / JOURNAL
        if not journal.exists():
            return
        whole = 0
        with open(journal, "rb") as stream:
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                self._count(json.loads(line))
        with open(journal, "r+b") as stream:
            stream.truncate(whole)

    def _count(self, entry):
        self.done.add(entry["image"])
        if "reason" in entry:
            self.counts["failures"] += 1
            return
        self.names[entry["image"]] = entry["name"]
        self.counts["images"] += 1
        self.counts["warnings"] += bool(entry["warnings"])

    def listed(self):
        """Paths of the images in the tables of a complete folder."""
        found = set()
        for name in (PREDICTIONS, FAILURES):
            if (self.path / name).exists():
                with open(self.path / name, **TEXT) as stream:
                    found |= {row["image"] for row in csv.DictReader(stream)}
        return found

    def add(self, row):
        """Notes an image that is done: its cells, with `warnings`."""
        self._note(row)

    def fail(self, path, reason):
        """Notes a file that could not be read."""
        self._note({"image": str(path), "reason": str(reason)})

    def _note(self, entry):
        self._journal.write(json.dumps(storage.plain(entry)) + "\n")
        self._journal.flush()
        self._count(entry)

    def finish(self, columns, entries):
        """Writes the tables and marks the folder complete.

        Args:
            columns: Columns of predictions.csv.
            entries: Entries of prediction.json.
        """
        self._journal.flush()
        self._write_table(PREDICTIONS, columns, failures=False)
        if self.counts["failures"]:
            self._write_table(FAILURES, FAILURE_COLUMNS, failures=True)
        self._write_header("complete", {"counts": self.counts, **entries})
        self._journal.close()
        (self.path / JOURNAL).unlink()
        self.complete = True

    def _write_table(self, name, columns, failures):
        with (
            storage.atomic_path(self.path / name) as temporary,
            temporary.open("w", **TEXT) as stream,
            open(self.path / JOURNAL, encoding="ascii") as journal,
        ):
            table = csv.DictWriter(stream, columns)
            table.writeheader()
            for line in journal:
                entry = json.loads(line)
                if ("reason" in entry) == failures:
                    table.writerow(entry)

    def _write_header(self, status, entries):
        storage.write_json(
            self.path / HEADER,
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "status": status,
                "config": self.config,
                "versions": runs.versions(),
                **entries,
            },
        )
