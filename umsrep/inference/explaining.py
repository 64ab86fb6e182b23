"""`explain`: overlays of explanations for image files."""

from pathlib import Path

import numpy as np
import pandas as pd

from umsrep.data import images as image_files
from umsrep.data import storage
from umsrep.errors import UmsrepError
from umsrep.figures import overlays
from umsrep.inference.run_predictor import RunPredictor
from umsrep.progress import Progress

BATCH_SIZE = 8


def explain(run_folder, task, files, out, target=None, method=None):
    """Writes an overlay per image and explanations.csv.

    Args:
        run_folder: A run of `finetune`.
        task: One of its classification tasks.
        files: Image files of any size.
        out: The folder to write.
        target: Name of the class to explain; None is the winning one.
        method: Registered name of an explainer: "grad_cam",
            "grad_cam_plus_plus", "cam" (needs a head of pooled maps) or
            "occlusion" (slow); None is the head's own (`Head.explainer`).

    Returns:
        A data frame: image, predicted, probability, explained, overlay.
    """
    # Without the other tasks' parts.
    predictor = RunPredictor(run_folder, [task])
    predictor.check_explainable(task, method)
    classes = predictor.specs[task].classes
    if target is not None and target not in classes:
        raise UmsrepError(
            f"--target {target}: task '{task}' has the classes "
            f"{', '.join(classes)}."
        )
    stems = [Path(file).stem for file in files]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise UmsrepError(
            f"Two images are named '{twice[0]}', so their overlays would "
            "overwrite each other. Explain them in two calls."
        )
    rows = []
    with (
        storage.new_folder(out) as folder,
        Progress("explain", len(files)) as bar,
    ):
        for start in range(0, len(files), BATCH_SIZE):
            chosen = files[start : start + BATCH_SIZE]
            pictures = [image_files.read_grey(file) for file in chosen]
            probabilities = predictor(pictures)[task]
            predicted = predictor.decide(task, probabilities)
            explained = (
                predicted
                if target is None
                else np.full(len(chosen), classes.index(target))
            )
            heats = predictor.explain(pictures, task, explained, method)
            for i, file in enumerate(chosen):
                name = f"{Path(file).stem}.png"
                image_files.write_png(
                    folder / name, overlays.heat_overlay(pictures[i], heats[i])
                )
                rows.append(
                    {
                        "image": str(file),
                        "predicted": classes[predicted[i]],
                        "probability": round(
                            float(probabilities[i, predicted[i]]), 4
                        ),
                        "explained": classes[explained[i]],
                        "overlay": name,
                    }
                )
            bar.advance(len(chosen))
        table = pd.DataFrame(rows)
        table.to_csv(folder / "explanations.csv", index=False)
    return table
