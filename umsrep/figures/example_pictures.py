"""Pictures of an evaluation: what went worst, middling and best."""

from pathlib import Path

import numpy as np
import pandas as pd

from umsrep.data.images import write_png
from umsrep.derived import GradCAM
from umsrep.figures import overlays

WORST, MEDIAN, BEST = 10, 2, 2
# Grad-CAM pictures per task: the surest right and the surest wrong.
RIGHT, WRONG = 4, 4
# Kind of task: the column that ranks its images, its name, what is drawn.
RANKED = {
    "mask": ("dice", "Dice", "blue reference, orange predicted"),
    "map": ("cc", "CC", "left reference, right predicted"),
}


def write(folder, dataset, seen, network, table, outputs, specs):
    """Writes the pictures of every task.

    Args:
        folder: The evaluation folder.
        dataset, seen: The images as they are and as the network gets them.
        network: The model, or the separate models.
        table, outputs, specs: As of `predict`.

    Returns:
        The entries of pictures.json.
    """
    entries = []
    for spec in specs:
        if spec.kind in RANKED:
            entries += _ranked(folder, dataset, table, outputs, spec)
        else:
            entries += _heat_pictures(folder, seen, network, table, spec)
    return entries


def _ranked(folder, dataset, table, outputs, spec):
    """Masks or maps: the worst, some of the middle, and the best."""
    column, heading, colours = RANKED[spec.kind]
    scores = table[f"{spec.name}_{column}"].dropna().sort_values()
    middle = len(scores) // 2
    groups = {
        "worst": scores.index[:WORST],
        "median": scores.index[middle : middle + MEDIAN],
        "best": scores.index[::-1][:BEST],
    }
    entries, done = [], set()
    for kind, chosen in groups.items():
        for index in chosen:
            if index in done:
                continue
            done.add(index)
            image = table["image"][index]
            file = f"pictures/{spec.name}-{Path(image).stem}.png"
            picture = _overlay(dataset, index, spec, outputs[spec.name][index])
            write_png(folder / file, picture)
            entries.append(
                {
                    "kind": spec.kind,
                    "task": spec.name,
                    "image": image,
                    "file": file,
                    "caption": (
                        f"{kind}: {heading} {scores[index]:.3f} ({colours})"
                    ),
                    "score": float(scores[index]),
                }
            )
    return entries


def _overlay(dataset, index, spec, output):
    image = dataset.image(index)
    if spec.kind == "map":
        return overlays.map_pair(image, dataset.map(spec.name, index), output)
    reference = dataset.mask(spec.name, index) > 0
    return overlays.mask_overlay(image, reference, output > 0.5)


def _heat_pictures(folder, dataset, network, table, spec):
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
    channels = network.representation.image_shape[-1]
    images = np.repeat(shown.images, channels, axis=-1)
    model = getattr(network, "models", None)
    model = network.view(spec.name) if model else network
    classes = [spec.classes.index(predicted[index]) for index in chosen]
    heats = GradCAM(spec.name)(model, images, classes)
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
