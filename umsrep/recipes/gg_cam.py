"""GG-CAM: class activation maps supervised by gaze or by anatomy.

Source: Zhu, Salcudean, Rohling, "Gaze-guided class activation mapping:
leveraging human visual attention for network attention in chest X-rays
classification" (2022).
Command: `umsrep recipe gg-cam --data DATA --backbone resnet-small
--attention gaze --organ pneumonia=lung --repeats 5`.
Cost: the small backbones a minute or two per training of some hundred images
at 128x128 on 2 CPU cores; `resnet50` and `efficientnetv2s` need a GPU.
Expected: docs/results-gaze.md.

Each backbone is trained twice as often as asked: with a plain CAM head, and
with the same head supervised (three more trainable scalars).
"""

from dataclasses import replace

from umsrep.errors import UmsrepError
from umsrep.experiments.repeats import Candidate
from umsrep.stages.settings import FinetuneSettings

# Appendix of the published code: batch 4, reduce on plateau and return to the
# best epoch, patience 40; the paper gives no learning rate that its text
# keeps. sigma of the attention starts near 0, so that attention comes first.
PAPER = FinetuneSettings(
    strategy="joint",
    classifier="cam",
    classification_features="bottleneck",
    decay="return_to_best",
    learning_rate=5e-3,
    patience=40,
    epochs=1024,
    batch_size=4,
    augmentation=0.0,
    attention_sigma=1.2e-7,
    fractions=(0.7, 0.1, 0.2),
)
# From e^-16 sigma needs some 45,000 steps to its equilibrium, which a short
# training does not have.
SMALL = replace(
    PAPER,
    learning_rate=1e-3,
    patience=6,
    epochs=30,
    batch_size=8,
    augmentation=0.5,
    attention_sigma=0.3,
)
PRESETS = {"paper": PAPER, "small": SMALL}
# Cells of 16 pixels on small images, of 32 at the papers' sizes.
BACKBONES = {
    "resnet50": ("keras_application", {"architecture": "resnet50"}),
    "efficientnetv2s": (
        "keras_application",
        {"architecture": "efficientnetv2s"},
    ),
    "resnet-small": (
        "keras_application",
        {
            "architecture": "resnet50",
            "width": 0.25,
            "depth": 0.3,
            "output_stride": 16,
        },
    ),
    "efficientnetv2-small": (
        "keras_application",
        {
            "architecture": "efficientnetv2s",
            "width": 0.5,
            "depth": 0.3,
            "output_stride": 16,
        },
    ),
    "unet": ("unet", {"width": 16}),
    "conv_autoencoder": (
        "conv_autoencoder",
        {"filters": (16, 32, 64, 128)},
    ),
}
SUPERVISED = "GG-CAM"


def settings(preset="small", **changes):
    """`FinetuneSettings` of a preset, with changes; None leaves the preset's.

    Args:
        preset: One of `PRESETS`.
        changes: Fields of `FinetuneSettings`.
    """
    if preset not in PRESETS:
        raise UmsrepError(
            f"preset='{preset}' is unknown. Choose one of {', '.join(PRESETS)}."
        )
    changes = {k: v for k, v in changes.items() if v is not None}
    return replace(PRESETS[preset], **changes)


def candidates(task, settings, backbones, attention):
    """Each backbone without and with supervised maps.

    Args:
        task: The label task.
        settings: `FinetuneSettings`, such as `SMALL`.
        backbones: Names of `BACKBONES`.
        attention: A map or mask task, or {class: map or mask task}.

    Returns:
        `Candidate`s: "<backbone>" and "<backbone> GG-CAM", in turn.
    """
    found = []
    for name in backbones:
        if name not in BACKBONES:
            raise UmsrepError(
                f"No backbone is named '{name}'. Choose among "
                f"{', '.join(BACKBONES)}."
            )
        architecture, arguments = BACKBONES[name]
        plain = replace(
            settings, architecture=architecture, arguments=arguments
        )
        found.append(Candidate(name, (task,), plain))
        found.append(
            Candidate(
                f"{name} {SUPERVISED}",
                (task,),
                replace(plain, attention=attention),
            )
        )
    return found
