"""Settings of how a learnt encoder is treated, and of robust training."""

from typing import Annotated

from pydantic import Field

from umsrep.stages.declaration import OneOf, Option
from umsrep.stages.shared_settings import TRAINING

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
