"""`make bench`: measures, and writes benchmarks/results.json and the table.

Run `python -m benchmarks --help` for single parts.
"""

import argparse
import datetime
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import table
from benchmarks.parts import PARTS, _has
from umsrep import precision, runs
from umsrep.data import storage

HERE = Path(__file__).parent


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument(
        "parts", nargs="*", help=f"Of {', '.join(PARTS)}; default: all."
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="A trial on few, small images; figures mean nothing.",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=HERE / "results.json",
        help="Parts of the same machine and versions in it are kept.",
    )
    parser.add_argument(
        "--page", type=Path, default=None, help="Markdown file to update."
    )
    parser.add_argument(
        "--work", type=Path, default=None, help="Folder for phantoms."
    )
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.parts) - set(PARTS))
    if unknown:
        parser.error(
            f"no part is named '{unknown[0]}'. Choose of {', '.join(PARTS)}."
        )
    begin = time.perf_counter()

    def say(words):
        seconds = time.perf_counter() - begin
        print(f"[{seconds:5.0f} s] {words}", file=sys.stderr, flush=True)

    if not _has("torch"):
        say("PyTorch is not installed: its rows are left out.")
    results = _before(options.out, _about())
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        for name in options.parts or PARTS:
            start = time.perf_counter()
            results["parts"][name] = PARTS[name](say, work, options.quick)
            results["about"]["seconds"][name] = time.perf_counter() - start
            # What is measured is not lost if a later part fails.
            storage.write_json(options.out, results)
    results["parts"] = {
        name: results["parts"][name]
        for name in PARTS
        if name in results["parts"]
    }
    text = table.markdown(results)
    print(text)
    if options.page:
        page = options.page.read_text(encoding="utf-8")
        storage.write_text(options.page, table.replace(page, text))


def _before(file, about):
    """Results to go on from: those in `file`, if they are comparable."""
    if file.exists():
        found = storage.read_json(file)
        same = set(about) - {"date", "seconds"}
        if all(found["about"].get(key) == about[key] for key in same):
            found["about"]["date"] = about["date"]
            return found
    return {"about": about, "parts": {}}


def _about():
    machine = runs.machine()
    versions = runs.versions()
    if _has("torch"):
        import importlib.metadata

        versions["torch"] = importlib.metadata.version("torch")
    return {
        "date": datetime.date.today().isoformat(),
        "processor": machine["processor"],
        "cores": machine["cores"],
        "memory_gib": machine["memory_gib"],
        "auto": precision.use("auto"),
        "versions": versions,
        "seconds": {},
    }


if __name__ == "__main__":
    main()
