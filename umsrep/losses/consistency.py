"""The loss between two predictions of one image."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("umsrep")
class ConsistencySquaredError(keras.losses.Loss):
    """Squared difference of two predictions, averaged over one image.

    The consistency cost of mean teachers (Tarvainen & Valpola 2017, Section
    3: the mean squared error of probabilities).

    Call arguments:
        y_true, y_pred: (batch, ...), predictions of the same shape.
    """

    def __init__(
        self,
        reduction: str = "mean_with_sample_weight",
        name: str = "consistency_squared_error",
        **kwargs,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)

    def call(self, y_true, y_pred):
        error = ops.cast(y_true, "float32") - ops.cast(y_pred, "float32")
        axes = tuple(range(1, len(error.shape)))
        return ops.mean(ops.square(error), axis=axes)
