"""The layers of a serving model around its networks."""

import keras
from keras import ops

from umsrep.data.frame import FITS
from umsrep.errors import UmsrepError
from umsrep.export import resampling
from umsrep.keras_import import BeginsFile


class _Geometry(BeginsFile, keras.layers.Layer):
    """What the way in and the way back share (abstract)."""

    def __init__(self, size, fit="stretch", **kwargs):
        kwargs["dtype"] = "float32"
        # An image of bytes stays one until `call`.
        super().__init__(autocast=False, **kwargs)
        if fit not in FITS:
            raise UmsrepError(
                f"fit='{fit}' is unknown. Choose one of {', '.join(FITS)}."
            )
        self.size = tuple(size)
        self.fit = fit

    def matrices(self, images, kind):
        """The weights of rows and of columns for images of this shape."""
        shape = ops.shape(images)[1:3]
        inner = resampling.inner_size(shape, self.size, self.fit)
        offset = resampling.offset_of(self.size, inner)
        return [
            kind(*axis)
            for axis in zip(shape, self.size, inner, offset, strict=True)
        ]

    def get_config(self):
        config = super().get_config()
        config.pop("dtype", None)
        return {**config, "size": self.size, "fit": self.fit}


@keras.saving.register_keras_serializable("umsrep")
class FrameImage(_Geometry):
    """Images of any size as the network sees them: `Frame.image`.

    Args:
        size: (height, width) of the network's image.
        fit: "stretch" or "pad".

    Input shape: (batch, any height, any width), grey levels in [0, 255].
    Output shape: (batch, height, width, 1), float32, whole grey levels.
    """

    def call(self, images):
        rows, columns = self.matrices(images, resampling.entering)
        images = ops.cast(images, "float32")
        values = ops.matmul(images, ops.transpose(columns))
        values = ops.matmul(rows, values)
        values = ops.clip(ops.round(values), 0.0, 255.0)
        # Converters need the size, which is lost behind dynamic matrices.
        return ops.reshape(values, (images.shape[0] or -1, *self.size, 1))

    def compute_output_spec(self, images):
        return keras.KerasTensor(
            (images.shape[0], *self.size, 1), dtype="float32"
        )


@keras.saving.register_keras_serializable("umsrep")
class FrameRestore(_Geometry):
    """Results at the image's own size: `Frame.restore`.

    Args:
        size, fit: As `FrameImage`.
        distribution: Divide by the sum afterwards.

    Call arguments:
        values: (batch, height, width, 1), float32.
        images: (batch, own height, own width).

    Output shape: that of `images`, float32.
    """

    def __init__(self, size, fit="stretch", distribution=False, **kwargs):
        super().__init__(size, fit, **kwargs)
        self.distribution = distribution

    def call(self, values, images):
        rows, columns = self.matrices(images, resampling.leaving)
        restored = ops.matmul(values[..., 0], ops.transpose(columns))
        restored = ops.matmul(rows, restored)
        if self.distribution:
            # The same sum over far fewer numbers: runtimes that add up the
            # pixels of a radiograph one by one lose digits.
            by_row, by_column = ops.sum(rows, axis=0), ops.sum(columns, axis=0)
            total = ops.matmul(ops.matmul(values[..., 0], by_column), by_row)
            restored = restored / total[:, None, None]
        return restored

    def compute_output_spec(self, values, images):
        return keras.KerasTensor(images.shape, dtype="float32")

    def get_config(self):
        return {**super().get_config(), "distribution": self.distribution}


@keras.saving.register_keras_serializable("umsrep")
class GreyLevels(BeginsFile, keras.layers.Layer):
    """A denoiser's [0, 1] as whole grey levels, as `denoise_images` does.

    Output shape: that of the first channel, (batch, height, width, 1).
    """

    def __init__(self, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)

    def call(self, images):
        return ops.round(ops.clip(images[..., :1] * 255.0, 0.0, 255.0))

    def compute_output_spec(self, images):
        return keras.KerasTensor((*images.shape[:-1], 1), dtype="float32")

    def get_config(self):
        config = super().get_config()
        config.pop("dtype", None)
        return config
