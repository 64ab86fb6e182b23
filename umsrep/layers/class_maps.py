"""Class activation maps as a layer."""

import keras
from keras import ops

from umsrep.errors import UmsrepError
from umsrep.keras_import import BeginsFile

FIDELITIES = ("paper", "code")


def check_fidelity(fidelity):
    """Raises unless `fidelity` is "paper" or "code"."""
    if fidelity not in FIDELITIES:
        raise UmsrepError(
            f"fidelity='{fidelity}' is unknown. Choose 'paper', or 'code' for "
            "what the authors' published code does instead."
        )


@keras.saving.register_keras_serializable("umsrep")
class ClassMaps(BeginsFile, keras.layers.Layer):
    """`Omega_c = sum_k Lambda_ck A_k + lambda_c` (GG-CAM, Equation 4).

    A 1x1 convolution in float32. The average of a map over its cells is the
    class's logit (Equation 5), so the weights are those of a dense layer after
    global average pooling: a kernel (channels, classes) and a bias (classes,).

    Args:
        classes: Number of maps.
        fidelity: "paper"; or "code", as in the authors' published code: the
            mean over the channels instead of their sum, and the bias only in
            the logits.

    Input shape: (batch, rows, columns, channels).
    Output shape: (batch, rows, columns, classes), float32, unbounded.
    """

    def __init__(self, classes: int, fidelity: str = "paper", **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        check_fidelity(fidelity)
        self.classes = classes
        self.fidelity = fidelity

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.classes), name="kernel"
        )
        self.bias = self.add_weight(
            shape=(self.classes,), initializer="zeros", name="bias"
        )

    def call(self, inputs):
        if self.fidelity == "code":
            return ops.matmul(inputs, self.kernel / self.kernel.shape[0])
        return ops.matmul(inputs, self.kernel) + self.bias

    def logits(self, inputs):
        """Scores before the softmax, (batch, classes), float32."""
        averages = ops.mean(self(inputs), axis=(1, 2))
        return averages + self.bias if self.fidelity == "code" else averages

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.classes)

    def get_config(self) -> dict:
        config = super().get_config()
        config.pop("dtype", None)
        return {**config, "classes": self.classes, "fidelity": self.fidelity}
