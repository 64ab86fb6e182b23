"""Figures of GG-CAM: distributions and places of maps, and box plots."""

from pathlib import Path

import cv2
import numpy as np

from umsrep import figures
from umsrep.derived import CAM
from umsrep.evaluation import interpretability
from umsrep.evaluation.subject import Subject
from umsrep.experiments.pictures import write_maps
from umsrep.experiments.repeats import folders
from umsrep.experiments.tables import evenly

# Images of each class in the figure of maps.
PER_CLASS = 2
# Jet, the paper's, is not told apart by all readers.
COLOURS = cv2.COLORMAP_VIRIDIS


def write_cam_values(out, pairs, task, data):
    """Writes figure-2.svg: the values of maps without and with supervision.

    The elements of Omega (Equation 4) of all classes and test images, of each
    first repeat, before any sigmoid.

    Args:
        out: Folder of the experiment.
        pairs: [(network without, network with supervised maps)].
        task: The label task.
        data: The prepared data set that was trained on.
    """
    panels = {}
    for pair in pairs:
        panels[pair[0]] = {}
        for title, name in zip(("plain", "GG-CAM"), pair, strict=True):
            subject = Subject(folders(out, name, 0)[0], data)
            panels[pair[0]][title] = cam_values(subject, task)
    count = len(subject.dataset)
    classes = len(subject.dataset.task(task).classes)
    figure = figures.log_densities(
        panels,
        "element of the class activation maps",
        f"Every cell of the maps of all {classes} classes in n = {count} test "
        "images, first training of each network",
    )
    figures.save(figure, Path(out) / "figure-2.svg")


def cam_values(subject, task):
    """The maps as they are computed, of each class.

    Args:
        subject: A `Subject`: a run and the images.
        task: The label task.

    Returns:
        (classes, n, rows, columns) float32, not scaled.
    """
    images = interpretability.pictures(subject.network, subject.seen)
    explainer = CAM(task)
    return np.stack(
        [
            explainer.grids(
                subject.network, images, np.full(len(images), label)
            )
            for label in range(len(subject.dataset.task(task).classes))
        ]
    )


def write_box_plots(path, frame, names, compared, tests):
    """Writes the box plots of what is tested over repeats (Figure 3).

    Args:
        path: The file.
        frame: As returned by `repeats.run_repeats`.
        names: Names of the networks, in order.
        compared: {(task, metric): heading}.
        tests: As returned by `significance.mann_whitney`.
    """
    values, marks = {}, {}
    for (task, metric), heading in compared.items():
        part = frame[(frame["task"] == task) & (frame["metric"] == metric)]
        values[heading] = {
            name: part[part["network"] == name]["value"].to_numpy(float)
            for name in names
        }
        marks[heading] = [
            (row["a"], row["b"], p_text(row["p_anova"], row["p"]))
            for row in tests.to_dict("records")
            if (row["task"], row["metric"]) == (task, metric)
        ]
    repeats = frame.loc[frame["network"].isin(names), "repeat"].nunique()
    words = f"Points: trainings (n = {repeats} of each network). "
    if any(marks.values()):
        words += (
            "Boxes: quartiles and median; whiskers: extremes.\np of a one-way "
            "ANOVA and of the Mann-Whitney (rank) test, neither adjusted for "
            "the number of tests."
        )
    else:
        words += "Too few for a test, which takes 3 of each."
    figure = figures.box_plots(values, marks, words)
    if figure is not None:
        figures.save(figure, path)


def p_text(anova, rank):
    """Both p-values of a pair in two lines; a dash where one is undefined."""
    return f"ANOVA {_p(anova)}\nrank {_p(rank)}"


def _p(value):
    if np.isnan(value):
        return "–"
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def write_maps_beside(path, out, names, task, data, references):
    """Writes the maps of the true class beside what they should be like.

    GG-CAM's Table 3: the same test images through each first repeat, and the
    reader's gaze where that supervised.

    Args:
        path: The file.
        out: Folder of the experiment.
        names: Names of the candidates.
        task: The label task.
        data: The prepared data set that is tested on.
        references: A map or mask task, {class: map or mask task}, or None
            where the data set has none: then the maps stand alone.
    """
    columns = {}
    for name in names:
        subject = Subject(folders(out, name, 0)[0], data)
        if not columns:
            chosen = cases(subject.dataset, task, references)
            if not len(chosen):
                return
            shown = subject.seen.subset(chosen)
            labels = shown.labels(task)
            columns["image"] = [None] * len(shown)
            columns |= reference_column(shown, task, references)
        images = interpretability.pictures(subject.network, shown)
        columns[name] = CAM(task)(subject.network.view(task), images, labels)
    classes = shown.task(task).classes
    captions = [classes[label] for label in labels]
    words = "networks: evidence for the true class; colours: "
    write_maps(path, shown, columns, captions, COLOURS, words)


def reference_column(shown, task, references):
    """{title: maps} of what supervised, as of `figures.heat_overlays`.

    Args:
        shown: The images of the figure.
        task, references: As of `write_maps_beside`.
    """
    if references is None:
        return {}
    classes = shown.task(task).classes
    sources = [
        source_of(references, classes[label]) for label in shown.labels(task)
    ]
    title = " / ".join(dict.fromkeys(sources))
    if all(shown.task(source).kind == "map" for source in sources):
        title = "reader's gaze"
    return {
        title: [shown.target(source, i) for i, source in enumerate(sources)]
    }


def cases(dataset, task, references):
    """Positions of some images of each class, with its reference if any.

    Args:
        dataset: The test images.
        task, references: As of `write_maps_beside`.
    """
    labels, chosen = dataset.labels(task), []
    for number, label in enumerate(dataset.task(task).classes):
        source = references and source_of(references, label)
        if references and not source:
            continue
        known = labels == number
        if source:
            known &= dataset.labelled(source)
        chosen += list(evenly(np.flatnonzero(known), PER_CLASS))
    return np.array(chosen, int)


def source_of(references, label):
    """The map or mask task of a class, or None.

    Args:
        references: A task of all classes, or {class: task}.
        label: Name of a class.
    """
    return references if isinstance(references, str) else references.get(label)
