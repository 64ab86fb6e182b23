"""Tables of repeated trainings, and the file that holds them."""

import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from umsrep import runs
from umsrep.data import storage

COST = {
    "seconds": "Seconds ↓",
    "epochs": "Epochs",
    "trainable_parameters": "Trainable parameters ↓",
}


def evenly(positions, count):
    """At most `count` of some positions, spread from the first to the last.

    Manifests are sorted, often by class: the first ones are no sample.
    """
    positions = np.asarray(positions)
    count = min(count, len(positions))
    chosen = np.linspace(0, len(positions) - 1, count).round().astype(int)
    return positions[chosen]


def cost(table, networks):
    """Seconds, epochs and parameters: medians, in whole numbers.

    Args:
        table: As of `repeats.median_and_spread`.
        networks: Names, in order.
    """
    part = table[table["task"] == ""].set_index(["metric", "network"])
    return pd.DataFrame(
        {
            network: {
                heading: f"{part.loc[(metric, network), 'median']:,.0f}"
                for metric, heading in COST.items()
            }
            for network in networks
        }
    ).rename_axis("Metrics")


def write(title, out, tables, data, settings, repeats, seed, construction=None):
    """Writes tables.md, and results.json with how they came about.

    Args:
        title: Of the page.
        out: Folder.
        tables: {heading: data frame}; a named index is shown.
        data: The prepared data set.
        settings: `FinetuneSettings` that the networks share.
        repeats, seed, construction: As of `repeats.run_repeats`.
    """
    header = storage.read_json(Path(data) / "dataset.json")
    about = {
        "data": header["name"],
        "manifest_sha256": header["checksums"]["manifest.csv"],
        "gaze": header.get("gaze"),
        "settings": asdict(settings),
        "construction": construction and asdict(construction),
        "repeats": repeats,
        "seed": seed,
        "command": " ".join(["umsrep", *sys.argv[1:]]),
        "versions": runs.versions(),
        "machine": runs.machine(),
    }
    storage.write_json(Path(out) / "results.json", about)
    trainings = f"one training with seed {seed}"
    if repeats > 1:
        trainings = (
            f"median ± standard deviation of {repeats} trainings with the "
            f"seeds {seed} to {seed + repeats - 1} on one split. A cell "
            "without ± has a single value"
        )
    parts = [
        f"# {title}",
        f"Test images of '{header['name']}'; {trainings}.",
    ]
    for heading, table in tables.items():
        parts += [f"## {heading}", _markdown(table)]
    with storage.atomic_path(Path(out) / "tables.md") as temporary:
        temporary.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _markdown(table):
    """Numbers stay as they are written: 0.570 is not 0.57."""
    index = table.index.name is not None
    return table.to_markdown(index=index, disable_numparse=True)
