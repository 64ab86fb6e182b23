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


@keras.saving.register_keras_serializable("umsrep")
class MaskedSquaredError(keras.losses.Loss):
    """Squared error averaged over the hidden pixels of one image.

    The loss of masked autoencoders (He et al. 2022, Section 3): visible pixels
    teach nothing, for they are there to be copied.

    Call arguments:
        y_true: (batch, height, width, channels), grey levels in [0, 1] where
            pixels were hidden, and -1 elsewhere.
        y_pred: The same shape.
    """

    def __init__(
        self,
        reduction: str = "mean_with_sample_weight",
        name: str = "masked_squared_error",
        **kwargs,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)

    def call(self, y_true, y_pred):
        true = ops.cast(y_true, "float32")
        hidden = ops.cast(true >= 0.0, "float32")
        error = ops.square(true - ops.cast(y_pred, "float32")) * hidden
        axes = (1, 2, 3)
        return ops.sum(error, axis=axes) / ops.maximum(
            ops.sum(hidden, axis=axes), 1.0
        )
