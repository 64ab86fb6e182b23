"""Embeddings: a vector per image."""

import keras
from keras import ops

from umsrep.heads.base import Head, registry
from umsrep.losses import ConsistencySquaredError


@registry.register("embedding")
class EmbeddingHead(Head):
    """The averaged feature, or what a few dense layers make of it.

    With units, the expander of VICReg (Bardes et al. 2022, Section 4.2):
    dense layers with batch normalisation and ReLU between them, the last
    without. They are thrown away after construction.

    Args:
        name: The task.
        features: The feature (or several) that is averaged over the image.
        units: Units of the dense layers; none leaves the averaged feature.
        loss: Default: the squared difference from an embedding given.

    Output shape: (batch, n), float32.
    """

    kind = "embedding"

    def __init__(
        self,
        name="views",
        features="bottleneck",
        units=(),
        loss=None,
        **kwargs,
    ):
        super().__init__(name=name, features=features, loss=loss, **kwargs)
        self.units = tuple(units)
        policy = self.dtype_policy
        self.dense = [
            keras.layers.Dense(count, dtype=policy, name=f"dense_{number}")
            for number, count in enumerate(self.units, start=1)
        ]
        # In float32: the spread over the batch is what is learnt.
        self.normalizations = [
            keras.layers.BatchNormalization(
                momentum=0.9, dtype="float32", name=f"normalization_{number}"
            )
            for number in range(1, len(self.units))
        ]

    def default_loss(self):
        return ConsistencySquaredError()

    def build(self, input_shape):
        width = sum(shape[-1] for shape in input_shape)
        for number, dense in enumerate(self.dense):
            dense.build((None, width))
            width = self.units[number]
            if number < len(self.normalizations):
                self.normalizations[number].build((None, width))

    def call(self, features, training=None):
        x = ops.concatenate(
            [
                ops.mean(ops.cast(feature, "float32"), axis=(1, 2))
                for feature in features
            ],
            axis=-1,
        )
        for number, dense in enumerate(self.dense):
            x = dense(x)
            if number < len(self.normalizations):
                x = self.normalizations[number](
                    ops.cast(x, "float32"), training=training
                )
                x = ops.relu(x)
        return ops.cast(x, "float32")

    def compute_output_spec(self, features, training=None):
        width = sum(feature.shape[-1] for feature in features)
        shape = (features[0].shape[0], self.units[-1] if self.units else width)
        return keras.KerasTensor(shape, dtype="float32")

    def get_config(self):
        return {**super().get_config(), "units": self.units}
