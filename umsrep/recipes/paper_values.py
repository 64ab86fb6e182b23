"""What the three papers state, value by value, and where they are silent.

The presets called "paper" are held against these tables by a test each, and
`docs/fidelity.md` explains the entries that differ.
"""

from typing import Any, NamedTuple

# Stated in the paper; in the authors' published code, where the paper is
# silent; or chosen here, where both are silent or there is no code.
ORIGINS = ("paper", "code", "ours")


class Value(NamedTuple):
    """One value.

    Attributes:
        value: What the source says.
        source: Section, equation, table or appendix; of "ours", the reason.
        origin: One of `ORIGINS`.
        here: What the preset has instead, or None where it has the value.
    """

    value: Any
    source: str
    origin: str = "paper"
    here: Any = None

    @property
    def held(self) -> Any:
        """What the preset has."""
        return self.value if self.here is None else self.here


OPEN = "the paper gives no number"

UMS_REP_CXR = {
    "image_size": Value((256, 256), "Section 3.1.1"),
    "normalization": Value("mean", "Section 3.1.1"),
    "construction.convolutions": Value(4, "Section 4.1.1"),
    "construction.kernel_size": Value(3, "Section 4.1.1"),
    "construction.strides": Value(2, "Section 4.1.1"),
    "construction.filters": Value(
        (256, 128, 64, 32), "Table 4: the 800,067 parameters", "ours"
    ),
    "construction.channels": Value(
        3, "Table 4: the 800,067 parameters", "ours"
    ),
    "construction.parameters": Value(800_067, "Table 4"),
    "construction.skip_connections": Value(
        False, "no skips are mentioned", "ours"
    ),
    "construction.loss": Value("MeanSquaredError", "Section 4.1.1"),
    "construction.optimizer": Value("rmsprop", "Section 4.1.1"),
    "construction.batch_size": Value(16, "Section 4.1.1"),
    "construction.learning_rate": Value(1e-3, "Section 4.1.1"),
    "construction.decay": Value("plateau", "Section 4.1.1"),
    "construction.factor": Value(0.3, OPEN, "ours"),
    "construction.patience": Value(3, OPEN, "ours"),
    "construction.stop_patience": Value(8, OPEN, "ours"),
    "construction.epochs": Value(50, OPEN, "ours"),
    "construction.fractions": Value((0.7, 0.2, 0.1), "Section 4.1.1"),
    "classification.head": Value(
        ("average", "dense", "dropout", "softmax"), "Sections 3.2.3 and 4.1.2"
    ),
    "classification.features": Value("bottleneck", "Section 4.1.2"),
    "classification.hidden_units": Value(256, OPEN, "ours"),
    "classification.dropout": Value(0.5, OPEN, "ours"),
    "classification.loss": Value("CategoricalCrossentropy", "Section 3.2.3"),
    "target.folds": Value(10, "Section 4.1.2"),
    "segmentation.features": Value("decoded", "Section 4.1.2"),
    "segmentation.neurons": Value(1, "Section 4.1.2"),
    "segmentation.loss": Value("BCEDice", "Equation 1"),
    "segmentation.loss_weights": Value(
        (0.5, 0.5), "Equation 1, whose weights the text has lost", "ours"
    ),
}

UMS_REP_ECHO = {
    "image_size": Value((256, 256), "Section 3.1.2"),
    "normalization": Value("mean", "Section 3.1.2"),
    "construction.convolutions": Value(6, "Section 4.2.1"),
    "construction.kernel_size": Value(3, "Section 4.2.1"),
    "construction.padding": Value("same", "Section 4.2.1"),
    "construction.dilation": Value((1, 1, 1, 2, 2, 2), "Section 4.2.1"),
    "construction.strides": Value(
        (2, 2, 2), "not mentioned; see `DilatedCNN`", "ours"
    ),
    "construction.filters": Value(
        (8, 16, 32, 64, 128, 256),
        "Tables 8 and 10: the 460,115 parameters",
        "ours",
    ),
    "construction.channels": Value(
        3, "Tables 8 and 10: the 460,115 parameters", "ours"
    ),
    "construction.parameters": Value(460_115, "Tables 8 and 10"),
    "construction.head": Value(
        ("average", "dense", "dropout", "softmax"), "Section 4.2.1"
    ),
    "construction.hidden_units": Value(
        256, "Tables 8 and 10: the 460,115 parameters", "ours"
    ),
    "construction.dropout": Value(0.5, "Section 4.2.1"),
    "construction.loss": Value("CategoricalCrossentropy", "Section 4.2.1"),
    "construction.optimizer": Value("adam", "Section 4.2.1"),
    "construction.learning_rate": Value(1e-3, OPEN, "ours"),
    "construction.batch_size": Value(16, "Section 4.2.1"),
    "construction.epochs": Value(64, "Section 4.2.1"),
    "construction.share": Value(0.7, "Section 4.2.1"),
    "construction.validation_share": Value(0.1, OPEN, "ours"),
    "target.train_and_validation_share": Value(0.2, "Section 4.2.2"),
    "target.test_share": Value(0.1, "Section 4.2.2"),
    "target.segmentation_features": Value("bottleneck", "Section 4.2.2"),
    "target.segmentation_optimizer": Value("adam", "Section 4.2.2"),
    "target.segmentation_loss": Value("BCEDice", "Section 3.2.3"),
    "target.classification_features": Value("bottleneck", "Section 4.2.2"),
    "target.classification_head": Value(
        ("average", "dense", "dropout", "softmax"), "Section 4.2.2"
    ),
    "target.classification_optimizer": Value("sgd", "Section 4.2.2"),
    "target.folds": Value(10, "Section 4.2.2"),
    "target.classification_loss": Value(
        "CategoricalCrossentropy", "Section 4.2.2"
    ),
    "target.hidden_units": Value(256, "as in the construction", "ours"),
    "target.dropout": Value(0.5, "as in the construction", "ours"),
    "target.learning_rate": Value(1e-3, OPEN, "ours"),
    "target.decay": Value("cosine", "no schedule is mentioned", "ours"),
    "target.batch_size": Value(16, "as in the construction", "ours"),
    "target.epochs": Value(64, "as in the construction", "ours"),
    "target.augmentation": Value(0.0, "none is mentioned", "ours"),
}

MT_UNET = {
    "image_shape": Value((640, 416, 1), "Section 4"),
    "normalization": Value(
        "none", "the code divides each image by its maximum", "ours"
    ),
    "width": Value(64, "the features of the first level", "code"),
    "depth": Value(5, "Figure 1"),
    "parameters": Value(34_632_837, "counted in its network", "code"),
    "classification.features": Value(("bottleneck", "decoded"), "Section 3.1"),
    "classification.hidden_units": Value(64, "the width", "code"),
    "classification.dropout": Value(0.25, "Section 3.1"),
    "classification.hidden_activation": Value(
        "linear", "Section 3.1: two linear transforms", here="relu"
    ),
    "classification.loss": Value("CategoricalCrossentropy", "Equation 3"),
    "saliency.loss": Value("KLDivergence", "Equation 2"),
    "weighting": Value("mtls3", "Equation 5, the best of three"),
    "initial_sigma": Value(1.0, "Section 3.2"),
    "optimizer": Value("adam", "Appendix B"),
    "learning_rate": Value(1e-4, "its settings", "code"),
    "factor": Value(0.1, "Appendix B"),
    "patience": Value(40, "its settings", "code"),
    "return_to_best": Value(True, "Appendix B"),
    "smallest_rate": Value(1e-8, "its settings", "code"),
    "stop_patience": Value(83, "2 P + 3", "code"),
    "epochs": Value(1024, "its settings", "code"),
    "batch_size": Value(6, "its settings", "code"),
    "augmentation": Value(0.0, "none", "code"),
    "fractions": Value((0.7, 0.1, 0.2), "Appendix B"),
    "repeats": Value(5, "Appendix B: at least 5"),
}

GG_CAM = {
    "normalization": Value("none", "Section 4.1: images in [0, 1]"),
    "backbones": Value(("resnet50", "efficientnetv2s"), "Section 4"),
    "additional_parameters": Value(3, "Abstract"),
    "initial_alpha": Value(1.0, "its ln alpha is 0", "code"),
    "initial_sigma_ce": Value(1.0, "Section 3.4"),
    "ln_initial_sigma_sm.resnet50": Value(
        -23.0, "its -23 is out of range, see above", "code", -20.0
    ),
    "ln_initial_sigma_sm.efficientnetv2s": Value(-16.0, "its settings", "code"),
    "learning_rate.resnet50": Value(5e-3, "its settings", "code"),
    "learning_rate.efficientnetv2s": Value(6e-3, "its settings", "code"),
    "optimizers": Value(
        ("adam", "adamax", "sgd", "sgd_momentum"), "Section 4.1"
    ),
    "optimizer": Value("adam", "Section 4.1: the best for all networks"),
    "momentum": Value(0.9, OPEN, "ours"),
    "factor": Value(0.1, "Section 4.1"),
    "patience": Value(40, "its settings", "code"),
    "return_to_best": Value(True, "its training loop", "code"),
    "smallest_rate": Value(1e-8, "its settings", "code"),
    "stop_patience": Value(83, "2 P + 3", "code"),
    "epochs": Value(1024, "its settings", "code"),
    "batch_size": Value(4, "its settings", "code"),
    "augmentation": Value(0.0, "none", "code"),
    "fractions": Value((0.7, 0.1, 0.2), "Section 4.1"),
    "repeats": Value(5, "Section 4.1"),
}

VALUES = {
    "UMS-Rep, chest": UMS_REP_CXR,
    "UMS-Rep, Doppler": UMS_REP_ECHO,
    "MT-UNet": MT_UNET,
    "GG-CAM": GG_CAM,
}
