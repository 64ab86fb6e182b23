"""Regression heads."""

import keras
import numpy as np
from keras import ops

from umsrep import losses
from umsrep.heads.base import Head, registry


@registry.register("regression")
class RegressionHead(Head):
    """A number in the unit of its task: GAP, dense, dropout, one neuron.

    The neuron gives a standardised number; the head adds the mean of the
    training labels to it, after multiplying it by their standard deviation.
    Both are weights that `adapt` sets and no training moves, so a saved or
    exported model predicts in the unit. The loss is in standard deviations.

    Args:
        name: The task.
        features: One feature, or several whose averages are concatenated.
        hidden_units: Units of the dense layer before the neuron; 0 leaves it
            out.
        hidden_activation: Activation of that layer.
        dropout: Share of units dropped in training.
        loss: Default: `losses.StandardizedHuber`.

    Output shape: (batch, 1), float32.
    """

    kind = "number"

    def __init__(
        self,
        name,
        features="bottleneck",
        hidden_units=64,
        hidden_activation="relu",
        dropout=0.0,
        loss=None,
        **kwargs,
    ):
        super().__init__(name=name, features=features, loss=loss, **kwargs)
        self.hidden_units = hidden_units
        self.hidden_activation = hidden_activation
        self.dropout = dropout
        policy = self.dtype_policy
        self.hidden = None
        if hidden_units:
            self.hidden = keras.layers.Dense(
                hidden_units,
                activation=hidden_activation,
                dtype=policy,
                name="hidden",
            )
        self.dropout_layer = keras.layers.Dropout(
            dropout, dtype=policy, name="dropout"
        )
        self.neuron = keras.layers.Dense(1, dtype="float32", name="neuron")

    def default_loss(self):
        return losses.StandardizedHuber()

    def build(self, input_shape):
        width = sum(shape[-1] for shape in input_shape)
        if self.hidden is not None:
            self.hidden.build((None, width))
            width = self.hidden_units
        self.neuron.build((None, width))
        self.centre, self.spread = (
            self.add_weight(
                shape=(),
                initializer=initial,
                trainable=False,
                autocast=False,
                dtype="float32",
                name=name,
            )
            for name, initial in (("centre", "zeros"), ("spread", "ones"))
        )

    def adapt(self, training):
        """Sets mean and standard deviation from the training labels.

        A head that has them, as of a saved model, keeps them: other ones
        would change what it predicts.
        """
        if self.adapted:
            return
        values = training.values(self.name)
        values = values[np.isfinite(values)].astype(np.float64)
        spread = float(values.std()) if len(values) else 0.0
        if not spread:
            return
        self.centre.assign(float(values.mean()))
        self.spread.assign(spread)
        if isinstance(self.loss, losses.StandardizedHuber):
            self.loss.scale = spread

    @property
    def adapted(self):
        """Whether mean and standard deviation are those of labels."""
        return (float(self.centre), float(self.spread)) != (0.0, 1.0)

    def call(self, features, training=None):
        pooled = [
            ops.mean(ops.cast(feature, "float32"), axis=(1, 2))
            for feature in features
        ]
        x = ops.concatenate(pooled, axis=-1)
        if self.hidden is not None:
            x = self.hidden(x)
        x = self.dropout_layer(x, training=training)
        x = self.neuron(ops.cast(x, "float32"))
        return self.centre + self.spread * x

    def compute_output_spec(self, features, training=None):
        return keras.KerasTensor((features[0].shape[0], 1), dtype="float32")

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "hidden_activation": self.hidden_activation,
            "dropout": self.dropout,
        }
