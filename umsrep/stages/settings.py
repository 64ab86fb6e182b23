"""Settings of fine-tuning."""

from dataclasses import dataclass, field

from umsrep.balancing.uncertainty import SCHEMES
from umsrep.data.augmentation import KINDS
from umsrep.errors import UmsrepError
from umsrep.stages import bounds

CLASSIFIERS = ("dense", "cam")
STRATEGIES = ("independent", "alternating", "joint", "separate")
WEIGHTINGS = ("equal", "uncertainty", "kendall", *SCHEMES)
DECAYS = ("cosine", "constant", "plateau", "return_to_best")


@dataclass(frozen=True)
class FinetuneSettings:
    """Settings of `finetune`.

    Attributes:
        strategy: "independent", "alternating", "joint", or "separate" (the
            baseline: one whole model per task).
        freeze: Parts of the representation to freeze; None is the strategy's
            default (independent: the encoder; others: nothing).
        weighting: Joint only: "equal", "uncertainty" (a sigma for each task),
            "kendall" (its log-variance form), one of MT-UNet's schemes
            "mtls1", "mtls2", "mtls3", or {task: weight}.
        fidelity: "paper", or "code" for what the published code of MT-UNet
            (`UncertaintyWeighting.scheme`) and of GG-CAM
            (`losses.SelectiveMSE`) does otherwise.
        ratio: {task: batches per turn} (alternating only); None follows Luong
            et al. 2015.
        segmentation_features: What segmentation heads read: "decoded", a
            tuple from coarse to fine, or "stages", all of the encoder's; None
            is "decoded", or the bottleneck where there is no decoder.
        saliency_features: What saliency heads read.
        classification_features: What classification heads read; None is the
            stage of stride 16, fine enough for heat maps, or the bottleneck
            where there is none.
        heads: {task: registered name of its head}; None, and a task not in
            it, is the head of the task's kind.
        classifier: "dense" (`heads.ClassificationHead`) or "cam"
            (`heads.CAMHead`, whose class activation maps are explicit).
        attention: A map or mask task, or {class: map or mask task}: where the
            maps of the (single) label task should be bright (GG-CAM); needs
            the classifier "cam" and joint training.
        attention_sigma: Initial sigma of the attention's loss (Equation 11);
            the smaller, the longer attention is learnt first.
        convolutions, hidden_units, hidden_activation, dropout,
            label_smoothing: Of classification heads; `hidden_units`,
            `hidden_activation` and `dropout` also of regression heads.
        optimizer, learning_rate, decay, epochs, batch_size, stop_patience:
            Of the training. The decay "return_to_best" is MT-UNet's
            (`Schedule.of_mt_unet`), with `patience` epochs to a reduction.
        augmentation: Strength, 0 (none) to 1.5.
        augmentation_kind: "chest" or "doppler", see `Augmentation.of`.
        draws: Augmented versions per image that epochs go round; None draws
            anew every epoch.
        cache_features: A frozen encoder runs once per version of an image.
        fractions: (train, validation, test) by patient, where the data set
            has no split of its own.
        seed: Of weights, split, order and augmentation.
        split_seed: Of the split, where repeated trainings share one; None is
            `seed`.
        precision: "auto", "float32", "bfloat16" or "float16".
        xla: Compile with XLA; None is where it helps.
        distribution: "none", "mirrored" or "multi_worker": over which devices
            batches are divided, as of `distribution.use`.
        architecture: Registered name of a representation built anew (without
            a pre-trained one), such as "conv_autoencoder" or "unet".
        arguments: {argument: value} of that class, beyond the image's shape.
    """

    strategy: str = "independent"
    freeze: tuple | None = None
    weighting: str | dict = "equal"
    fidelity: str = "paper"
    ratio: dict | None = None
    segmentation_features: str | tuple | None = None
    saliency_features: str = "decoded"
    classification_features: str | tuple | None = None
    heads: dict | None = None
    classifier: str = "dense"
    attention: str | dict | None = None
    attention_sigma: float = 0.1
    convolutions: tuple = (128, 128)
    hidden_units: int = 64
    hidden_activation: str = "relu"
    dropout: float = 0.5
    label_smoothing: float = 0.0
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    decay: str = "cosine"
    patience: int = 40
    epochs: int = 30
    batch_size: int = 16
    stop_patience: int | None = None
    augmentation: float = 1.0
    augmentation_kind: str = "chest"
    draws: int | None = None
    cache_features: bool = True
    fractions: tuple = (0.8, 0.1, 0.1)
    seed: int = 0
    split_seed: int | None = None
    precision: str = "auto"
    xla: bool | None = None
    distribution: str = "none"
    architecture: str = "conv_autoencoder"
    arguments: dict = field(default_factory=dict)

    def __post_init__(self):
        bounds.check(self)
        if self.strategy not in STRATEGIES:
            raise UmsrepError(
                f"strategy='{self.strategy}' is unknown. Choose one of "
                f"{', '.join(STRATEGIES)}."
            )
        if isinstance(self.weighting, str) and self.weighting not in WEIGHTINGS:
            raise UmsrepError(
                f"weighting='{self.weighting}' is unknown. Choose one of "
                f"{', '.join(WEIGHTINGS)}, or give a weight per task."
            )
        if self.weighting != "equal" and self.strategy != "joint":
            raise UmsrepError(
                f"weighting={self.weighting!r} with strategy "
                f"'{self.strategy}': only joint training adds losses up. Pass "
                "strategy='joint', or leave the weights out."
            )
        if self.ratio is not None and self.strategy != "alternating":
            raise UmsrepError(
                f"ratio={self.ratio!r} with strategy '{self.strategy}': only "
                "alternating training takes turns. Pass "
                "strategy='alternating', or leave it out."
            )
        if self.classifier not in CLASSIFIERS:
            raise UmsrepError(
                f"classifier='{self.classifier}' is unknown. Choose one of "
                f"{', '.join(CLASSIFIERS)}."
            )
        if self.attention and (self.strategy, self.classifier) != (
            "joint",
            "cam",
        ):
            raise UmsrepError(
                f"attention={self.attention!r} with strategy "
                f"'{self.strategy}' and classifier '{self.classifier}': "
                "attention supervises explicit maps together with their "
                "classes. Pass strategy='joint' and classifier='cam'."
            )
        if self.attention and self.weighting not in ("equal", "uncertainty"):
            raise UmsrepError(
                f"attention={self.attention!r} with weighting="
                f"{self.weighting!r}: GG-CAM's Equation 11 weighs the losses "
                "by a sigma each. Leave weighting out."
            )
        if self.fidelity not in ("paper", "code"):
            raise UmsrepError(
                f"fidelity='{self.fidelity}' is unknown. Choose paper or code."
            )
        if self.augmentation_kind not in KINDS:
            raise UmsrepError(
                f"augmentation_kind='{self.augmentation_kind}' is unknown. "
                f"Choose one of {', '.join(KINDS)}, or no augmentation (0)."
            )
        if self.decay not in DECAYS:
            raise UmsrepError(
                f"decay='{self.decay}' is unknown. Choose one of "
                f"{', '.join(DECAYS)}."
            )
