"""The networks of a run: loading them, and what images go through first."""

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from umsrep import precision
from umsrep.errors import UmsrepError
from umsrep.finetuning.separate import SeparateModels
from umsrep.representations import Focused
from umsrep.runs.folder import Run


def load_model(
    path: str | Path, number_format: str | None = None
) -> keras.Model:
    """Loads a .keras file in safe mode: no code from it is executed.

    Args:
        path: The file.
        number_format: As of `precision.use`: what its layers compute in; None
            is what is set.
    """
    if not Path(path).exists():
        raise UmsrepError(
            f"{path} does not exist. The run folder is damaged; train again."
        )
    try:
        with precision.using(number_format):
            return keras.saving.load_model(path, safe_mode=True)
    except Exception as error:  # Keras raises many kinds; all mean the same.
        raise UmsrepError(
            f"{path} cannot be loaded as a model "
            f"({type(error).__name__}: {str(error).strip()[:160]}). It is "
            "damaged, or was made by another version of umsrep or Keras; "
            "train again, or use the versions named in run.json."
        ) from error


def network_of(run: Run) -> keras.Model | SeparateModels:
    """The model of all tasks, or the separate models behind one interface."""
    if run.info["strategy"] == "separate":
        return SeparateModels([run.model(task) for task in run.tasks])
    return run.model()


def without_mask(
    network: keras.Model | SeparateModels, outputs: Mapping[str, ArrayLike]
) -> NDArray[np.bool_] | None:
    """Which images were seen whole: no mask to focus by was found.

    Args:
        network: As of `network_of`.
        outputs: {task: (n, height, width)} of its predictions, the mask's
            among them.

    Returns:
        (n,) bool; None of a network without a focus.
    """
    for model in getattr(network, "models", [network]):
        if isinstance(model.representation, Focused):
            task = model.representation.task
            masks = np.asarray(outputs[task])
            rule = model.representation.focus.focusing
            return np.array(
                [rule.failed((m > 0.5).astype(np.uint8)) for m in masks], bool
            )
    return None


def denoise_images(model: keras.Model, images: ArrayLike) -> NDArray[np.uint8]:
    """(n, height, width, 1) grey images, denoised, uint8."""
    channels = model.representation.image_shape[-1]
    images = np.repeat(np.asarray(images, np.float32), channels, axis=-1)
    clean = np.asarray(model.predict_on_batch(images)["denoised"])[..., :1]
    return np.clip(clean * 255, 0, 255).round().astype(np.uint8)
