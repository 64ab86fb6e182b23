"""Self-attention over the cells of a feature."""

import keras
from keras import ops

from umsrep.errors import UmsrepError
from umsrep.keras_import import BeginsFile


@keras.saving.register_keras_serializable("umsrep")
class SelfAttention(BeginsFile, keras.layers.Layer):
    """Adds to each cell a weighted sum over all cells of the image.

    `y_i = x_i + gamma * sum_j softmax_j(f(x_j) . g(x_i)) h(x_j)` with 1x1
    convolutions f and g to `channels / reduction` and h to all channels, and a
    trained gamma that starts at 0, so that the layer starts as the identity
    (Zhang et al. 2019, "Self-Attention Generative Adversarial Networks",
    Equations 1 to 3).

    The softmax is float32. One image needs (height * width)^2 attention
    weights, so use the layer on coarse grids.

    Args:
        reduction: Divisor of the number of channels in which cells are
            compared.

    Input and output shape: (batch, height, width, channels).
    """

    def __init__(self, reduction: int = 8, **kwargs):
        super().__init__(**kwargs)
        if int(reduction) != reduction or reduction < 1:
            raise UmsrepError(
                f"reduction={reduction}: expected a whole number of at least "
                "1, such as 8."
            )
        self.reduction = reduction

    def build(self, input_shape):
        channels = input_shape[-1]
        compared = max(channels // self.reduction, 1)

        def dense(name, units):
            # A 1x1 convolution over the cells as a sequence.
            layer = keras.layers.Dense(
                units, dtype=self.dtype_policy, name=name
            )
            layer.build((None, None, channels))
            return layer

        self.query = dense("query", compared)
        self.key = dense("key", compared)
        self.value = dense("value", channels)
        self.gamma = self.add_weight(
            shape=(), initializer="zeros", name="gamma"
        )

    def call(self, inputs):
        _, height, width, channels = inputs.shape
        cells = ops.reshape(inputs, (-1, height * width, channels))
        scores = ops.matmul(
            self.query(cells), ops.transpose(self.key(cells), (0, 2, 1))
        )
        weights = ops.softmax(ops.cast(scores, "float32"), axis=-1)
        values = self.value(cells)
        seen = ops.matmul(ops.cast(weights, values.dtype), values)
        seen = ops.reshape(seen, (-1, height, width, channels))
        return inputs + ops.cast(self.gamma, seen.dtype) * seen

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self) -> dict:
        return {**super().get_config(), "reduction": self.reduction}
