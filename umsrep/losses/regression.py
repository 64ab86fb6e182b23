"""Regression losses."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("umsrep")
class StandardizedHuber(keras.losses.Loss):
    """Huber's loss (1964) of errors in units of a scale, per image.

    With `e = (predicted - true) / scale`: `e^2 / 2` where `|e| <= delta`, and
    `delta (|e| - delta / 2)` beyond, so that a wrong label does not decide.
    The scale makes the loss of an age in years and of one in days the same,
    so that it balances with those of other tasks.

    Args:
        scale: In the unit of the values, above 0; the standard deviation of
            the training labels is usual (`RegressionHead.adapt`).
        delta: In scales; None is the squared error.

    Call arguments:
        y_true, y_pred: (batch, 1) or (batch,).
    """

    def __init__(
        self,
        scale=1.0,
        delta=1.0,
        reduction="mean_with_sample_weight",
        name="standardized_huber",
        **kwargs,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.scale = scale
        self.delta = delta

    def call(self, y_true, y_pred):
        true, predicted = (
            ops.reshape(ops.cast(y, "float32"), (-1,)) for y in (y_true, y_pred)
        )
        error = ops.abs(predicted - true) / self.scale
        squared = ops.square(error) / 2
        if self.delta is None:
            return squared
        linear = self.delta * (error - self.delta / 2)
        return ops.where(error <= self.delta, squared, linear)

    def get_config(self):
        return {
            **super().get_config(),
            "scale": self.scale,
            "delta": self.delta,
        }
