"""Intensity normalisation inside the model.

It belongs to the exported graph, so that a saved model takes images as they
are stored on disk.
"""

import keras
from keras import ops

from umsrep.errors import UmsrepError
from umsrep.keras_import import BeginsFile

METHODS = ("percentile", "mean", "rank", "none")
# What brings normalised grey levels back to [0, 1], where they are around 0.
CENTRES = {"percentile": 0.5, "mean": 0.5, "rank": 0.5, "none": 0.0}
# The ranks are of so many grey levels, in a table of rows and columns.
_LEVELS = 256
_ROWS = 16
# Ranks come from a grid of about so many pixels a side.
_GRID = 64


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
            - "rank": histogram equalisation, so not an affine map: each pixel
              has the share of pixels that are darker (and half of those
              equally dark), minus one half. Any increasing curve of tone
              leaves it as it is, up to the 256 levels that are told apart;
              equal pixels stay equal. The darkest and the brightest level
              present have the ranks 0 and 1 and are counted out, as black
              borders and saturated marks would take the range of what lies
              between. Linear between levels, so that gradients pass. Ranks
              come from a grid of about 64 x 64 pixels; offset and scale
              are those of "percentile", a way back that ignores the curve.
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
        statistics = ops.stack([offset, scale], axis=1)
        if self.method == "rank":
            return _ranks(images) - 0.5, statistics
        normalised = (images - offset[:, None, None, None]) / scale[
            :, None, None, None
        ]
        return normalised, statistics

    def _statistics(self, images):
        axes = (1, 2, 3)
        if self.method == "mean":
            low = ops.min(images, axis=axes, keepdims=True)
            # Measured from the minimum, so that the sum of a constant image
            # has no rounding error that its small scale would magnify.
            mean = ops.mean(images - low, axis=axes)
            low = ops.reshape(low, (-1,))
            return low + mean, ops.max(images, axis=axes) - low
        grid = ops.sort(_grid(images, 64), axis=1)
        size = grid.shape[1]
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


def _grid(images, side):
    """(batch, pixels) of the first channel, about `side` x `side` of them."""
    step_y = max(1, images.shape[1] // side)
    step_x = max(1, images.shape[2] // side)
    grid = images[:, ::step_y, ::step_x, :1]
    return ops.reshape(grid, (-1, grid.shape[1] * grid.shape[2]))


def _ranks(images):
    """The share of pixels that are darker than each, in [0, 1].

    Args:
        images: (batch, height, width, channels) in [0, 1].
    """
    table = _table_of_ranks(_grid(images, _GRID))
    places = ops.clip(images * (_LEVELS - 1), 0.0, _LEVELS - 1.0)
    # Of white, the upper one of two levels.
    below = ops.minimum(ops.floor(places), _LEVELS - 2.0)
    part = places - below
    first = ops.arange(ops.shape(images)[0]) * _LEVELS
    index = ops.cast(below, "int32") + ops.cast(
        ops.reshape(first, (-1, 1, 1, 1)), "int32"
    )
    flat = ops.reshape(table, (-1,))
    low, high = ops.take(flat, index), ops.take(flat, index + 1)
    return low + part * (high - low)


def _table_of_ranks(grid):
    """(batch, 256): the rank of each grey level among pixels in [0, 1]."""
    levels = ops.round(grid * (_LEVELS - 1))
    levels = ops.clip(levels, 0.0, _LEVELS - 1.0)
    lowest = ops.min(levels, axis=1, keepdims=True)
    highest = ops.max(levels, axis=1, keepdims=True)
    between = ops.logical_and(levels > lowest, levels < highest)
    counted = ops.cast(between, "float32")
    # Of two levels or one, there is nothing between: all count.
    empty = ops.cast(ops.max(counted, axis=1, keepdims=True) == 0, "float32")
    counted = ops.maximum(counted, empty)
    # A table of 16 x 16, counted by a product of two small one-hot matrices.
    row = ops.floor(levels / _ROWS)
    rows = ops.one_hot(ops.cast(row, "int32"), _ROWS, dtype="float32")
    column = ops.cast(levels - row * _ROWS, "int32")
    columns = ops.one_hot(column, _ROWS, dtype="float32")
    rows = rows * counted[:, :, None]
    counts = ops.matmul(ops.transpose(rows, (0, 2, 1)), columns)
    counts = ops.reshape(counts, (-1, _LEVELS))
    darker = ops.cumsum(counts, axis=1) - counts
    total = ops.sum(counts, axis=1, keepdims=True)
    return (darker + counts / 2.0) / total
