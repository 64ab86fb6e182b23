"""`explain`: overlays of explanations for image files."""

from pathlib import Path

import numpy as np
import pandas as pd

from umsrep import runs
from umsrep.data import images as image_files
from umsrep.data import storage
from umsrep.data.frame import Frame
from umsrep.data.images import write_png
from umsrep.derived import Explainer, registry
from umsrep.errors import UmsrepError
from umsrep.evaluation import (
    calibration,
    overlays,
    predict,
    run_evaluation,
)
from umsrep.training.progress import Progress

BATCH_SIZE = 32


def explain(run_folder, task, files, out, target=None, method="grad_cam"):
    """Writes an overlay per image and explanations.csv.

    Args:
        run_folder: A run of `finetune`.
        task: One of its classification tasks.
        files: Image files, resized to the model's size.
        out: The folder to write.
        target: Name of the class to explain; None is the winning one.
        method: Registered name of an explainer: "grad_cam",
            "grad_cam_plus_plus", "cam" (needs a head of pooled maps) or
            "occlusion" (slow).

    Returns:
        A data frame: image, predicted, probability, explained, overlay.
    """
    run = runs.Run(run_folder)
    if task not in run.classes:
        raise UmsrepError(
            f"{run_folder} has no classification task '{task}'. Its "
            f"classification tasks: {', '.join(run.classes) or 'none'}."
        )
    classes = run.classes[task]
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
    # Without the other tasks' parts.
    model = run.model(task).view(task)
    explainer = _explainer(method)(task)
    fitted = run_evaluation.calibrations_of(run)[task]
    size = model.representation.image_shape[:2]
    fit = run.info["data"][0].get("fit", "stretch")
    rows = []
    with (
        storage.new_folder(out) as folder,
        Progress("explain", len(files)) as bar,
    ):
        for start in range(0, len(files), BATCH_SIZE):
            chosen = files[start : start + BATCH_SIZE]
            pictures = [_read(file, size, fit) for file in chosen]
            batch = np.stack(pictures).astype(np.float32)[..., None]
            if run.denoiser() is not None:
                batch = predict.denoise_images(run.denoiser(), batch)
                batch = batch.astype(np.float32)
            channels = model.representation.image_shape[-1]
            batch = np.repeat(batch, channels, axis=-1)
            outputs = np.asarray(model.predict_on_batch(batch)[task])
            calibrated, predicted = calibration.apply(outputs, fitted)
            explained = (
                predicted
                if target is None
                else np.full(len(chosen), classes.index(target))
            )
            heats = explainer(model, batch, explained)
            for i, file in enumerate(chosen):
                name = f"{Path(file).stem}.png"
                write_png(
                    folder / name, overlays.heat_overlay(pictures[i], heats[i])
                )
                rows.append(
                    {
                        "image": str(file),
                        "predicted": classes[predicted[i]],
                        "probability": round(
                            float(calibrated[i, predicted[i]]), 4
                        ),
                        "explained": classes[explained[i]],
                        "overlay": name,
                    }
                )
            bar.advance(len(chosen))
        table = pd.DataFrame(rows)
        table.to_csv(folder / "explanations.csv", index=False)
    return table


def _explainer(name):
    cls = registry.get(name)
    if not issubclass(cls, Explainer):
        names = [n for n, c in registry.items() if issubclass(c, Explainer)]
        raise UmsrepError(
            f"'{name}' is a derived task, but it explains no class. Choose "
            f"one of {', '.join(names)}."
        )
    return cls


def _read(file, size, fit):
    """A picture as the run's training pictures were made."""
    grey = image_files.read_grey(file)
    return Frame(grey.shape, tuple(size), fit).image(grey)
