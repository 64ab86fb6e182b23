"""What a run was made of: fingerprints and descriptions of its inputs."""

import hashlib
import json
from pathlib import Path

from umsrep.data import storage


def fingerprints(data_folders, run_folders=()):
    """{what: SHA-256}: a resumed training must find the same inputs.

    Args:
        data_folders: Prepared data sets.
        run_folders: Run folders whose models are read; None is left out.
    """
    found = {
        f"data {number}": _fingerprint(Path(folder))
        for number, folder in enumerate(data_folders)
    }
    for number, folder in enumerate(run_folders):
        if folder is not None:
            model = Path(folder) / "model.keras"
            found[f"model {number}"] = storage.sha256(model)
    return found


def _fingerprint(folder):
    """Of a prepared data set: its table, its pictures, how they were made."""
    header = storage.read_json(folder / "dataset.json")
    made = {key: header.get(key) for key in ("checksums", "preprocessing")}
    text = json.dumps(made, sort_keys=True)
    text += storage.sha256(folder / "manifest.csv")
    return hashlib.sha256(text.encode()).hexdigest()


def describe_data(folders):
    """For run.json: name, folder and fingerprint of prepared data sets."""
    entries = []
    for folder in folders:
        folder = Path(folder)
        header = storage.read_json(folder / "dataset.json")
        entries.append(
            {
                "name": header["name"],
                "path": str(folder),
                "manifest_sha256": storage.sha256(folder / "manifest.csv"),
                "images": header["counts"].get("images"),
                "fit": header["preprocessing"].get("fit", "stretch"),
            }
        )
    return entries
