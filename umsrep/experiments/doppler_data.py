"""The strips that UMS-Rep's Doppler part uses: its Table 1 and Figure 3."""

from pathlib import Path

import numpy as np
import pandas as pd

from umsrep import figures, runs
from umsrep.evaluation.doppler import Names
from umsrep.experiments.data_used import rows_of
from umsrep.experiments.pictures import case_name
from umsrep.experiments.repeats import REPRESENTATION, folders
from umsrep.experiments.tables import evenly

# Strips of each flow in Figure 3: of each quality, or where none is known.
PER_QUALITY, PER_FLOW = 2, 4


def data_used(dataset, out, flow, sets):
    """Table 1: images, patients and labels, of all and of each use.

    Args:
        dataset: The prepared strips.
        out: Folder of the experiment: who was in its construction is in no
            target task.
        flow: Name of the flow's task, which the construction learns.
        sets: {set of target tasks: {strategy: `Candidate`}}.

    Returns:
        Data frame of text, a row per use and task.
    """
    source, _ = folders(out, REPRESENTATION, 0)
    split = runs.Run(source).split().set_index("image")["split"]
    learnt = dataset.table["image"].map(split).isin(runs.LEARNT_FROM)
    learnt = learnt.to_numpy()
    rows = [*rows_of("all", dataset)]
    rows += rows_of("construction", dataset.subset(learnt), (flow,))
    for use, group in sets.items():
        tasks = next(iter(group.values())).tasks
        rows += rows_of(use, dataset.subset(~learnt), tasks)
    return pd.DataFrame(rows)


def write_examples(out, dataset, flow, tasks):
    """Writes figure-3.svg: labelled strips, a row per flow, by quality.

    Args:
        out: Folder of the experiment.
        dataset: The prepared strips.
        flow: Name of the flow's task.
        tasks: Names of the heterogeneous tasks, among which an envelope and a
            quality are found.
    """
    names = Names.of(dataset, flow, tasks)
    rows = []
    for label in dataset.task(flow).classes:
        row = [
            (
                _title(dataset, names, index),
                dataset.image(index),
                names.envelope and dataset.mask(names.envelope, index),
                None,
            )
            for index in examples(dataset, names, label)
        ]
        if row:
            rows.append(row)
    count = dataset.table["patient"].nunique()
    footer = (
        f"Some of n = {len(dataset):,} strips of {count:,} patients of "
        f"'{dataset.name}'"
    )
    if names.envelope:
        footer += "; blue: outline of the envelope, from the data set"
    strips = figures.doppler_strips(rows, footer)
    figures.save(strips, Path(out) / "figure-3.svg")


def examples(dataset, names, label):
    """Positions of some strips of a flow, the same number of each quality.

    Args:
        dataset: The prepared strips.
        names: `evaluation.doppler.Names`.
        label: The flow.
    """
    known = (dataset.table[names.flow] == label).to_numpy()
    if names.envelope:
        known &= dataset.labelled(names.envelope)
    if names.quality is None:
        return evenly(np.flatnonzero(known), PER_FLOW)
    quality = dataset.table[names.quality].to_numpy()
    return np.concatenate(
        [
            evenly(np.flatnonzero(known & (quality == one)), PER_QUALITY)
            for one in dataset.task(names.quality).classes
        ]
    )


def _title(dataset, names, index):
    row = dataset.table.iloc[index]
    words = row[names.flow]
    if names.quality:
        words += f", quality: {row[names.quality]}"
    return f"{words}\n{case_name(row['image'])}"
