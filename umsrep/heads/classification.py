"""Classification heads."""

import keras
from keras import ops

from umsrep import layers
from umsrep.errors import UmsrepError
from umsrep.heads.base import registry
from umsrep.heads.label import LabelHead


@registry.register("dense")
class ClassificationHead(LabelHead):
    """Class probabilities: GAP, dense, dropout, softmax (UMS-Rep, Figure 6).

    Args:
        num_classes: At least 2.
        name: The task.
        features: One feature, or several whose averages are concatenated.
        hidden_units: Units of the dense layer before the softmax layer; 0
            leaves it out.
        hidden_activation: Of that layer. "linear" is MT-UNet's text to the
            letter (two linear transforms with dropout between them); its
            published code has a ReLU after the dropout, which is the same as
            before it, since dropout scales by at least 0.
        convolutions: Filters of 3x3 convolution blocks of stride 2 between
            the (single) feature and the average. The paper's encoder sees 31
            pixels per cell; every block here more than doubles that.
        dropout: Share of units dropped in training.
        loss: Default: categorical cross-entropy.

    Output shape: (batch, num_classes), float32, sums to 1.
    """

    def __init__(
        self,
        num_classes,
        name,
        features="bottleneck",
        hidden_units=64,
        hidden_activation="relu",
        convolutions=(),
        dropout=0.5,
        loss=None,
        **kwargs,
    ):
        super().__init__(num_classes, name, features, loss, **kwargs)
        if convolutions and len(self.feature_names) > 1:
            raise UmsrepError(
                f"Head '{name}': convolutions need a single feature, got "
                f"{self.feature_names}. Name one, or pass convolutions=()."
            )
        self.hidden_units = hidden_units
        self.hidden_activation = hidden_activation
        self.convolutions = tuple(convolutions)
        self.dropout = dropout
        policy = self.dtype_policy
        self.blocks = [
            layers.ConvBlock(count, strides=2, dtype=policy, name=f"block_{i}")
            for i, count in enumerate(self.convolutions)
        ]
        self.hidden = (
            keras.layers.Dense(
                hidden_units,
                activation=hidden_activation,
                dtype=policy,
                name="hidden",
            )
            if hidden_units
            else None
        )
        self.dropout_layer = keras.layers.Dropout(
            dropout, dtype=policy, name="dropout"
        )
        self.classes = keras.layers.Dense(
            num_classes, dtype="float32", name="classes"
        )

    def build(self, input_shape):
        shapes = [tuple(shape) for shape in input_shape]
        for block in self.blocks:
            block.build(shapes[0])
            shapes[0] = block.compute_output_shape(shapes[0])
        width = sum(shape[-1] for shape in shapes)
        if self.hidden is not None:
            self.hidden.build((None, width))
            width = self.hidden_units
        self.classes.build((None, width))

    def logits(self, features, training=None):
        """Scores before the softmax, (batch, num_classes), float32."""
        features = list(features)
        for block in self.blocks:
            features[0] = block(features[0], training=training)
        # Averages of many cells lose their digits in half precision.
        pooled = [
            ops.mean(ops.cast(feature, "float32"), axis=(1, 2))
            for feature in features
        ]
        x = ops.concatenate(pooled, axis=-1)
        if self.hidden is not None:
            x = self.hidden(x)
        x = self.dropout_layer(x, training=training)
        return self.classes(ops.cast(x, "float32"))

    @property
    def has_maps(self):
        """Whether the logits are averages of class activation maps."""
        return self.hidden is None and len(self.feature_names) == 1

    def maps(self, features, training=None):
        """Class activation maps: what each cell adds to each class's score.

        `Omega_c = sum_k Lambda_ck A_k + lambda_c` (Zhou et al. 2016; GG-CAM,
        Equation 4), whose average over the cells is the logit; (batch, rows,
        columns, num_classes), float32.

        Only where `has_maps`: the logits are an average over the cells of
        one feature.
        """
        (x,) = features
        for block in self.blocks:
            x = block(x, training=training)
        # Dense layers work on the last axis, so on every cell alike.
        return self.classes(ops.cast(x, "float32"))

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "hidden_activation": self.hidden_activation,
            "convolutions": self.convolutions,
            "dropout": self.dropout,
        }
