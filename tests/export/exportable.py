"""Small data sets and runs to export."""

import cv2
import numpy as np

from umsrep.data.prepared import SourceDescription, TaskSpec
from umsrep.data.writer import PreparedWriter
from umsrep.stages.finetuning import FinetuneSettings, finetune
from umsrep.stages.pretraining import PretrainSettings, pretrain

CLASSES = ("low", "middle", "high")
SIZE = (32, 40)
FRACTIONS = (0.6, 0.2, 0.2)


def write_data(folder, fit="pad", count=30):
    """Ellipses of three kinds: a mask, a label and a map of where to look."""
    rng = np.random.default_rng(3)
    raw = folder.parent / f"{folder.name}-raw"
    raw.mkdir(parents=True)
    with PreparedWriter(
        folder,
        name=folder.name,
        tasks=[
            TaskSpec("blob", "mask"),
            TaskSpec("level", "label", CLASSES),
            TaskSpec("look", "map"),
        ],
        size=SIZE,
        fit=fit,
        description=SourceDescription(
            title="ellipses",
            url="",
            citation="A. Author 2020",
            licence="CC BY 4.0",
            modality="toy",
            terms="Name the author.",
        ),
    ) as writer:
        for number in range(count):
            height, width = (int(n) for n in rng.integers(40, 90, 2))
            image = rng.normal(70, 8, (height, width))
            mask = np.zeros((height, width), np.uint8)
            centre = (width // 2, height // 2)
            axes = (width // 4, height // 5)
            cv2.ellipse(mask, centre, axes, 0, 0, 360, 1, -1)
            kind = number % 3
            image[mask > 0] += 40 + 50 * kind
            look = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 4)
            pictures = {
                "image": image.clip(0, 255).astype(np.uint8),
                "mask": mask * 255,
                "look": (look / look.max() * 255).astype(np.uint8),
            }
            files = {}
            for name, picture in pictures.items():
                files[name] = raw / f"{number:03d}-{name}.png"
                cv2.imwrite(str(files[name]), picture)
            writer.add(
                f"{number:03d}",
                files["image"],
                f"p{number // 2}",
                targets={
                    "level": CLASSES[kind],
                    "blob": [files["mask"]],
                    "look": files["look"],
                },
            )
    return folder


def joint_run(data, out):
    """One network for a mask, a label and a map, in float32."""
    settings = FinetuneSettings(
        strategy="joint",
        architecture="unet",
        arguments={"width": 4, "depth": 3},
        convolutions=(),
        dropout=0.0,
        epochs=10,
        learning_rate=1e-2,
        augmentation=0.0,
        batch_size=9,
        fractions=FRACTIONS,
        precision="float32",
    )
    finetune(data, None, out, settings=settings, progress=False)
    return out


def separate_run(data, out):
    """A network per task in bfloat16, behind a denoiser."""
    pretrain(
        [data],
        out.parent / f"{out.name}-denoiser",
        PretrainSettings(
            arguments={"filters": (4, 6)},
            epochs=3,
            learning_rate=1e-2,
            fractions=FRACTIONS,
            precision="bfloat16",
        ),
        progress=False,
    )
    settings = FinetuneSettings(
        strategy="separate",
        arguments={"filters": (4, 6), "channels": 3},
        convolutions=(4,),
        dropout=0.0,
        epochs=12,
        learning_rate=1e-2,
        augmentation=0.0,
        batch_size=9,
        fractions=FRACTIONS,
        precision="bfloat16",
    )
    finetune(
        data,
        ["blob", "level"],
        out,
        settings=settings,
        denoise_with=out.parent / f"{out.name}-denoiser",
        progress=False,
    )
    return out
