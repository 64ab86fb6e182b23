"""Construction of a shared representation by denoising (UMS-Rep, stage 1)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from umsrep import data as data_package
from umsrep import heads
from umsrep.data import Dataset, storage
from umsrep.data.batches import ahead
from umsrep.data.corruption import Corruption
from umsrep.data.images import write_png
from umsrep.metrics import image_quality
from umsrep.model import MultiTaskModel
from umsrep.stages.first_stage import Objective, learn, registry
from umsrep.stages.network import new_representation
from umsrep.stages.settings import PretrainSettings
from umsrep.training import Group, Lane, Schedule, train

__all__ = ["Denoising", "PretrainSettings", "new_denoiser", "pretrain"]
TASK = "denoised"


def corruption() -> data_package.RandomChoice:
    """The training noise: Gaussian or Poisson, drawn for each image."""
    return data_package.RandomChoice(
        [
            data_package.GaussianNoise((5.0, 50.0)),
            data_package.PoissonNoise((30.0, 300.0)),
        ],
        weights=[0.7, 0.3],
    )


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


@registry.register("pretrain")
class Denoising(Objective):
    """Clean images from noisy ones; no label is used.

    Args:
        settings: `PretrainSettings`.
    """

    task = TASK
    by_level = True

    def spec(self, data: Dataset) -> dict[str, Any]:
        return {"kind": "image"}

    def new_model(self, data: Dataset) -> MultiTaskModel:
        return new_denoiser(data.image_size, self.settings)

    def train(
        self,
        model: MultiTaskModel,
        training: Dataset,
        validation: Dataset,
        checkpoint: Path,
        progress: bool,
    ) -> tuple[pd.DataFrame, Group]:
        settings = self.settings
        group = _group(model, training, validation, settings)
        history = train(
            [group],
            settings.epochs,
            checkpoint,
            title="pretrain",
            progress=progress,
        )
        return history, group

    def measure(
        self, model: MultiTaskModel, test: Dataset, folder: Path
    ) -> dict[str, Any]:
        metrics = denoising_metrics(model, test, seed=self.settings.seed)
        save_triplets(model, test, folder / "samples", self.settings.seed)
        return metrics

    def entries(self) -> dict[str, Any]:
        return {"corruption": corruption().get_config()}


def new_denoiser(
    image_size: tuple[int, int], settings: PretrainSettings
) -> MultiTaskModel:
    """The representation with its reconstruction head.

    Where the representation has no decoder, the head brings one that reads
    the bottleneck alone, as the paper's autoencoder has no skips.
    """
    representation = new_representation(
        image_size, settings.architecture, settings.arguments
    )
    decoded = "decoded" in representation.features
    head = heads.ReconstructionHead(
        TASK,
        channels=representation.image_shape[-1],
        features=("decoded" if decoded else "bottleneck", "intensity"),
    )
    return MultiTaskModel(representation, [head], name="denoiser")


def _group(model, training, validation, settings):
    model.compile(optimizer="rmsprop", jit_compile=model.jit(settings.xla))
    channels = model.representation.image_shape[-1]
    options = {
        "batch_size": settings.batch_size,
        "corruption": corruption(),
        "reconstruction": TASK,
        "seed": settings.seed,
        "channels": channels,
    }
    lane = Lane(
        TASK,
        model,
        training.batches(shuffle=True, **options),
        validation.batches(**options),
    )
    schedule = Schedule(
        settings.learning_rate,
        decay="plateau",
        patience=settings.patience,
        stop_patience=settings.stop_patience,
    )
    return Group([lane], schedule)


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
    measures = {
        "psnr": image_quality.psnr,
        "ssim": image_quality.ssim,
        "ms_ssim": image_quality.ms_ssim,
    }
    result = {}
    channels = model.representation.image_shape[-1]
    for level, noise in levels.items():
        values = {}
        batches = test.batches(
            32, corruption=noise, seed=seed, channels=channels
        )
        for noisy, targets, _ in ahead(batches):
            denoised = model.predict_on_batch(noisy)[TASK]
            # Grey images: one channel tells all.
            clean = targets[TASK][..., :1]
            pairs = {
                "": np.clip(np.asarray(denoised)[..., :1], 0, 1),
                "noisy_": noisy[..., :1] / 255.0,
            }
            for prefix, images in pairs.items():
                for name, measure in measures.items():
                    values.setdefault(prefix + name, []).append(
                        np.atleast_1d(measure(clean, images))
                    )
        result[level] = {
            name: float(np.mean(np.concatenate(parts)))
            for name, parts in values.items()
        }
    return result


def save_triplets(
    model: MultiTaskModel,
    test: Dataset,
    folder: Path,
    seed: int = 0,
    count: int = 3,
) -> None:
    """Writes noisy, denoised and clean pictures for the report."""
    entries = []
    levels = {
        name: data_package.TABLE_2_LEVELS[name]
        for name in ("gaussian_10", "gaussian_25", "gaussian_50", "poisson")
    }
    channels = model.representation.image_shape[-1]
    chosen = np.linspace(0, len(test) - 1, min(count, len(test))).astype(int)
    few = test.subset(np.unique(chosen))
    for level, noise in levels.items():
        batch = few.batches(
            len(few), corruption=noise, seed=seed, channels=channels
        )[0]
        noisy, targets, _ = batch
        denoised = np.asarray(model.predict_on_batch(noisy)[TASK]) * 255.0
        triples = zip(noisy, denoised, targets[TASK] * 255.0, strict=True)
        for number, triple in enumerate(triples):
            entry = {"noise": level}
            for kind, picture in zip(
                ("noisy", "denoised", "clean"), triple, strict=True
            ):
                name = f"triplet_{level}_{number}_{kind}.png"
                grey = np.clip(picture[..., 0], 0, 255).round()
                write_png(folder / name, grey.astype(np.uint8))
                entry[kind] = name
            entries.append(entry)
    storage.write_json(folder / "samples.json", entries)
