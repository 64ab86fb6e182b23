"""Opening prepared data sets, and joining several to one."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from umsrep import tasks as task_kinds
from umsrep.data import copies_file, prepared, source_facts
from umsrep.data.dataset import Dataset
from umsrep.data.frame import Frame
from umsrep.data.owners import copies_of
from umsrep.data.stores import Joined, Pictures
from umsrep.errors import UmsrepError


def load(folder: str | Path | Dataset) -> Dataset:
    """Loads a prepared data set (`umsrep prepare`).

    Args:
        folder: The folder with dataset.json and manifest.csv; a `Dataset` is
            returned as it is.

    Raises:
        UmsrepError: the folder is not a whole prepared data set of this
            version.
    """
    if isinstance(folder, Dataset):
        return folder
    path = Path(folder)
    header = prepared.read_header(path)
    try:
        table = pd.read_csv(
            path / "manifest.csv", dtype=str, keep_default_na=False
        )
    except (OSError, ValueError) as error:
        raise UmsrepError(
            f"{path / 'manifest.csv'} cannot be read ({error}). Prepare the "
            "data set again."
        ) from error
    tasks = prepared.tasks_of(header)
    columns = {"image", "patient", "split", *tasks}
    columns.update(prepared.scale_columns(header))
    missing = columns - set(table.columns)
    if missing:
        raise UmsrepError(
            f"{path / 'manifest.csv'} has no column {sorted(missing)[0]!r}. "
            "Prepare the data set again."
        )
    # Tells an image again, whatever its data set is called.
    table["checksum"] = table["image"].map(header["checksums"]).fillna("")
    found = copies_file.read(path, table["image"].tolist())
    if found is not None:
        table["copies"] = found
    # Into the table, as all that follows an image into its subset.
    if header["preprocessing"].get("fit") == "pad":
        frames = _frames(path, table, header)
        table["source_frame"] = pd.Series(frames, dtype=object)
    for axis, unit in header.get("scales", {}).items():
        table[f"{axis}_unit"] = unit
    dataset = Dataset(
        name=header["name"],
        tasks=tasks,
        table=table,
        store=Pictures(path, table, tasks, header["preprocessing"]["size"]),
        folders=(prepared.PreparedFolder(path, header, len(table)),),
    )
    for name, task in tasks.items():
        if task_kinds.get(task.kind).place == task_kinds.CELL:
            try:
                dataset.values(name)
            except UmsrepError as error:
                raise UmsrepError(f"{path / 'manifest.csv'}: {error}") from None
    return dataset


def _frames(
    path: Path, table: pd.DataFrame, header: dict[str, Any]
) -> list[Frame | str]:
    """Where each padded image has its content; "" where that is unknown."""
    facts = source_facts.read(path)
    if facts is None:
        return [""] * len(table)
    sides = facts.set_index("image")[["height", "width"]].dropna().astype(int)
    size = tuple(header["preprocessing"]["size"])
    frames = {
        image: Frame((int(height), int(width)), size, "pad")
        for image, height, width in sides.itertuples(name=None)
    }
    return [frames.get(image, "") for image in table["image"]]


def concatenate(datasets: Iterable[Dataset]) -> Dataset:
    """One data set of several, with `<name>/` before images and patients.

    Args:
        datasets: Data sets of one image size. A task that several have must
            have the same classes, and a scale's axis the same unit.
    """
    datasets = list(datasets)
    if len(datasets) == 1:
        return datasets[0]
    sizes = {dataset.image_size for dataset in datasets}
    if len(sizes) > 1:
        raise UmsrepError(
            f"The data sets have the image sizes {sorted(sizes)}. Prepare "
            "them at one --size."
        )
    names = [dataset.name for dataset in datasets]
    if len(set(names)) < len(names):
        raise UmsrepError(
            f"The data sets are named {names}. Pass each data set once."
        )
    tasks: dict[str, prepared.TaskSpec] = {}
    units: dict[str, str] = {}
    tables = []
    for dataset in datasets:
        for name, task in dataset.tasks.items():
            if tasks.setdefault(name, task) != task:
                raise UmsrepError(
                    f"Task '{name}' has other classes in '{dataset.name}' "
                    "than in the data sets before it. Rename one of them."
                )
        for axis, unit in dataset.scale_units.items():
            if units.setdefault(axis, unit) != unit:
                raise UmsrepError(
                    f"The {axis} scale is in {unit} in '{dataset.name}' and "
                    f"in {units[axis]} in the data sets before it. Prepare "
                    "one of them again with the other unit."
                )
        table = dataset.table.copy()
        for column in ("image", "patient"):
            table[column] = dataset.name + "/" + table[column]
        groups = copies_of(dataset)
        table["copies"] = [f"{dataset.name}/{g}" if g else "" for g in groups]
        tables.append(table)
    table = pd.concat(tables, ignore_index=True).fillna("")
    return Dataset(
        "+".join(names),
        tasks,
        table,
        Joined([(dataset.store, dataset.rows) for dataset in datasets]),
        folders=[f for dataset in datasets for f in dataset.folders],
    )
