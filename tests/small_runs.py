"""Two tiny runs: three tasks jointly and padded, and separate models."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from umsrep.data.gaze import Gaze
from umsrep.data.prepared import SourceDescription, TaskSpec
from umsrep.data.writer import PreparedWriter
from umsrep.heads import ReconstructionHead
from umsrep.model import MultiTaskModel
from umsrep.representations import ConvAutoencoder
from umsrep.stages import FinetuneSettings, finetune

CLASSES = ("low", "high")
IMAGES = 28
SETTINGS = FinetuneSettings(
    strategy="joint",
    architecture="unet",
    arguments={"width": 4, "depth": 3},
    epochs=12,
    batch_size=8,
    learning_rate=1e-2,
    augmentation=0,
    hidden_units=0,
    convolutions=(),
    dropout=0,
    precision="float32",
    fractions=(0.6, 0.2, 0.2),
)


def scene(rng, high, shape=(60, 40)):
    """An ellipse on a ramp, bright for "high", and its mask."""
    image = np.linspace(40, 90, shape[1])[None] + rng.normal(0, 6, shape)
    mask = np.zeros(shape, np.uint8)
    centre = (shape[1] // 2 + int(rng.integers(-4, 5)), shape[0] // 2)
    axes = (shape[1] // 4, shape[0] // 5)
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 1, -1)
    image[mask > 0] += 110 if high else 50
    return image.clip(0, 255).astype(np.uint8), mask, centre


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """(folder of raw images, prepared data set): blob, level and gaze."""
    import pandas as pd

    folder = tmp_path_factory.mktemp("scenes")
    rng = np.random.default_rng(5)
    (folder / "raw").mkdir()
    with PreparedWriter(
        folder / "prepared",
        name="scenes",
        tasks=[
            TaskSpec("blob", "mask"),
            TaskSpec("level", "label", CLASSES),
            TaskSpec("gaze", "map"),
        ],
        size=(32, 32),
        fit="pad",
        description=SourceDescription("ellipses", "", "", "", "toy"),
    ) as writer:
        for number in range(IMAGES):
            image, mask, (x, y) = scene(rng, number % 2)
            file = folder / "raw" / f"{number:02d}.png"
            cv2.imwrite(str(file), image)
            writer.add(
                f"{number:02d}",
                file,
                f"p{number}",
                targets={
                    "level": CLASSES[number % 2],
                    "blob": mask,
                    "gaze": Gaze(
                        pd.DataFrame({"x": [x], "y": [y], "duration_ms": [300]})
                    ),
                },
            )
    return folder / "raw", folder / "prepared"


@pytest.fixture(scope="session")
def joint_run(scenes, tmp_path_factory):
    """Mask, label and map on one network."""
    out = tmp_path_factory.mktemp("runs") / "joint"
    finetune(scenes[1], None, out, settings=SETTINGS, progress=False)
    return out


@pytest.fixture(scope="session")
def separate_run(scenes, tmp_path_factory):
    """A network for each of two tasks, behind an (untrained) denoiser."""
    out = tmp_path_factory.mktemp("runs") / "separate"
    finetune(
        scenes[1],
        ["level", "blob"],
        out,
        settings=replace(SETTINGS, strategy="separate", epochs=1),
        progress=False,
    )
    denoiser = MultiTaskModel(
        ConvAutoencoder((32, 32, 1), filters=(2, 4)),
        [ReconstructionHead("denoised")],
    )
    denoiser.save(out / "denoiser.keras")
    return out
