"""A head without layers: a result that the representation brings along."""

import keras

from umsrep import losses
from umsrep.heads.base import Head


@keras.saving.register_keras_serializable("umsrep")
class ResultHead(Head):
    """Passes a picture on that the representation has already predicted.

    Such as the mask by which a `representations.Focused` looks at an image,
    so that it is a task of the model like any other.

    Args:
        name: The task.
        features: The feature that is the result.
        result: The kind of the task: "mask" or "map".
        loss: As of `Head`; nothing is learnt by it.

    Output shape: that of the feature, float32.
    """

    def __init__(self, name, features, result="mask", loss=None, **kwargs):
        self.kind = result
        super().__init__(name=name, features=features, loss=loss, **kwargs)

    def default_loss(self):
        return losses.BCEDice()

    def call(self, features):
        return keras.ops.cast(features[0], "float32")

    def compute_output_spec(self, features):
        return keras.KerasTensor(features[0].shape, dtype="float32")

    def get_config(self):
        return {**super().get_config(), "result": self.kind}
