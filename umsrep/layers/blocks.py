"""The convolution block shared by encoders, decoders and heads."""

import keras

from umsrep.keras_import import BeginsFile
from umsrep.layers.batch_normalization import BatchNormalization


@keras.saving.register_keras_serializable("umsrep")
class ConvBlock(BeginsFile, keras.layers.Layer):
    """Convolution (with bias), batch normalisation, ReLU.

    Args:
        filters: Number of output channels.
        kernel_size: Side of the square kernel.
        strides: Stride of the convolution (2 replaces pooling, as in UMS-Rep
            Section 4.1.1).
        dilation_rate: Dilation of the kernel.

    Input shape: (batch, height, width, channels).
    Output shape: (batch, ceil(height / strides), ceil(width / strides),
    filters).
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        strides: int = 1,
        dilation_rate: int = 1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.dilation_rate = dilation_rate
        self.convolution = keras.layers.Conv2D(
            filters,
            kernel_size,
            strides=strides,
            dilation_rate=dilation_rate,
            padding="same",
            dtype=self.dtype_policy,
            name="convolution",
        )
        self.normalization = BatchNormalization(
            dtype=self.dtype_policy, name="normalization"
        )

    @property
    def spatial_layer(self):
        """What decides where in the image the output's cells lie."""
        return self.convolution

    def build(self, input_shape):
        self.convolution.build(input_shape)
        self.normalization.build(
            self.convolution.compute_output_shape(input_shape)
        )

    def call(self, inputs, training=None):
        outputs = self.convolution(inputs)
        outputs = self.normalization(outputs, training=training)
        return keras.ops.relu(outputs)

    def compute_output_shape(self, input_shape):
        return self.convolution.compute_output_shape(input_shape)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "dilation_rate": self.dilation_rate,
        }
