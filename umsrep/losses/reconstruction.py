"""Reconstruction losses."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("umsrep")
class MeanSquaredError(keras.losses.Loss):
    """Squared error averaged over the pixels of one image.

    Call arguments:
        y_true, y_pred: (batch, height, width, channels), grey levels in
            [0, 1].
    """

    def __init__(
        self,
        reduction: str = "mean_with_sample_weight",
        name: str = "mean_squared_error",
        **kwargs,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)

    def call(self, y_true, y_pred):
        error = ops.cast(y_true, "float32") - ops.cast(y_pred, "float32")
        return ops.mean(ops.square(error), axis=(1, 2, 3))
