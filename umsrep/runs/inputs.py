"""What a run was made of: fingerprints and descriptions of its inputs."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from umsrep.data import storage
from umsrep.data.dataset import Dataset
from umsrep.data.prepared import PreparedFolder
from umsrep.errors import UmsrepError


def fingerprints(
    datasets: Iterable[Dataset],
    run_folders: Iterable[str | Path | None] = (),
    arguments: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """{what: SHA-256}: a resumed training must find the same inputs.

    Args:
        datasets: `data.Dataset`s, each loaded from a prepared folder.
        run_folders: Run folders whose models are read; None is left out.
        arguments: Of a new representation; its `weights` may be a file
            or a folder.
    """
    found = {
        f"data {number}": _fingerprint(dataset)
        for number, dataset in enumerate(datasets)
    }
    for number, folder in enumerate(run_folders):
        if folder is not None:
            model = Path(folder) / "model.keras"
            found[f"model {number}"] = storage.sha256(model)
    weights = (arguments or {}).get("weights")
    if weights is not None and Path(weights).exists():
        found["weights"] = _of_weights(Path(weights))
    return found


def _of_weights(path: Path) -> str:
    """Of a file, or of the files of a preset's folder."""
    if path.is_file():
        return storage.sha256(path)
    files = sorted(each for each in path.iterdir() if each.is_file())
    text = json.dumps([(each.name, storage.sha256(each)) for each in files])
    return hashlib.sha256(text.encode()).hexdigest()


def _fingerprint(dataset: Dataset) -> str:
    """Of its table, its pictures, how they were made, and which it has."""
    folder = prepared_folder(dataset)
    header = folder.header
    made = {key: header.get(key) for key in ("checksums", "preprocessing")}
    text = json.dumps(made, sort_keys=True) + folder.manifest_sha256
    if len(dataset) < folder.images:
        text += json.dumps(dataset.table["image"].tolist())
    return hashlib.sha256(text.encode()).hexdigest()


def describe_data(datasets: Iterable[Dataset]) -> list[dict[str, Any]]:
    """For run.json: name, folder and fingerprint of `data.Dataset`s."""
    entries = []
    for dataset in datasets:
        folder = prepared_folder(dataset)
        entries.append(
            {
                "name": folder.header["name"],
                "path": str(folder.path),
                "manifest_sha256": folder.manifest_sha256,
                "images": folder.header["counts"].get("images"),
                "fit": folder.fit,
            }
        )
    return entries


def prepared_folder(dataset: Dataset) -> PreparedFolder:
    """The one `PreparedFolder` of a data set.

    Raises:
        UmsrepError: it comes from several folders, or from none.
    """
    if len(dataset.folders) != 1:
        places = ", ".join(str(folder.path) for folder in dataset.folders)
        raise UmsrepError(
            f"Data set '{dataset.name}' comes from {places or 'no folder'}. "
            "Expected one prepared folder, by which a run knows its data "
            "again; prepare the images into one, and load that."
        )
    return dataset.folders[0]
