"""Settings of how an encoder is treated, what it sees, and robust training."""

from typing import Annotated, Any

from pydantic import Field

from umsrep.errors import UmsrepError
from umsrep.stages.declaration import OneOf, Option
from umsrep.stages.shared_settings import DATA, HEADS, TRAINING

EncoderRate = Annotated[
    float,
    Field(
        gt=0,
        le=1,
        description="Share of the learning rate at which the encoder "
        "learns, such as 0.1; for few labels on a learnt representation.",
    ),
    TRAINING,
]
FreezeBatchNorms = Annotated[
    bool,
    Field(
        description="Keep the encoder's batch norms as they are, in "
        "inference mode, while its other layers train."
    ),
    TRAINING,
]
ReleaseAfter = Annotated[
    float | None,
    Field(
        gt=0,
        lt=1,
        description="Share of the epochs for which the encoder is frozen "
        "at first, such as 0.3; then it learns, too. Default: it learns "
        "from the start, or not at all (freeze).",
    ),
    TRAINING,
]
WeightAverage = Annotated[
    float | None,
    Field(
        ge=0,
        lt=1,
        description="Decay of an exponential moving average (EMA) of the "
        "weights, such as 0.99, which is validated and saved.",
    ),
    TRAINING,
    Option("ema"),
]
ClassBalance = Annotated[
    str,
    OneOf("class_balances"),
    Field(
        description="Say of rare classes in training: draw them more "
        "often (sampling), or weigh them more (weights). Probabilities "
        "are then those of equally frequent classes."
    ),
    TRAINING,
]
ClassBalanceBeta = Annotated[
    float | None,
    Field(
        ge=0,
        lt=1,
        description="Weights by effective numbers of images (Cui et al. "
        "2019), such as 0.999. Default: by the numbers of images.",
    ),
    TRAINING,
]
Focus = Annotated[
    str | None,
    Field(
        description="Mask task: labels and numbers are learnt and "
        "predicted from images without what lies outside its mask, as "
        "predicted by the network itself (in training the reference mask, "
        "where there is one). Learns the mask first."
    ),
    DATA,
]
FocusFill = Annotated[
    str,
    OneOf("fills"),
    Field(
        description="What takes the place of the outside: blank (black), "
        "mean (of the inside), or crop: the mask's bounding box enlarged."
    ),
    DATA,
]
FocusMargin = Annotated[
    float,
    Field(
        ge=0,
        le=0.5,
        description="What is kept around the mask, as a share of the "
        "image's sides.",
    ),
    DATA,
]
LabelledPatients = Annotated[
    int | None,
    Field(
        ge=1,
        description="Training patients whose labels are used: a part of "
        "any larger number of the same seed, with every class of every "
        "task. Validation and test stay as they are. Default: all.",
    ),
    DATA,
]
LabelledTasks = Annotated[
    tuple[str, ...] | None,
    Field(
        min_length=1,
        description="Tasks that labelled patients are drawn by, so that "
        "trainings of different tasks get the same patients. Default: the "
        "tasks learnt.",
    ),
    DATA,
]
Folds = Annotated[
    int | None,
    Field(
        ge=2,
        description="Cross-validation: train as many times, each with another "
        "part of the patients held out, and keep all as one run, whose "
        "results are the mean over the folds. Default: one split.",
    ),
    DATA,
]
Fold = Annotated[
    int | None,
    Field(
        ge=1,
        description="Train only this fold, from 1 on, such as on one of "
        "several machines; the run is complete with the last one. Default: "
        "all of them, one after the other.",
    ),
    DATA,
]
SaliencyFeatures = Annotated[
    str | tuple[str, ...] | None,
    Field(
        description="Feature (or several, from coarse to fine) that saliency "
        "heads read. Default: decoded; where there is none, all stages of at "
        "least 8 pixels per cell."
    ),
    HEADS,
    Option("saliency-from"),
]
Classifier = Annotated[
    str | None,
    OneOf("classifiers"),
    Field(
        description="Head of classification: dense is trained by steps, "
        "linear is solved on the features of a frozen encoder (logistic "
        "regression, the penalty chosen by patients left out), cam has "
        "explicit class activation maps. Default: linear where the "
        "encoder is frozen at first, if none of dense's own settings is "
        "changed; else dense."
    ),
    HEADS,
]


def check_fold(folds: int | None, fold: int | None) -> None:
    """Raises unless the fold is one of the folds."""
    if fold is not None and (folds is None or fold > folds):
        raise UmsrepError(
            f"fold={fold} with folds={folds}: expected folds to say how many "
            "there are, and a fold from 1 to that number. Pass both."
        )


def check_attention(settings: Any, joint: bool) -> None:
    """Raises unless what supervises maps goes with the other settings.

    Args:
        settings: `FinetuneSettings` with attention.
        joint: Whether the strategy adds losses.
    """
    if not (joint and settings.classifier == "cam"):
        raise UmsrepError(
            f"attention={settings.attention!r} with strategy "
            f"'{settings.strategy}' and classifier '{settings.classifier}': "
            "attention supervises explicit maps together with their "
            "classes. Pass strategy='joint' and classifier='cam'."
        )
    if settings.weighting not in ("equal", "uncertainty"):
        raise UmsrepError(
            f"attention={settings.attention!r} with weighting="
            f"{settings.weighting!r}: GG-CAM's Equation 11 weighs the losses "
            "by a sigma each. Leave weighting out."
        )
