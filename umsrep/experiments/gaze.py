"""Saliency beside its floors and its limit, and the maps side by side."""

from pathlib import Path

import numpy as np
import pandas as pd

from umsrep import runs
from umsrep.data import prepared
from umsrep.errors import UmsrepError
from umsrep.evaluation import gaze_floors, predict
from umsrep.evaluation.subject import Subject
from umsrep.experiments.pictures import write_maps
from umsrep.experiments.repeats import folders
from umsrep.experiments.tables import evenly

FLOORS = ("centre bias", "uniform")
OBSERVERS = "other observers"
# Images of the figure.
PICTURES = 6


def halves_of(task):
    """Name of the rows that compare with half of the observers."""
    return f"{task}: against half of the observers"


def references(data, task, out, networks, repeats, say):
    """Rows of `run_repeats` for floors, observers and halves of observers.

    Args:
        data: The prepared data set.
        task: Its map task.
        out: Folder of the experiment.
        networks: Names of the candidates with this task.
        repeats: How many there are.
        say: Called with a line where there is no inter-observer limit.

    Yields:
        Data frames with the columns network, repeat, task, metric, value:
        `FLOORS` with the task; and where several people looked at the same
        images, `OBSERVERS` and every network with `halves_of(task)`.
    """
    folder, _ = folders(out, networks[0], 0)
    subject = Subject(folder, data)
    reference = subject.references[task]
    floors = gaze_floors.floor_tables(subject.dataset, task, reference)
    for name, table in floors.items():
        yield _means(name, task, table)
    note = prepared.read_header(data)["gaze"].get(task)
    if not note or note["observers"] < 2:
        return
    options = (task, reference, note["sigma_prepared"], note["weight"])
    training = Subject(folder, data, "train").dataset
    try:
        how = gaze_floors.Halves(training, *options).best()
        halves = gaze_floors.Halves(subject.dataset, *options)
    except UmsrepError as reason:
        # Several people, but each on images of their own.
        say(f"no inter-observer limit: {reason}")
        return
    half = halves_of(task)
    table = halves.of_observers(how)
    yield _means(OBSERVERS, half, table)
    for name in networks:
        for repeat in range(repeats):
            folder, _ = folders(out, name, repeat)
            network = runs.network_of(runs.Run(folder))
            outputs = predict.probabilities(network, subject.dataset)[task]
            scores = halves.of_model(outputs)
            yield _means(name, half, scores, repeat)


def _means(network, task, table, repeat=0):
    means = table.mean()
    return pd.DataFrame(
        {
            "network": network,
            "repeat": repeat,
            "task": task,
            "metric": means.index,
            "value": means.to_numpy(),
        }
    )


def write_overlays(data, task, out, networks, caption=None):
    """Writes overlays.png: people's maps and each network's first repeat.

    Args:
        data, task, out, networks: As in `references`.
        caption: Name of a label task whose classes stand beside the rows, or
            None.
    """
    columns = {"people": task}
    for name in networks:
        folder, _ = folders(out, name, 0)
        subject = Subject(folder, data)
        known = np.flatnonzero(subject.dataset.labelled(task))
        shown = subject.dataset.subset(evenly(known, PICTURES))
        columns[name] = predict.probabilities(subject.network, shown)[task]
    captions = None if caption is None else list(shown.table[caption])
    write_maps(Path(out) / "overlays.png", shown, columns, captions)
