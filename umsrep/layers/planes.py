"""Further planes of an image."""

import keras
from keras import ops

from umsrep.keras_import import BeginsFile


@keras.saving.register_keras_serializable("umsrep")
class WithOnes(BeginsFile, keras.layers.Layer):
    """A plane of ones behind the channels of an image.

    A convolution that pads can tell with it where the image ends, and so
    weighs a constant as it weighs the image.

    Output shape: (batch, height, width, channels + 1).
    """

    def call(self, images):
        ones = ops.ones_like(images[..., :1])
        return ops.concatenate([images, ones], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 1)
