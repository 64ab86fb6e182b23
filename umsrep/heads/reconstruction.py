"""Reconstruction: the pre-processing task that builds a representation."""

import keras

from umsrep import losses
from umsrep.heads.base import registry
from umsrep.heads.decoding import DecodingHead


@registry.register("reconstruction")
class ReconstructionHead(DecodingHead):
    """Grey levels in [0, 1] from decoded features (UMS-Rep, Figure 6).

    One 3x3 convolution, then the inverse of the intensity normalisation, so
    that the output is comparable with the clean image. From a coarser feature
    than the image a new decoder of the head comes before it, as of a
    `SegmentationHead`.

    Args:
        name: The task, usually "denoised".
        channels: Channels of the image to reconstruct.
        features: The decoded feature (or coarser ones, from coarse to fine),
            and the intensity statistics.
        loss: Default: mean squared error.
        filters, strides, image_size: As of `DecodingHead`.

    Input: (batch, height, width, n) and (batch, 2).
    Output shape: (batch, height, width, channels), float32.
    """

    kind = "image"

    def __init__(
        self,
        name="denoised",
        channels=1,
        features=("decoded", "intensity"),
        loss=None,
        **kwargs,
    ):
        super().__init__(name=name, features=features, loss=loss, **kwargs)
        self.channels = channels
        self.convolution = keras.layers.Conv2D(
            channels,
            3,
            padding="same",
            dtype=self.dtype_policy,
            name="convolution",
        )

    def default_loss(self):
        return losses.MeanSquaredError()

    @property
    def decoded_names(self):
        return self.feature_names[:-1]

    def build(self, input_shape):
        if self.strides is None and self.decoded_names == ("decoded",):
            # Models saved before do not say so.
            self.strides = (1,)
        self.convolution.build(self.build_decoder(input_shape[:-1]))

    def call(self, features, training=None):
        *coarse_to_fine, intensity = features
        decoded = self.decode(coarse_to_fine, training=training)
        x = keras.ops.cast(self.convolution(decoded), "float32")
        # Not intensity[:, 0, None, None, None]: TensorFlow 2.21's CPU graph
        # takes that for a bias when the batch size equals the channels, and
        # the gradient of the convolution fails.
        intensity = keras.ops.cast(intensity, "float32")
        intensity = keras.ops.reshape(intensity, (-1, 2, 1, 1, 1))
        return x * intensity[:, 1] + intensity[:, 0]

    def compute_output_spec(self, features, training=None):
        batch, *size, _ = features[0].shape
        shape = (batch, *(self.image_size or size), self.channels)
        return keras.KerasTensor(shape, dtype="float32")

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}
