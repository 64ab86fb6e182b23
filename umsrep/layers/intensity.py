"""Intensity normalisation inside the model.

It belongs to the exported graph, so that a saved model takes images as they
are stored on disk.
"""

import keras
from keras import ops

from umsrep.errors import UmsrepError
from umsrep.keras_import import BeginsFile

METHODS = ("percentile", "mean", "none")
# What brings normalised grey levels back to [0, 1], where they are around 0.
CENTRES = {"percentile": 0.5, "mean": 0.5, "none": 0.0}


@keras.saving.register_keras_serializable("umsrep")
class IntensityNormalization(BeginsFile, keras.layers.Layer):
    """Maps each image's grey levels to a common range.

    Args:
        method: How offset and scale of `(x - offset) / scale` are found, per
            image, from x in [0, 1]:

            - "percentile": the offset is halfway between the 1st and the 99th
              percentile, and the scale is the distance between them, so that
              another hospital's exposure, windowing and burnt-in markers
              matter little. Percentiles come from a grid of about 64 x 64
              pixels.
            - "mean": mean normalisation (UMS-Rep Section 3.1.1): the offset is
              the mean, the scale the range (maximum minus minimum).
            - "none": offset 0, scale 1.
        maximum: Grey level of white in the input.

    Call arguments:
        images: (batch, height, width, channels), in [0, maximum].

    Returns:
        The normalised images, float32, of the same shape; and (batch, 2)
        float32, offset and scale, for heads that convert back to grey levels.
        A constant image gets the scale 1/255, so that nothing is divided by
        zero.
    """

    def __init__(
        self, method: str = "percentile", maximum: float = 255.0, **kwargs
    ):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if method not in METHODS:
            raise UmsrepError(
                f"method='{method}' is not an intensity normalisation. "
                f"Choose one of {', '.join(METHODS)}."
            )
        self.method = method
        self.maximum = maximum

    def call(self, images):
        images = ops.cast(images, "float32") / self.maximum
        if self.method == "none":
            count = ops.shape(images)[0]
            offset, scale = ops.zeros((count,)), ops.ones((count,))
        else:
            offset, scale = self._statistics(images)
            # Less than one grey level of contrast carries no picture.
            scale = ops.maximum(scale, 1.0 / 255.0)
        normalised = (images - offset[:, None, None, None]) / scale[
            :, None, None, None
        ]
        return normalised, ops.stack([offset, scale], axis=1)

    def _statistics(self, images):
        axes = (1, 2, 3)
        if self.method == "mean":
            low = ops.min(images, axis=axes, keepdims=True)
            # Measured from the minimum, so that the sum of a constant image
            # has no rounding error that its small scale would magnify.
            mean = ops.mean(images - low, axis=axes)
            low = ops.reshape(low, (-1,))
            return low + mean, ops.max(images, axis=axes) - low
        step_y = max(1, images.shape[1] // 64)
        step_x = max(1, images.shape[2] // 64)
        grid = images[:, ::step_y, ::step_x, :1]
        size = grid.shape[1] * grid.shape[2]
        grid = ops.sort(ops.reshape(grid, (-1, size)), axis=1)
        low = grid[:, round(0.01 * (size - 1))]
        high = grid[:, round(0.99 * (size - 1))]
        return (low + high) / 2.0, high - low

    def compute_output_shape(self, input_shape):
        return tuple(input_shape), (input_shape[0], 2)

    def compute_output_spec(self, images):
        shape, statistics = self.compute_output_shape(images.shape)
        return (
            keras.KerasTensor(shape, dtype="float32"),
            keras.KerasTensor(statistics, dtype="float32"),
        )

    def get_config(self) -> dict:
        config = super().get_config()
        config.pop("dtype", None)
        return {**config, "method": self.method, "maximum": self.maximum}
