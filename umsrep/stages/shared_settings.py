"""Settings that every stage has; each is declared here alone."""

from typing import Annotated, Any

from pydantic import Field

from umsrep.stages.declaration import (
    Expected,
    Group,
    OneOf,
    Option,
    Settings,
    settings,
)

TRAINING = Group("training")
NETWORK = Group("network")
HEADS = Group("heads")
DATA = Group("data")
OBJECTIVE = Group("objective")

AtLeastOne = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]

Architecture = Annotated[
    str,
    OneOf("architectures"),
    Field(description="Network of a new representation."),
    NETWORK,
]
Fractions = Annotated[
    tuple[float, float, float],
    Expected("three shares, for training, validation and test"),
    Field(
        description="Training, validation and test share of the patients, "
        "where the data set has no split of its own."
    ),
    DATA,
]
Epochs = Annotated[int, Field(ge=1, description="Epochs at most."), TRAINING]
Dropout = Annotated[
    Share,
    Field(
        description="Share of units that classification heads drop in training."
    ),
    HEADS,
]
HiddenUnits = Annotated[
    int,
    Field(
        ge=0,
        description="Units of the dense layer of classification heads; 0 "
        "leaves it out.",
    ),
    HEADS,
]
Optimizer = Annotated[
    str,
    OneOf("optimizers"),
    Field(
        description="Optimizer, by its name in Keras and with its defaults; "
        "sgd_momentum is SGD with a momentum of 0.9."
    ),
    TRAINING,
]
OptimizerByTask = Annotated[
    str | dict[str, str],
    OneOf("optimizers", ", or name one per task"),
    Field(
        description="Optimizer, by its name in Keras, or sgd_momentum (0.9); "
        "or one per task, where tasks do not share a loss (adam where none is "
        "named)."
    ),
    TRAINING,
    Option("optimizer", type=str),
    Option(
        "task-optimizer",
        type=dict[str, str],
        metavar="TASK=NAME",
        help="Optimizer of one task, such as lung=adam; repeat. Not with "
        "joint training.",
    ),
]
Patience = Annotated[
    int | None,
    Field(
        ge=1,
        description="Epochs without a better validation loss before the "
        "learning rate falls.",
    ),
    TRAINING,
]
StopPatience = Annotated[
    int | None,
    Field(
        ge=1,
        description="Epochs without a better validation loss before training "
        "stops; by default it does not stop early.",
    ),
    TRAINING,
]
Augmentation = Annotated[
    float,
    Field(ge=0, le=1.5, description="Strength of augmentation; 0 is none."),
    DATA,
]
AugmentationKind = Annotated[
    str,
    OneOf("augmentations", ", or no augmentation (0)"),
    Field(
        description="Images that augmentation is made for; doppler are "
        "spectral strips, and nothing is turned; scanner is chest and what "
        "scanners and hospitals differ in: marks, histograms, tone, sharpness, "
        "resolution, compression, frames."
    ),
    DATA,
]
SplitSeed = Annotated[
    int | None,
    Field(
        ge=0,
        description="Seed of the split, where repeated trainings share one. "
        "Default: the seed.",
    ),
    DATA,
]


@settings
class StageSettings(Settings):
    """What the settings of every stage have in common."""

    architecture: Architecture = "conv_autoencoder"
    arguments: Annotated[
        dict[str, Any],
        Field(
            description="Arguments of the new representation's class beyond "
            "the image's shape; its `channels` are 1 unless given."
        ),
        NETWORK,
        Option(
            "argument",
            metavar="NAME=VALUE",
            help="Argument of the new representation, such as width=16; "
            "repeat.",
        ),
        Option(
            "preset",
            type=str,
            key="preset",
            help="Preset of a new conv_autoencoder: small or paper.",
        ),
        Option(
            "filters",
            type=tuple[int, ...],
            key="filters",
            help="Filters per stage of a new representation, such as "
            "16,32,64,128, instead of the preset's.",
        ),
        Option(
            "skip-connections",
            type=bool,
            key="skip_connections",
            help="Join encoder stages of a new conv_autoencoder to its "
            "decoder. Default: as the preset (small: yes, paper: no).",
        ),
        Option(
            "weights",
            type=str,
            key="weights",
            help="Pretrained weights of a new representation: imagenet, or a "
            "file (architectures such as efficientnet_lite0), or the folder "
            "of a preset (keras_hub).",
        ),
        Option(
            "normalization",
            type=str,
            key="normalization",
            help="Normalization of intensities in a new representation: "
            "percentile, mean, rank (undoes any increasing curve of tone) or "
            "none. Default: percentile, but mean with --preset paper.",
        ),
    ] = Field(default_factory=dict)
    epochs: Epochs = 30
    batch_size: Annotated[
        int, Field(ge=1, description="Images in a batch."), TRAINING
    ] = 16
    learning_rate: Annotated[
        float, Field(gt=0, description="Learning rate at the start."), TRAINING
    ] = 1e-3
    fractions: Fractions = (0.8, 0.1, 0.1)
    seed: Annotated[
        int,
        Field(ge=0, description="Seed of weights, split, order and noise."),
        TRAINING,
    ] = 0
    precision: Annotated[
        str,
        OneOf("precisions"),
        Field(
            description="Number format; auto is bfloat16 where the processor "
            "computes in it."
        ),
        TRAINING,
    ] = "auto"
    xla: Annotated[
        bool | None,
        Field(description="Compile with XLA. Default: where it helps."),
        TRAINING,
    ] = None
    distribution: Annotated[
        str,
        OneOf("distributions"),
        Field(
            description="Devices that share each batch: none (one device), "
            "mirrored (all of this machine) or multi_worker (the machines of "
            "TF_CONFIG; start the same command on each)."
        ),
        TRAINING,
    ] = "none"
