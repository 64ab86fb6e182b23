"""Pictures of an evaluation: what went worst, middling and best."""

from pathlib import Path

import numpy as np
import pandas as pd

from umsrep import tasks
from umsrep.data.images import write_png
from umsrep.figures import overlays
from umsrep.metrics import catalogue

WORST, MEDIAN, BEST = 10, 2, 2
# Grad-CAM pictures per task: the surest right and the surest wrong.
RIGHT, WRONG = 4, 4
# What is drawn of a result, by `TaskKind.picture`, and what it shows.
COLOURS = {
    "outlines": "blue reference, orange predicted",
    "heat": "left reference, right predicted",
}


def write_examples(folder, dataset, seen, explain, table, outputs, specs):
    """Writes the pictures of every task.

    Args:
        folder: The evaluation folder.
        dataset, seen: The images as they are and as the network gets them.
        explain: Called with (task, rows, classes), as `Subject.explain`.
        table, outputs, specs: As in `predict`.

    Returns:
        The entries of pictures.json.
    """
    entries = []
    for spec in specs:
        style = tasks.get(spec.kind).picture
        if style == "explanation":
            entries += _heat_pictures(folder, seen, explain, table, spec)
        elif style is not None:
            entries += _ranked(folder, dataset, table, outputs, spec)
    return entries


def _ranked(folder, dataset, table, outputs, spec):
    """The worst, some of the middle, and the best images of a task."""
    kind = tasks.of(spec)
    metric = catalogue.metric(kind.ranked_by)
    scores = table[f"{spec.name}_{metric.name}"].dropna()
    scores = scores.sort_values(ascending=not metric.lower_is_better)
    middle = len(scores) // 2
    groups = {
        "worst": scores.index[:WORST],
        "median": scores.index[middle : middle + MEDIAN],
        "best": scores.index[::-1][:BEST],
    }
    entries, done = [], set()
    for group, chosen in groups.items():
        for index in chosen:
            if index in done:
                continue
            done.add(index)
            image = table["image"][index]
            file = f"pictures/{spec.name}-{Path(image).stem}.png"
            picture, shown = _drawn(
                kind, dataset, index, outputs[spec.name][index]
            )
            write_png(folder / file, picture)
            entries.append(
                {
                    "kind": spec.kind,
                    "task": spec.name,
                    "image": image,
                    "file": file,
                    "caption": (
                        f"{group}: {metric.heading} {scores[index]:.3f} "
                        f"({shown})"
                    ),
                    "score": float(scores[index]),
                }
            )
    return entries


def _drawn(kind, dataset, index, output):
    """An image with its result and reference, and what it shows in words."""
    image = dataset.image(index)
    true = dataset.target(kind.spec.name, index)
    if kind.picture == "heat":
        picture = overlays.map_pair(image, true, output)
    elif kind.picture == "outlines":
        picture = overlays.mask_overlay(
            image, true > 0, output > kind.threshold
        )
    else:
        unit = f" {kind.spec.unit}" if kind.spec.unit else ""
        predicted = np.asarray(output).item()
        return image, f"{true:.4g} is taken for {predicted:.4g}{unit}"
    return picture, COLOURS[kind.picture]


def _heat_pictures(folder, dataset, explain, table, spec):
    true = table.get(f"{spec.name}_true")
    predicted = table[f"{spec.name}_pred"]
    sure = table[[f"{spec.name}_p_{c}" for c in spec.classes]].max(axis=1)
    known = true.notna() if true is not None else pd.Series(False, table.index)
    right = sure[known & (true == predicted)].sort_values(ascending=False)
    wrong = sure[known & (true != predicted)].sort_values(ascending=False)
    # The surest of each class: one class alone would hide the other.
    chosen = list(wrong.index[:WRONG])
    for label in spec.classes:
        of_class = right[predicted[right.index] == label]
        chosen += list(of_class.index[: -(-RIGHT // len(spec.classes))])
    if not chosen:
        return []
    shown = dataset.subset(np.array(chosen))
    classes = [spec.classes.index(predicted[index]) for index in chosen]
    heats = explain(spec.name, np.array(chosen), classes)
    entries = []
    for position, (index, heat) in enumerate(zip(chosen, heats, strict=True)):
        image, label = table["image"][index], predicted[index]
        file = f"pictures/{spec.name}-{Path(image).stem}.png"
        write_png(
            folder / file, overlays.heat_overlay(shown.image(position), heat)
        )
        caption = f"right: {label}"
        if true[index] != label:
            caption = f"wrong: {true[index]} taken for {label}"
        entries.append(
            {
                "kind": "gradcam",
                "task": spec.name,
                "image": image,
                "file": file,
                "caption": f"{caption}, p = {sure[index]:.2f}",
                "score": float(sure[index]),
            }
        )
    return entries
