"""Construction of a shared representation by denoising (UMS-Rep, stage 1)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from umsrep import data as data_package
from umsrep.data import Dataset
from umsrep.data.corruption import Corruption
from umsrep.model import MultiTaskModel
from umsrep.stages.first_stage import learn
from umsrep.stages.network import new_representation
from umsrep.stages.objectives.denoising import TASK, Denoising, corruption
from umsrep.stages.objectives.reconstruction import (
    reconstructing,
    reconstruction_metrics,
)
from umsrep.stages.settings import PretrainSettings

__all__ = [
    "Denoising",
    "PretrainSettings",
    "corruption",
    "denoising_metrics",
    "new_denoiser",
    "pretrain",
]


def pretrain(
    data: Sequence[str | Path | Dataset],
    out: str | Path,
    settings: PretrainSettings | None = None,
    resume: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Trains a denoising autoencoder and writes a run folder.

    Args:
        data: Prepared folders, or `data.Dataset`s loaded from them; only
            the images are used.
        out: The run folder.
        settings: `PretrainSettings`.
        resume: Go on in an existing run folder.
        progress: Show a progress bar.

    Returns:
        {noise level: {metric: value}} on the test images (Table 2).
    """
    objective = Denoising(settings or PretrainSettings())
    return learn(objective, data, out, resume, progress)


def new_denoiser(
    image_size: tuple[int, int], settings: PretrainSettings
) -> MultiTaskModel:
    """The representation with its reconstruction head."""
    representation = new_representation(
        image_size, settings.architecture, settings.arguments
    )
    return reconstructing(representation, TASK, bool(settings.closed_skips))


def denoising_metrics(
    model: MultiTaskModel,
    test: Dataset,
    seed: int = 0,
    levels: Mapping[str, Corruption] | None = None,
) -> dict[str, dict[str, float]]:
    """PSNR (dB), SSIM and MS-SSIM per noise level (UMS-Rep, Table 2).

    The paper's noise levels are lost; `data.TABLE_2_LEVELS` are used.

    Args:
        model: A model with the task "denoised".
        test: A `data.Dataset`.
        seed: Seed of the noise.
        levels: {name: corruption}.

    Returns:
        {level: {metric: mean over images, noisy_<metric>: of the input}}.
    """
    levels = data_package.TABLE_2_LEVELS if levels is None else levels
    return reconstruction_metrics(model, TASK, test, levels, seed)
