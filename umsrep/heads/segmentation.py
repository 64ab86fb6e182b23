"""Segmentation heads."""

import keras

from umsrep import losses
from umsrep.heads.base import registry
from umsrep.heads.decoding import DecodingHead


@registry.register("segmentation")
class SegmentationHead(DecodingHead):
    """A probability per pixel.

    - `features="decoded"`: one 3x3 convolution with a sigmoid on the
      representation's decoder (UMS-Rep Section 4.1.2: the autoencoder with its
      last convolution replaced by one neuron; the decoder starts from the
      autoencoder's).
    - any coarser feature, or several from coarse to fine, such as
      `("bottleneck", "stage3", "stage2", "stage1")`: a new symmetric decoder
      belongs to the head, with the finer features joined by concatenation.

    Args:
        name: The task.
        features: See above.
        loss: Default: BCE + Dice (UMS-Rep, Equation 1).
        filters, strides, image_size: As of `DecodingHead`.

    Output shape: (batch, height, width, 1), float32 in [0, 1].
    """

    kind = "mask"

    def __init__(self, name, features="decoded", loss=None, **kwargs):
        super().__init__(name=name, features=features, loss=loss, **kwargs)
        self.neuron = keras.layers.Conv2D(
            1, 3, padding="same", dtype=self.dtype_policy, name="neuron"
        )

    def default_loss(self):
        return losses.BCEDice()

    def build(self, input_shape):
        self.neuron.build(self.build_decoder(input_shape))

    def call(self, features, training=None):
        x = self.neuron(self.decode(features, training=training))
        return keras.ops.sigmoid(keras.ops.cast(x, "float32"))

    def compute_output_spec(self, features, training=None):
        shape = (features[0].shape[0], *self.image_size, 1)
        return keras.KerasTensor(shape, dtype="float32")
