"""Class activation maps of repeated trainings, and what they rest on."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd

from umsrep.data import storage
from umsrep.data.prepared import HEADER
from umsrep.derived import CAM
from umsrep.evaluation import crossed_tests, faithfulness, interpretability
from umsrep.evaluation.class_means import ALL
from umsrep.evaluation.subject import Subject
from umsrep.experiments import significance
from umsrep.experiments.repeats import BOOTSTRAP, folders
from umsrep.experiments.tables import evenly
from umsrep.stages.evaluation import evaluate_run

# Deletion and insertion run the network some 80 times per image.
FAITHFUL_IMAGES = 48
# End of the file of each image's map metrics.
MAPS = "-maps.csv"


def organ_names(organs):
    """Names of the mask tasks, each once.

    Args:
        organs: A mask task, or {class: mask task}.
    """
    names = [organs] if isinstance(organs, str) else organs.values()
    return list(dict.fromkeys(names))


def title_of(task, which=""):
    """Name of the rows of a task on one of the data sets."""
    return f"{task} ({which})" if which else task


def measure_maps(out, name, repeat, task, data, which, organs):
    """Metrics of one run's maps; kept in a file, so measured once.

    Args:
        out: Folder of the experiment.
        name, repeat: The candidate's name, and which of its trainings.
        task: The label task.
        data: The prepared data set that is tested on.
        which: Its name in the tables; "" is the one that was trained on,
            whose classification is evaluated already.
        organs: Where maps should point: a mask task, {class: mask task}, or
            None.

    Returns:
        Data frame: network, repeat, task, metric, value. Its tasks are
        `title_of(task, which)`, of another data set's classification, and that
        followed by ": <organ> alone", ": maps, <class>", ": faithfulness".
    """
    run, _ = folders(out, name, repeat)
    stem = _stem(out, name, repeat, task, data, which, organs)
    kept = stem.with_name(f"{stem.name}.csv")
    if not kept.exists():
        rows = _measure(run, stem, data, which, task, organs)
        storage.write_csv(
            kept, pd.DataFrame(rows, columns=["task", "metric", "value"])
        )
    table = pd.read_csv(kept)
    table.insert(0, "network", name)
    table.insert(1, "repeat", repeat)
    return table


def measured(out, spec, sets, organs):
    """For `significance.over_patients_and_trainings`, of `measure_maps`.

    Args:
        out, organs: As in `measure_maps`.
        spec: `TaskSpec` of the label task.
        sets: {which: data}, as `measure_maps` was called with.
    """
    alone = organ_names(organs) if organs else []
    places = {}
    for which, data in sets.items():
        title = title_of(spec.name, which)
        places[title] = which, data, "" if which else None
        for label in (ALL, *spec.classes):
            places[f"{title}: maps, {label}"] = which, data, MAPS
        for organ in alone:
            places[f"{title}: {organ} alone"] = which, data, f"-{organ}-alone"

    def of_training(network, repeat, title):
        which, data, end = places[title]
        if end is None:
            folder = folders(out, network, repeat)[1]
            return significance.read_measured(folder, spec)
        stem = _stem(out, network, repeat, spec.name, data, which, organs)
        file = stem.with_name(f"{stem.name}{end}")
        if end == MAPS:
            table = pd.read_csv(file, dtype={"image": str, "patient": str})
            label = title.removeprefix(f"{title_of(spec.name, which)}: maps, ")
            if label != ALL:
                table = table[table["class"].astype(str) == label]
                if table.empty:
                    return None
            return crossed_tests.of_values(table, interpretability.METRICS)
        return significance.read_measured(file, spec)

    return of_training


def _stem(out, name, repeat, task, data, which, organs):
    """What the files of one measurement begin with."""
    _, evaluation = folders(out, name, repeat)
    # Other data, organs, task or metrics are another measurement.
    header = storage.sha256(Path(data) / HEADER)
    key = json.dumps([header, organs, task, interpretability.METRICS])
    key = hashlib.sha256(key.encode()).hexdigest()[:8]
    return evaluation.parent / f"{evaluation.name}-{which or 'own'}-{key}"


def _measure(run, stem, data, which, task, organs):
    subject = Subject(run, data)
    title = title_of(task, which)
    rows = []
    if which:
        rows += _classified(run, data, stem, task, title)
    explainer = CAM(task)
    if organs:
        for organ in organ_names(organs):
            folder = stem.with_name(f"{stem.name}-{organ}-alone")
            rows += _classified(
                run, data, folder, task, f"{title}: {organ} alone", organ
            )
        table = interpretability.interpretability_table(
            subject.network, subject.seen, explainer, organs
        )
        storage.write_csv(stem.with_name(f"{stem.name}{MAPS}"), table)
        means = interpretability.interpretability_summary(table, resamples=1)
        rows += [
            (f"{title}: maps, {row['class']}", row["metric"], row["value"])
            for row in means.to_dict("records")
        ]
    known = np.flatnonzero(subject.dataset.labelled(task))
    shown = subject.seen.subset(evenly(known, FAITHFUL_IMAGES))
    table = faithfulness.faithfulness_table(subject.network, shown, explainer)
    means = faithfulness.faithfulness_summary(table, resamples=1)
    rows += [
        (f"{title}: faithfulness", row["metric"], row["value"])
        for row in means[means["class"] == "all"].to_dict("records")
    ]
    return rows


def _classified(run, data, folder, task, title, organ=None):
    if not folder.exists():
        evaluate_run(
            run,
            data,
            folder,
            blank_outside=organ,
            bootstrap=BOOTSTRAP,
        )
    entry = storage.read_json(folder / "metrics.json", "metrics")[task]
    return [
        (title, metric, value)
        for metric, value in entry.items()
        if isinstance(value, (int, float))
    ]
