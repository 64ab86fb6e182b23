"""GG-CAM's tables and figures, from prepared data to files."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd

from umsrep import data as data_package
from umsrep import figures
from umsrep.data import storage
from umsrep.data.prepared import HEADER
from umsrep.derived import CAM
from umsrep.errors import UmsrepError
from umsrep.evaluation import faithfulness, interpretability
from umsrep.evaluation.subject import Subject
from umsrep.experiments import repeats as repeated
from umsrep.experiments import tables as results
from umsrep.recipes import gg_cam
from umsrep.stages.evaluation import evaluate_run

PICTURES = 6
# Deletion and insertion run the network some 80 times per image.
FAITHFUL_IMAGES = 48
INTERPRETABILITY = {
    "peak_in_mask": "peak in organ ↑",
    "peak_in_mask_chance": "by chance",
    "peak_in_mask_mean_map": "by the mean map of other images",
    "peak_near_mask": "peak within a cell ↑",
    "peak_near_mask_chance": "by chance (within a cell)",
    "energy_in_mask": "energy in organ ↑",
    "mask_share": "by chance: the organ's share",
    "energy_in_mask_mean_map": "energy of the mean map of other images",
}
FAITHFULNESS = {
    "deletion": "deletion ↓",
    "insertion": "insertion ↑",
    "deletion_random": "deletion, random order",
    "insertion_random": "insertion, random order",
}


def run(
    data,
    out,
    settings,
    backbones=("resnet-small",),
    attention="gaze",
    organs=None,
    task=None,
    external=None,
    repeats=5,
    seed=0,
    say=print,
):
    """Trains, evaluates, and writes tables and figures.

    Args:
        data: A prepared data set with a label task.
        out: Folder; interrupted work goes on where it was.
        settings: `FinetuneSettings`, such as `gg_cam.SMALL`.
        backbones: Names of `gg_cam.BACKBONES`.
        attention: A map or mask task, or {class: map or mask task}.
        organs: Where maps should point: a mask task, or {class: mask task}.
            Each is also what everything outside of is blanked. None leaves
            both out.
        task: The label task; None is the only one.
        external: Another prepared data set with the same tasks, tested on as
            well.
        repeats, seed: As of `repeats.run_repeats`.
        say: Called with a line per step.

    Returns:
        {title: data frame in the paper's layout}.
    """
    out = Path(out)
    dataset = data_package.load(data)
    task = _label_task(dataset, task)
    candidates = gg_cam.candidates(task, settings, backbones, attention)
    _check(dataset, task, attention, organs, external)
    frame = repeated.run_repeats(data, candidates, out, repeats, seed, say)
    names = [one.name for one in candidates]
    sets = {"": data} | ({"external": external} if external else {})
    parts = [frame]
    for which, place in sets.items():
        say(f"maps and controls: {place}")
        for name in names:
            for repeat in range(repeats):
                parts.append(
                    _row_of_run(out, name, repeat, task, place, which, organs)
                )
        if organs:
            _side_by_side(out, names, task, place, which, organs)
    frame = pd.concat(parts, ignore_index=True)
    storage.write_csv(out / "repeats.csv", frame)
    tables = _tables(frame, dataset.task(task), names, sets, organs)
    results.write("GG-CAM", out, tables, data, settings, repeats, seed)
    return tables


def _check(dataset, task, attention, organs, external):
    """A wrong name is found before hours of training."""
    dataset.with_attention("attention", task, attention, (1, 1))
    sides = [dataset]
    if external is not None:
        sides.append(data_package.load(external))
    for side in sides:
        if side.image_size != dataset.image_size:
            raise UmsrepError(
                f"'{side.name}' has images of {side.image_size}, but "
                f"'{dataset.name}' of {dataset.image_size}. Prepare both at "
                "one --size."
            )
        if side.task(task) != dataset.task(task):
            raise UmsrepError(
                f"Task '{task}' has other classes in '{side.name}' than in "
                f"'{dataset.name}'. Rename one of them."
            )
        if organs:
            # The same rules as of what supervises: classes and mask tasks.
            side.with_attention("organ", task, organs, (1, 1))
            for organ in dict.fromkeys(_organ_names(organs)):
                if side.task(organ).kind != "mask":
                    raise UmsrepError(
                        f"Organ '{organ}' is a {side.task(organ).kind} task "
                        f"of '{side.name}'. Name a mask task."
                    )


def _label_task(dataset, task):
    labels = [n for n, t in dataset.tasks.items() if t.kind == "label"]
    if task is None and len(labels) != 1:
        raise UmsrepError(
            f"Data set '{dataset.name}' has the label tasks {labels}. Name "
            "one with --task."
        )
    return task or labels[0]


def _row_of_run(out, name, repeat, task, data, which, organs):
    """Metrics of one run beyond its evaluation; kept, so done once."""
    run, evaluation = repeated.folders(out, name, repeat)
    # Other data, organs or task are another measurement.
    key = json.dumps([storage.sha256(Path(data) / HEADER), organs, task])
    key = hashlib.sha256(key.encode()).hexdigest()[:8]
    stem = evaluation.parent / f"{evaluation.name}-{which or 'own'}-{key}"
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


def _measure(run, stem, data, which, task, organs):
    subject = Subject(run, data)
    title = _title(task, which)
    rows = []
    if which:
        rows += _classified(run, data, stem, task, title)
    explainer = CAM(task)
    if organs:
        for organ in dict.fromkeys(_organ_names(organs)):
            folder = stem.with_name(f"{stem.name}-{organ}-alone")
            rows += _classified(
                run, data, folder, task, f"{title}: {organ} alone", organ
            )
        table = interpretability.interpretability_table(
            subject.network, subject.seen, explainer, organs
        )
        means = interpretability.interpretability_summary(table, resamples=1)
        rows += [
            (f"{title}: maps, {row['class']}", row["metric"], row["value"])
            for row in means.to_dict("records")
        ]
    known = np.flatnonzero(subject.dataset.labelled(task))
    shown = subject.seen.subset(results.evenly(known, FAITHFUL_IMAGES))
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
            bootstrap=repeated.BOOTSTRAP,
        )
    entry = storage.read_json(folder / "metrics.json", "metrics")[task]
    return [
        (title, metric, value)
        for metric, value in entry.items()
        if isinstance(value, (int, float))
    ]


def _organ_names(organs):
    return [organs] if isinstance(organs, str) else list(organs.values())


def _title(task, which):
    return f"{task} ({which})" if which else task


def _side_by_side(out, names, task, data, which, organs):
    """The same test images through every network's first repeat."""
    columns = {}
    for name in names:
        folder, _ = repeated.folders(out, name, 0)
        subject = Subject(folder, data)
        if not columns:
            chosen = _cases(subject.dataset, task, organs)
            shown = subject.seen.subset(chosen)
            labels = shown.labels(task)
            spec = shown.task(task)
            columns["organ"] = [
                shown.mask(_organ(organs, spec.classes[label]), index)
                for index, label in enumerate(labels)
            ]
        model = subject.network.view(task)
        channels = model.representation.image_shape[-1]
        images = np.repeat(shown.images.astype(np.float32), channels, -1)
        columns[name] = CAM(task)(model, images, labels)
    suffix = f"-{which}" if which else ""
    pictures = {
        title: figures.heat_overlays(shown, maps)
        for title, maps in columns.items()
    }
    captions = [spec.classes[label] for label in labels]
    figures.save(figures.panels(pictures, captions), out / f"maps{suffix}.png")


def _organ(organs, label):
    return organs if isinstance(organs, str) else organs.get(label)


def _cases(dataset, task, organs):
    """Positions of some images with a label and its organ's mask."""
    spec, labels = dataset.task(task), dataset.labels(task)
    known = [
        index
        for index in np.flatnonzero(labels >= 0)
        if (organ := _organ(organs, spec.classes[labels[index]]))
        and dataset.mask(organ, index) is not None
    ]
    return results.evenly(known, PICTURES)


def _tables(frame, spec, names, sets, organs):
    table = repeated.median_and_spread(frame)
    metrics = {"accuracy": "ACC ↑", "auc": "AUC ↑"}
    if len(spec.classes) > 2:
        metrics |= {f"auc_{name}": f"AUC-{name} ↑" for name in spec.classes}
    else:
        metrics |= {
            "sensitivity": "sensitivity ↑",
            "specificity": "specificity ↑",
        }
    tables, compared = {}, []
    for which in sets:
        title = _title(spec.name, which)
        places = [title]
        if organs:
            places += [
                f"{title}: {organ} alone"
                for organ in dict.fromkeys(_organ_names(organs))
            ]
        for place in places:
            tables[f"Classification, {place}"] = repeated.layout(
                table, place, metrics, names
            )
            compared.append((place, "auc"))
        if organs:
            own = organs if isinstance(organs, dict) else spec.classes
            for label in ["all", *own]:
                place = f"{title}: maps, {label}"
                tables[f"Maps, {place}"] = repeated.layout(
                    table, place, INTERPRETABILITY, names
                )
            compared.append((f"{title}: maps, all", "peak_in_mask"))
            compared.append((f"{title}: maps, all", "energy_in_mask"))
        place = f"{title}: faithfulness"
        tables[f"Deletion and insertion, {title}"] = repeated.layout(
            table, place, FAITHFULNESS, names
        )
    tables["Cost"] = results.cost(table, names)
    pairs = list(zip(names[1::2], names[::2], strict=True))
    tests = repeated.compare(frame, pairs, compared)
    if len(tests):
        tables["Mann-Whitney over repeats"] = tests.round(4)
    return {name: one for name, one in tables.items() if one.size}
