"""What heads of label tasks have in common."""

import keras
from keras import ops

from umsrep import losses
from umsrep.errors import UmsrepError
from umsrep.heads.base import Head


class LabelHead(Head):
    """Class probabilities from scores (abstract).

    A subclass implements `logits(features, training=None)`: (batch,
    num_classes) float32, before the softmax.

    Args:
        num_classes: At least 2.
        name, features, loss: As of `Head`; default loss: categorical
            cross-entropy.

    Output shape: (batch, num_classes), float32, sums to 1.
    """

    kind = "label"

    def __init__(self, num_classes, name, features, loss=None, **kwargs):
        super().__init__(name=name, features=features, loss=loss, **kwargs)
        if num_classes < 2:
            raise UmsrepError(
                f"Head '{name}': num_classes={num_classes}; expected at least "
                "2 (a yes/no task has two classes)."
            )
        self.num_classes = num_classes

    def default_loss(self):
        return losses.CategoricalCrossentropy()

    def logits(self, features, training=None):
        """Scores before the softmax, (batch, num_classes), float32."""
        raise NotImplementedError

    @property
    def map_feature(self):
        """The feature whose cells its class activation maps have."""
        return self.feature_names[0]

    def call(self, features, training=None):
        return ops.softmax(self.logits(features, training=training))

    def compute_output_spec(self, features, training=None):
        shape = (features[0].shape[0], self.num_classes)
        return keras.KerasTensor(shape, dtype="float32")

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}
