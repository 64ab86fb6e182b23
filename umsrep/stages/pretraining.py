"""Construction of a shared representation by denoising (UMS-Rep, stage 1)."""

from dataclasses import dataclass

import numpy as np

from umsrep import data as data_package
from umsrep import heads, representations
from umsrep.data import storage
from umsrep.data.batches import ahead
from umsrep.data.images import write_png
from umsrep.metrics import image_quality
from umsrep.model import MultiTaskModel
from umsrep.stages import bounds
from umsrep.stages.first_stage import Objective, learn
from umsrep.training import Group, Lane, Schedule, train

TASK = "denoised"


@dataclass(frozen=True)
class PretrainSettings:
    """Settings of `pretrain`; the defaults are the paper's where it says.

    Attributes:
        preset, filters, skip_connections, normalization: Of
            `representations.ConvAutoencoder`; preset "paper" takes the grey
            image in three channels.
        epochs: At most; early stopping usually ends before.
        batch_size, learning_rate: 16 and 1e-3 (Section 4.1.1).
        patience: Epochs without a better validation loss before the rate
            falls.
        stop_patience: The same, before training stops.
        fractions: (train, validation, test) by patient, where the data set
            has no split of its own.
        seed: Of weights, split, order and noise.
        precision: "auto", "float32", "bfloat16" or "float16".
        xla: Compile with XLA; None is where it helps.
        distribution: "none", "mirrored" or "multi_worker": over which devices
            batches are divided, as of `distribution.use`.
    """

    preset: str = "small"
    filters: tuple | None = None
    skip_connections: bool | None = None
    normalization: str = "percentile"
    epochs: int = 50
    batch_size: int = 16
    learning_rate: float = 1e-3
    patience: int = 3
    stop_patience: int = 8
    fractions: tuple = (0.8, 0.1, 0.1)
    seed: int = 0
    precision: str = "auto"
    xla: bool | None = None
    distribution: str = "none"

    def __post_init__(self):
        bounds.check(self)


def corruption():
    """The training noise: Gaussian or Poisson, drawn for each image."""
    return data_package.RandomChoice(
        [
            data_package.GaussianNoise((5.0, 50.0)),
            data_package.PoissonNoise((30.0, 300.0)),
        ],
        weights=[0.7, 0.3],
    )


def pretrain(data, out, settings=None, resume=False, progress=True):
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


class Denoising(Objective):
    """Clean images from noisy ones; no label is used.

    Args:
        settings: `PretrainSettings`.
    """

    task = TASK

    def __init__(self, settings):
        self.settings = settings

    def spec(self, data):
        return {"kind": "image"}

    def new_model(self, data):
        return new_denoiser(data.image_size, self.settings)

    def train(self, model, training, validation, checkpoint, progress):
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

    def measure(self, model, test, folder):
        metrics = denoising_metrics(model, test, seed=self.settings.seed)
        save_triplets(model, test, folder / "samples", self.settings.seed)
        return metrics

    def entries(self):
        return {"corruption": corruption().get_config()}


def new_denoiser(image_size, settings):
    """The autoencoder with its reconstruction head."""
    channels = 3 if settings.preset == "paper" else 1
    representation = representations.ConvAutoencoder(
        (*image_size, channels),
        preset=settings.preset,
        filters=settings.filters,
        skip_connections=settings.skip_connections,
        normalization=settings.normalization,
    )
    head = heads.ReconstructionHead(TASK, channels=channels)
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


def denoising_metrics(model, test, seed=0, levels=None):
    """PSNR (dB), SSIM and MS-SSIM per noise level (UMS-Rep, Table 2).

    The paper's noise levels are lost; `data.TABLE_2_LEVELS` are used.

    Args:
        model: A model with the task "denoised".
        test: A `data.Dataset`.
        seed: Of the noise.
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


def save_triplets(model, test, folder, seed=0, count=3):
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
