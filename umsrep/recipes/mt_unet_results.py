"""MT-UNet's tables and figures, from prepared data to files."""

from pathlib import Path

import numpy as np
import pandas as pd

from umsrep import data as data_package
from umsrep import figures, runs
from umsrep.data import prepared, storage
from umsrep.errors import UmsrepError
from umsrep.evaluation import gaze_floors, predict
from umsrep.evaluation.subject import Subject
from umsrep.experiments import repeats as repeated
from umsrep.experiments import tables as results
from umsrep.recipes import mt_unet

SALIENCY = {
    "kld": "KLD ↓",
    "cc": "PCC ↑",
    "sim": "HS ↑",
    "nss": "NSS ↑",
    "auc_judd": "AUC-Judd ↑",
    "shuffled_auc": "shuffled AUC ↑",
    "information_gain": "IG ↑",
}
HALVES = "{}: against half of the observers"
PICTURES = 6


def run(
    data,
    out,
    settings,
    schemes=("mtls3",),
    networks=mt_unet.DEFAULT_NETWORKS,
    repeats=5,
    seed=0,
    say=print,
):
    """Trains, evaluates, and writes tables and figures.

    Args:
        data: A prepared data set with one map task and at most one label
            task.
        out: Folder; interrupted work goes on where it was.
        settings: `FinetuneSettings`, such as `mt_unet.SMALL`.
        schemes, networks: As of `mt_unet.candidates`.
        repeats, seed: As of `repeats.run_repeats`.
        say: Called with a line per step.

    Returns:
        {title: data frame in the paper's layout}.

    Raises:
        UmsrepError: data or names that do not serve, see
            `mt_unet.candidates`.
    """
    out = Path(out)
    dataset = data_package.load(data)
    tasks = mt_unet.Tasks.of(dataset)
    candidates = mt_unet.candidates(tasks, settings, schemes, networks)
    frame = repeated.run_repeats(data, candidates, out, repeats, seed, say)
    gazing = [one.name for one in candidates if tasks.saliency in one.tasks]
    if gazing:
        say("floors and the inter-observer limit")
        frame = pd.concat(
            [frame, *_references(data, tasks, out, gazing, repeats, say)],
            ignore_index=True,
        )
        _overlays(data, tasks, out, gazing)
    for one in candidates:
        folder, _ = repeated.folders(out, one.name, 0)
        curves = figures.training_curves(pd.read_csv(folder / "history.csv"))
        figures.save(curves, out / f"curves-{folder.name[:-2]}.svg")
    storage.write_csv(out / "repeats.csv", frame)
    tables = _tables(frame, dataset, tasks, candidates)
    results.write("MT-UNet", out, tables, data, settings, repeats, seed)
    return tables


def _pairs(candidates):
    """Each network of both tasks with each of one; else the first with each."""
    joint = [one.name for one in candidates if len(one.tasks) > 1]
    single = [one.name for one in candidates if len(one.tasks) == 1]
    if joint and single:
        return [(one, other) for one in joint for other in single]
    first, *others = joint + single
    return [(first, other) for other in others]


def _references(data, tasks, out, networks, repeats, say):
    """Rows of `run_repeats` for floors, observers and halves."""
    task = tasks.saliency
    folder, _ = repeated.folders(out, networks[0], 0)
    subject = Subject(folder, data)
    reference = subject.references[task]
    floors = gaze_floors.floor_tables(subject.dataset, task, reference)
    for name, table in floors.items():
        yield _constant_rows(name, task, table)
    note = prepared.read_header(data)["gaze"].get(task)
    if not note or note["observers"] < 2:
        return
    options = (task, reference, note["sigma_prepared"], note["weight"])
    training = Subject(folder, data, "train").dataset
    try:
        share = gaze_floors.Halves(training, *options).best_share()
        halves = gaze_floors.Halves(subject.dataset, *options)
    except UmsrepError as reason:
        # Several people, but each on images of their own.
        say(f"no inter-observer limit: {reason}")
        return
    half = HALVES.format(task)
    table = halves.of_observers(share)
    yield _constant_rows("other observers", half, table)
    for name in networks:
        for repeat in range(repeats):
            folder, _ = repeated.folders(out, name, repeat)
            network = runs.network_of(runs.Run(folder))
            outputs = predict.probabilities(network, subject.dataset)[task]
            scores = halves.of_model(outputs)
            yield _constant_rows(name, half, scores, repeat)


def _constant_rows(network, task, table, repeat=0):
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


def _overlays(data, tasks, out, networks):
    """Predictions of the first repeat on some test images."""
    task = tasks.saliency
    columns, subject = {}, None
    for name in networks:
        folder, _ = repeated.folders(out, name, 0)
        subject = Subject(folder, data)
        known = np.flatnonzero(subject.dataset.labelled(task))
        shown = subject.dataset.subset(results.evenly(known, PICTURES))
        columns[name] = predict.probabilities(subject.network, shown)[task]
    captions = None
    if tasks.classification:
        captions = list(shown.table[tasks.classification])
    columns = {"people": task, **columns}
    pictures = {
        title: figures.heat_overlays(shown, maps)
        for title, maps in columns.items()
    }
    figures.save(figures.panels(pictures, captions), out / "overlays.png")


def _tables(frame, dataset, tasks, candidates):
    networks = [one.name for one in candidates]
    table = repeated.median_and_spread(frame)
    floors = ["centre bias", "uniform"]
    label = tasks.classification
    tables = {}
    if label:
        classes = dataset.task(label).classes
        metrics = {"accuracy": "ACC ↑", "auc": "AUC ↑"}
        if len(classes) > 2:
            metrics |= {f"auc_{name}": f"AUC-{name} ↑" for name in classes}
        tables["Classification"] = repeated.layout(
            table, label, metrics, networks
        )
    tables["Saliency"] = repeated.layout(
        table, tasks.saliency, SALIENCY, [*networks, *floors]
    )
    half = HALVES.format(tasks.saliency)
    if (table["task"] == half).any():
        tables["Saliency against half of the observers"] = repeated.layout(
            table, half, SALIENCY, ["other observers", *networks]
        )
    tables["Cost"] = results.cost(table, networks)
    compared = [(tasks.saliency, m) for m in ("kld", "cc", "sim", "nss")]
    compared += [(label, m) for m in ("accuracy", "auc")] if label else []
    tests = repeated.compare(frame, _pairs(candidates), compared)
    if len(tests):
        tables["Mann-Whitney over repeats"] = tests.round(4)
    return {name: one for name, one in tables.items() if one.size}
