"""Classification losses."""

import keras
from keras import ops

from umsrep.errors import UmsrepError


@keras.saving.register_keras_serializable("umsrep")
class CategoricalCrossentropy(keras.losses.Loss):
    """Categorical cross-entropy of class indices, in nats, per image.

    Args:
        label_smoothing: Share of the target spread evenly over all classes,
            in [0, 1).

    Call arguments:
        y_true: (batch,) or (batch, 1), class indices.
        y_pred: (batch, classes), probabilities.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        reduction: str = "mean_with_sample_weight",
        name: str = "categorical_crossentropy",
        **kwargs,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        if not 0 <= label_smoothing < 1:
            raise UmsrepError(
                f"label_smoothing={label_smoothing}: expected a share in "
                "[0, 1), for example 0.1."
            )
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        y_pred = ops.cast(y_pred, "float32")
        classes = y_pred.shape[-1]
        indices = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        target = ops.one_hot(indices, classes, dtype="float32")
        smooth = self.label_smoothing
        target = target * (1.0 - smooth) + smooth / classes
        return -ops.sum(target * ops.log(ops.clip(y_pred, 1e-7, 1.0)), axis=-1)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
        }
