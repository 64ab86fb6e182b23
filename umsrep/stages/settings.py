"""The settings of the stages.

A field is declared once, here or in `shared_settings`; everything else reads
the declaration (`declaration`). The defaults of the constructions are
UMS-Rep's (Section 4.1.1 for denoising, 4.2.1 for classification) where it
says. `docs/settings.md` lists all fields.
"""

import dataclasses
from typing import Annotated, Any, Self

import pydantic
from pydantic import Field

from umsrep.errors import UmsrepError
from umsrep.registry import arguments_of
from umsrep.stages import robust_settings as robust
from umsrep.stages import shared_settings as shared
from umsrep.stages.declaration import OneOf, Option, declared, settings
from umsrep.stages.shared_settings import (
    DATA,
    HEADS,
    NETWORK,
    OBJECTIVE,
    TRAINING,
    AtLeastOne,
    StageSettings,
)


@settings
class PretrainSettings(StageSettings):
    """Settings of the construction by denoising (`pretrain`).

    Early stopping usually ends before the last epoch. The autoencoder's
    preset "paper" takes the grey image in three channels.
    """

    epochs: shared.Epochs = 50
    patience: shared.Patience = 3
    stop_patience: shared.StopPatience = 8
    closed_skips: Annotated[
        bool | None,
        Field(
            description="Restore the image from the bottleneck alone, by a "
            "decoder of its own, so that the encoder must carry the whole "
            "image. Default: no, the network's own decoder with its skips."
        ),
        NETWORK,
    ] = None


@settings
class RestorationSettings(PretrainSettings):
    """Settings of the construction by restoration (Models Genesis)."""

    noise: Annotated[
        bool,
        Field(description="Add the noise of denoising to each image, too."),
        OBJECTIVE,
    ] = False


@settings
class MaskedSettings(PretrainSettings):
    """Settings of the construction by masked images.

    The share of hidden patches is that of ConvNeXt V2 (Woo et al. 2023) and
    SparK (Tian et al. 2023).
    """

    mask_ratio: Annotated[
        float,
        Field(gt=0, lt=1, description="Share of the patches that is hidden."),
        OBJECTIVE,
    ] = 0.6
    mask_patch: Annotated[
        int | None,
        Field(
            ge=1,
            description="Side of a hidden patch in pixels. Default: a cell of "
            "the bottleneck, but at most a quarter of the image.",
        ),
        OBJECTIVE,
    ] = None


@settings
class SuperResolutionSettings(PretrainSettings):
    """Settings of the construction by super-resolution."""

    factors: Annotated[
        tuple[AtLeastOne, ...],
        Field(
            min_length=1,
            description="Factors by which detail is lost; one is drawn for "
            "each image, such as 2,3,4.",
        ),
        OBJECTIVE,
    ] = (2, 3, 4)


@settings
class ViewsSettings(StageSettings):
    """Settings of the construction by two views (VICReg).

    The weights of variance, invariance and covariance are the paper's.
    """

    epochs: shared.Epochs = 50
    batch_size: Annotated[
        int,
        Field(ge=2, description="Images in a batch; each comes twice."),
        TRAINING,
    ] = 32
    patience: shared.Patience = 5
    stop_patience: shared.StopPatience = None
    optimizer: shared.Optimizer = "adam"
    augmentation: Annotated[
        float,
        Field(gt=0, le=1.5, description="Strength of what makes views differ."),
        DATA,
    ] = 1.0
    augmentation_kind: shared.AugmentationKind = "chest"
    projector: Annotated[
        tuple[AtLeastOne, ...],
        Field(
            min_length=1,
            description="Units of the dense layers on the averaged bottleneck, "
            "thrown away afterwards, such as 256,256,256.",
        ),
        OBJECTIVE,
    ] = (256, 256, 256)


@settings
class ConstructionSettings(StageSettings):
    """Settings of the construction by tasks (`construct`).

    Training ends with the weights of the best validation epoch. Train and
    validation construct the representation (70 % of the patients in the
    paper); the others stay for target tasks. A test set that the data set has
    is among these, besides the share asked for. 256 hidden units are what the
    paper's count of parameters says, see `representations.DilatedCNN`.
    """

    task: Annotated[
        str | tuple[str, ...],
        Field(
            description="Task to construct the representation on, or several, "
            "learnt jointly."
        ),
        DATA,
    ] = ""
    architecture: shared.Architecture = "dilated_cnn"
    hidden_units: shared.HiddenUnits = 256
    dropout: shared.Dropout = 0.5
    optimizer: shared.Optimizer = "adam"
    epochs: shared.Epochs = 64
    patience: shared.Patience = None
    stop_patience: shared.StopPatience = None
    fractions: shared.Fractions = (0.6, 0.1, 0.3)
    split_seed: shared.SplitSeed = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks."""
        named = (self.task,) if isinstance(self.task, str) else self.task
        return tuple(name for name in named if name)


@settings
class MeanTeacherSettings(ConstructionSettings):
    """Settings of the construction by tasks and a mean teacher.

    The first epochs follow labels alone: the consistency rises to its weight
    as the authors' does, with exp(-5 (1 - t)^2).
    """

    consistency: Annotated[
        float,
        Field(
            ge=0,
            description="Weight of the student's difference from the teacher.",
        ),
        OBJECTIVE,
    ] = 1.0
    rampup: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Share of the training in which that weight rises.",
        ),
        OBJECTIVE,
    ] = 0.4
    teacher_momentum: Annotated[
        float,
        Field(
            ge=0,
            lt=1,
            description="Share of the teacher's old weights kept per step.",
        ),
        OBJECTIVE,
    ] = 0.99
    augmentation: shared.Augmentation = 1.0
    augmentation_kind: shared.AugmentationKind = "chest"


@settings
class UntrainedSettings(StageSettings):
    """Settings of the construction by none: given weights, as they are."""


# Settings of the classification head "dense" alone, which others lack.
OF_DENSE = frozenset(
    (
        "convolutions",
        "hidden_units",
        "hidden_activation",
        "dropout",
        "label_smoothing",
    )
)


@settings
class FinetuneSettings(StageSettings):
    """Settings of `finetune`."""

    strategy: Annotated[
        str,
        OneOf("strategies"),
        Field(
            description="How tasks share a training; separate is the "
            "baseline, one whole model per task."
        ),
        TRAINING,
    ] = "independent"
    steps: Annotated[
        int | None,
        Field(
            ge=1,
            description="Optimizer steps of each task with its labels, the "
            "same under every strategy; epochs are then equal parts of them. "
            "Default: an epoch is a pass over the images, so every strategy "
            "sees each label equally often, but in more or fewer steps.",
        ),
        TRAINING,
    ] = None
    freeze: Annotated[
        tuple[str, ...] | None,
        Field(
            description="Parts of the representation to freeze (encoder, "
            "decoder). Default: the strategy's (independent: the encoder; "
            "others: nothing)."
        ),
        TRAINING,
    ] = None
    encoder_rate: robust.EncoderRate = 1.0
    freeze_batch_norms: robust.FreezeBatchNorms = False
    release_after: robust.ReleaseAfter = None
    weight_average: robust.WeightAverage = None
    class_balance: robust.ClassBalance = "none"
    class_balance_beta: robust.ClassBalanceBeta = None
    weighting: Annotated[
        str | dict[str, Annotated[float, Field(ge=0)]],
        OneOf("weightings", ", or give a weight per task"),
        Field(description="Joint training: how the tasks' losses are added."),
        TRAINING,
        Option("weighting", type=str),
        Option(
            "weight",
            type=dict[str, float],
            metavar="TASK=NUMBER",
            help="Joint training: a given loss weight, such as lung=2; repeat.",
        ),
    ] = "equal"
    fidelity: Annotated[
        str,
        OneOf("fidelities"),
        Field(
            description="As the paper says, or as the published code of "
            "MT-UNet (`UncertaintyWeighting.scheme`) and of GG-CAM "
            "(`losses.SelectiveMSE`) does."
        ),
        TRAINING,
    ] = "paper"
    ratio: Annotated[
        dict[str, AtLeastOne] | None,
        Field(
            description="Alternating training: batches per turn of a task, "
            "such as lung=2. Default: by numbers of labels (Luong et al. "
            "2015)."
        ),
        TRAINING,
        Option("batches", metavar="TASK=NUMBER"),
    ] = None
    segmentation_features: Annotated[
        str | tuple[str, ...] | None,
        Field(
            description="What segmentation heads read: decoded, features from "
            "coarse to fine, or stages: a new decoder joined to all of the "
            "encoder's stages. Default: decoded; where there is none, a new "
            "decoder on the bottleneck, or if that is coarser than 16 pixels "
            "per cell, on all stages up to there."
        ),
        HEADS,
        Option("segment-from"),
        Option(
            "skips",
            stands_for="stages",
            help="Short for --segment-from stages.",
        ),
    ] = None
    decoder_filters: Annotated[
        int | None,
        Field(
            ge=8,
            description="Filters of the first block of new decoders of "
            "segmentation heads; every further block has half as many. "
            "Default: 256 on pretrained features, else half of the channels "
            "that each block reads.",
        ),
        HEADS,
    ] = None
    saliency_features: robust.SaliencyFeatures = None
    classification_features: Annotated[
        str | tuple[str, ...] | None,
        Field(
            description="Feature (or several) that classification heads read, "
            "such as bottleneck. Default: for linear heads all stages of "
            "at least 8 pixels per cell, of pretrained weights up to 16; else "
            "the stage of 16, or the bottleneck where there is none."
        ),
        HEADS,
        Option("classify-from"),
    ] = None
    heads: Annotated[
        dict[str, str] | None,
        Field(
            description="Registered name of a task's head, such as "
            "age=regression. Default: that of the task's kind."
        ),
        HEADS,
        Option("head", metavar="TASK=NAME"),
    ] = None
    classifier: robust.Classifier = None
    attention: Annotated[
        str | dict[str, str] | None,
        Field(
            description="Map or mask task where the maps of the single label "
            "task should be bright (GG-CAM; joint training, classifier cam), "
            "or one for each class."
        ),
        HEADS,
        Option("attention", metavar="TASK|CLASS=TASK"),
    ] = None
    attention_sigma: Annotated[
        float,
        Field(
            gt=0,
            description="Initial sigma of the attention's loss (GG-CAM, "
            "Equation 11); the smaller, the longer attention is learnt first.",
        ),
        HEADS,
    ] = 0.1
    convolutions: Annotated[
        tuple[AtLeastOne, ...],
        Field(
            description="Filters of the convolution blocks of classification "
            "heads, such as 128,128, or none."
        ),
        HEADS,
    ] = (128, 128)
    hidden_units: shared.HiddenUnits = 64
    hidden_activation: Annotated[
        str,
        Field(description="Activation of that dense layer, as of Keras."),
        HEADS,
    ] = "relu"
    dropout: shared.Dropout = 0.5
    label_smoothing: Annotated[
        float,
        Field(
            ge=0,
            lt=1,
            description="Share of a label's weight that is spread over all "
            "classes.",
        ),
        HEADS,
    ] = 0.0
    optimizer: shared.OptimizerByTask = "adam"
    decay: Annotated[
        str,
        OneOf("decays"),
        Field(
            description="How the learning rate falls; return_to_best is "
            "MT-UNet's: a tenth, and back to the best epoch."
        ),
        TRAINING,
    ] = "cosine"
    patience: Annotated[
        int,
        Field(
            ge=1,
            description="Epochs without a better validation loss until the "
            "rate of a plateau, or of return_to_best, falls.",
        ),
        TRAINING,
    ] = 40
    stop_patience: shared.StopPatience = None
    augmentation: shared.Augmentation = 1.0
    augmentation_kind: shared.AugmentationKind = "chest"
    draws: Annotated[
        int | None,
        Field(
            ge=1,
            description="Augmented versions per image that epochs go round. "
            "Default: new ones every epoch; 8, as far as they fit into memory, "
            "with steps on a frozen encoder.",
        ),
        DATA,
    ] = None
    focus: robust.Focus = None
    focus_fill: robust.FocusFill = "blank"
    focus_margin: robust.FocusMargin = 0.04
    cache_features: Annotated[
        bool,
        Field(
            description="Run a frozen encoder once per version of an image, "
            "not once per task."
        ),
        TRAINING,
    ] = True
    split_seed: shared.SplitSeed = None
    folds: robust.Folds = None
    fold: robust.Fold = None
    labelled_patients: robust.LabelledPatients = None
    labelled_tasks: robust.LabelledTasks = None

    @pydantic.model_validator(mode="after")
    def _fields_that_need_each_other(self) -> Self:
        # Registries need Keras; settings are described without it.
        from umsrep import finetuning

        strategy: Any = finetuning.registry.get(self.strategy)
        strategy.check(
            self.freeze or (),
            self.encoder_rate,
            self.release_after,
            self.optimizer,
        )
        if self.class_balance_beta is not None and (
            self.class_balance != "weights"
        ):
            raise UmsrepError(
                f"class_balance_beta={self.class_balance_beta} with "
                f"class_balance='{self.class_balance}': only weights go by "
                "effective numbers. Pass class_balance='weights', or leave it "
                "out."
            )
        joint = strategy.adds_losses
        if self.weighting != "equal" and not joint:
            raise UmsrepError(
                f"weighting={self.weighting!r} with strategy "
                f"'{self.strategy}': only joint training adds losses up. Pass "
                "strategy='joint', or leave the weights out."
            )
        if self.ratio is not None and "ratio" not in arguments_of(strategy):
            raise UmsrepError(
                f"ratio={self.ratio!r} with strategy '{self.strategy}': only "
                "alternating training takes turns. Pass "
                "strategy='alternating', or leave it out."
            )
        if self.classifier == "linear" and not self.heads and self.of_dense:
            name = self.of_dense[0]
            raise UmsrepError(
                f"{name}={getattr(self, name)!r} with classifier='linear', "
                "which has no such layer and is solved, not trained. Pass "
                "classifier='dense', or leave it out."
            )
        if self.attention:
            robust.check_attention(self, joint)
        self._check_focus()
        if self.labelled_tasks and self.labelled_patients is None:
            raise UmsrepError(
                f"labelled_tasks={self.labelled_tasks} without "
                "labelled_patients: all patients are used, and none is drawn. "
                "Give their number, or leave the tasks out."
            )
        robust.check_fold(self.folds, self.fold)
        return self

    @property
    def of_dense(self) -> tuple[str, ...]:
        """Names of the dense head's own settings that are not the usual."""
        usual = {f.name: f.default for f in dataclasses.fields(self)}
        return tuple(
            name
            for name in sorted(OF_DENSE)
            if getattr(self, name) != usual[name]
        )

    def _check_focus(self) -> None:
        if self.focus is None:
            if (self.focus_fill, self.focus_margin) != ("blank", 0.04):
                raise UmsrepError(
                    f"focus_fill={self.focus_fill!r} and focus_margin="
                    f"{self.focus_margin} without a focus: nothing is taken "
                    "away. Name a mask task as focus, or leave them out."
                )
            return
        for name in ("attention", "ratio"):
            if getattr(self, name) is not None:
                raise UmsrepError(
                    f"{name}={getattr(self, name)!r} with focus="
                    f"{self.focus!r}: the mask is learnt by itself, before "
                    f"the labels. Leave {name} or focus out."
                )


# The settings of each stage: its name in settings files and search spaces.
# A stage is "finetune", or an objective of the construction.
STAGES = {
    "denoising": PretrainSettings,
    "restoration": RestorationSettings,
    "masked": MaskedSettings,
    "super_resolution": SuperResolutionSettings,
    "vicreg": ViewsSettings,
    "supervised": ConstructionSettings,
    "mean_teacher": MeanTeacherSettings,
    "none": UntrainedSettings,
    "finetune": FinetuneSettings,
}


def has_tasks(stage: str) -> bool:
    """Whether a construction learns tasks, named by its setting `task`."""
    return "task" in declared(STAGES[stage])
