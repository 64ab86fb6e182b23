"""Saliency losses."""

import keras
from keras import ops

# Far below any probability that matters (uniform over a million pixels is
# 1e-6); its logarithm and its reciprocal are finite in float32.
SMALLEST = 1e-30


@keras.saving.register_keras_serializable("umsrep")
class KLDivergence(keras.losses.Loss):
    """`KLD(target || predicted)` of two maps, in nats, per image.

    `L_s = H(t, p) - H(t) = sum t ln(t / p)` over the pixels (MT-UNet, Equation
    2). The target is normalised to sum 1, `0 ln 0 = 0`, and a target that is 0
    everywhere costs nothing.

    Call arguments:
        y_true: (batch, height, width, 1), at least 0.
        y_pred: The same shape, each map summing to 1.
    """

    def __init__(
        self,
        reduction: str = "mean_with_sample_weight",
        name: str = "kl_divergence",
        **kwargs,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)

    def call(self, y_true, y_pred):
        y_true = ops.cast(y_true, "float32")
        y_pred = ops.cast(y_pred, "float32")
        axes = (1, 2, 3)
        total = ops.sum(y_true, axis=axes, keepdims=True)
        true = y_true / ops.maximum(total, SMALLEST)
        ratio = ops.log(ops.maximum(true, SMALLEST)) - ops.log(
            ops.maximum(y_pred, SMALLEST)
        )
        return ops.sum(true * ratio, axis=axes)
