"""What objectives that reconstruct an image have in common."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep import heads
from umsrep.data import Dataset, storage
from umsrep.data.batches import ahead
from umsrep.data.corruption import Corruption
from umsrep.data.images import write_png
from umsrep.metrics import image_quality
from umsrep.model import MultiTaskModel
from umsrep.representations import Representation
from umsrep.stages.first_stage import Objective
from umsrep.training import Group, Lane

MEASURES: dict[str, Callable] = {
    "psnr": image_quality.psnr,
    "ssim": image_quality.ssim,
    "ms_ssim": image_quality.ms_ssim,
}


class Reconstruction(Objective):
    """The image from what a corruption leaves of it; no label is used.

    A subclass names the task (`tasks`), what the network sees in training
    (`corruption`) and what is measured and pictured (`levels`). What the
    encoder must carry depends on the decoder: with skip connections, fine
    stages hand the image on and the bottleneck may stay empty. With
    `closed_skips` (or a network without a decoder) the image comes from the
    bottleneck alone.

    Args:
        settings: A `PretrainSettings` or one derived from it.
    """

    by_level = True

    def corruption(self, model: MultiTaskModel) -> Corruption:
        """What training and validation images go through."""
        raise NotImplementedError

    def levels(self, model: MultiTaskModel) -> Mapping[str, Corruption]:
        """{name: corruption} of what is measured on test images."""
        raise NotImplementedError

    def pictured(self, model: MultiTaskModel) -> Mapping[str, Corruption]:
        """Those of the levels that pictures are kept of."""
        return self.levels(model)

    def loss(self) -> keras.losses.Loss | None:
        """The loss; None is the squared error of all pixels."""
        return None

    def spec(self, data: Dataset, task: str) -> dict[str, Any]:
        return {"kind": "image"}

    def new_model(self, data: Dataset) -> MultiTaskModel:
        """The representation with its reconstruction head.

        Where the representation has no decoder, or skips are closed, the head
        brings one that reads the bottleneck alone, as the autoencoder of
        UMS-Rep has no skips.
        """
        return reconstructing(
            self.representation(data),
            self.task,
            bool(self.settings.closed_skips),
            self.loss(),
        )

    def train(
        self,
        model: MultiTaskModel,
        training: Dataset,
        validation: Dataset,
        **loop: Any,
    ) -> tuple[pd.DataFrame, Group]:
        settings = self.settings
        model.compile(optimizer="rmsprop", jit_compile=model.jit(settings.xla))
        options = {
            "batch_size": settings.batch_size,
            "corruption": self.corruption(model),
            "reconstruction": self.task,
            "seed": settings.seed,
            "channels": model.representation.image_shape[-1],
        }
        lane = Lane(
            self.task,
            model,
            training.batches(shuffle=True, **options),
            validation.batches(**options),
        )
        return self.run(lane, loop)

    def measure(
        self, model: MultiTaskModel, test: Dataset, folder: Path
    ) -> dict[str, Any]:
        seed = self.settings.seed
        metrics = reconstruction_metrics(
            model, self.task, test, self.levels(model), seed
        )
        save_triplets(
            model, self.task, test, folder / "samples", self.pictured(model),
            seed,
        )  # fmt: skip
        return {self.task: metrics}

    def entries(self, model: MultiTaskModel) -> dict[str, Any]:
        return {"corruption": self.corruption(model).get_config()}


def reconstructing(
    representation: Representation,
    task: str,
    closed: bool = False,
    loss: keras.losses.Loss | None = None,
) -> MultiTaskModel:
    """A `MultiTaskModel` of a reconstruction head.

    Args:
        representation: The representation.
        task: Name of the head.
        closed: Whether it reads the bottleneck alone, although the
            representation has a decoder.
        loss: The head's loss, or None for its default.
    """
    decoded = "decoded" in representation.features and not closed
    head = heads.ReconstructionHead(
        task,
        channels=representation.image_shape[-1],
        features=("decoded" if decoded else "bottleneck", "intensity"),
        loss=loss,
    )
    return MultiTaskModel(representation, [head], name="denoiser")


def reconstruction_metrics(
    model: MultiTaskModel,
    task: str,
    test: Dataset,
    levels: Mapping[str, Corruption],
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """PSNR (dB), SSIM and MS-SSIM of what a model makes of corrupted images.

    Where a corruption leaves pixels that are not learnt (`Corruption.learnt`),
    these are taken from the image itself.

    Args:
        model: A model with the task.
        task: Name of its reconstruction head.
        test: A `data.Dataset`.
        levels: {name: corruption}.
        seed: Seed of the corruptions.

    Returns:
        {level: {metric: mean over images, noisy_<metric>: of the input}}.
    """
    result = {}
    for level, corruption in levels.items():
        values: dict[str, list[NDArray]] = {}
        batches = _corrupted(model, task, test, corruption, seed)
        for noisy, restored, clean in batches:
            # Grey images: one channel tells all.
            pairs = {"": restored, "noisy_": noisy}
            for prefix, images in pairs.items():
                for name, measure in MEASURES.items():
                    values.setdefault(prefix + name, []).append(
                        np.atleast_1d(measure(clean, images))
                    )
        result[level] = {
            name: float(np.mean(np.concatenate(parts)))
            for name, parts in values.items()
        }
    return result


def _corrupted(model, task, dataset, corruption, seed, batch_size=32):
    """(corrupted, restored, clean) images of batches, all in [0, 1]."""
    batches = dataset.batches(
        batch_size,
        corruption=corruption,
        reconstruction=task,
        seed=seed,
        channels=model.representation.image_shape[-1],
    )
    for images, targets, _ in ahead(batches):
        noisy = images[..., :1] / 255.0
        restored = np.asarray(model.predict_on_batch(images)[task])[..., :1]
        restored = np.clip(restored, 0, 1)
        clean = targets[task][..., :1]
        if (clean < 0).any():
            known = clean < 0
            clean = np.where(known, noisy, clean)
            restored = np.where(known, noisy, restored)
        yield noisy, restored, clean


def save_triplets(
    model: MultiTaskModel,
    task: str,
    test: Dataset,
    folder: Path,
    levels: Mapping[str, Corruption],
    seed: int = 0,
    count: int = 3,
) -> None:
    """Writes corrupted, restored and clean pictures for the report.

    Args:
        model, task, test, levels, seed: As of `reconstruction_metrics`.
        folder: Folder of the pictures.
        count: Images of each level.
    """
    entries = []
    chosen = np.linspace(0, len(test) - 1, min(count, len(test))).astype(int)
    few = test.subset(np.unique(chosen))
    for level, corruption in levels.items():
        (batch,) = _corrupted(model, task, few, corruption, seed, len(few))
        for number, triple in enumerate(zip(*batch, strict=True)):
            entry = {"noise": level}
            for kind, picture in zip(
                ("noisy", "denoised", "clean"), triple, strict=True
            ):
                name = f"triplet_{level}_{number}_{kind}.png"
                grey = np.clip(picture[..., 0] * 255.0, 0, 255).round()
                write_png(folder / name, grey.astype(np.uint8))
                entry[kind] = name
            entries.append(entry)
    storage.write_json(folder / "samples.json", entries)
