"""What heads with an output per pixel have in common: a decoder of their own.

A head that reads full-resolution features needs none; from coarser ones it
decodes with a new symmetric decoder, joined to the finer ones it reads.
"""

import keras

from umsrep import layers
from umsrep.errors import UmsrepError
from umsrep.heads.base import Head


class DecodingHead(Head):
    """A head that brings features to the size of the image (abstract).

    A subclass calls `build_decoder` in `build` and `decode` in `call`, on the
    features in `decoded_names`.

    Args:
        name, features, loss: As of `Head`.
        filters: Of the decoder's first block; each block after it has half of
            the previous one's, but at least 8. None: half of the channels that
            a block reads, which after a wide encoder is a decoder of
            millions of parameters.
        strides, image_size: Stride of each decoded feature and (height,
            width) of the image; found from the representation.
    """

    def __init__(
        self,
        name,
        features,
        loss=None,
        filters=None,
        strides=None,
        image_size=None,
        **kwargs,
    ):
        super().__init__(name=name, features=features, loss=loss, **kwargs)
        if filters is not None and filters < 1:
            raise UmsrepError(
                f"Head '{name}': filters={filters}; expected a number of at "
                "least 1, or None."
            )
        self.filters = filters
        self.strides = None if strides is None else tuple(strides)
        self.image_size = None if image_size is None else tuple(image_size)
        self.upsampling = keras.layers.UpSampling2D(
            2, dtype=self.dtype_policy, name="upsampling"
        )
        self.blocks = []

    @property
    def decoded_names(self):
        """The features that are decoded, from coarse to fine."""
        return self.feature_names

    def attach(self, representation):
        super().attach(representation)
        if self.strides is None:
            self.strides = tuple(
                representation.stride(name) for name in self.decoded_names
            )
        if self.image_size is None:
            self.image_size = representation.image_shape[:2]
        coarsest = max(self.strides)
        if coarsest & (coarsest - 1):
            raise UmsrepError(
                f"Head '{self.name}': features={self.decoded_names} have the "
                f"strides {self.strides}, but its decoder doubles the size. "
                "Name a feature whose stride is a power of 2, such as 16."
            )
        for name, stride in zip(self.decoded_names, self.strides, strict=True):
            cells = tuple(representation.output[name].shape[1:3])
            if cells != self._size(stride):
                raise UmsrepError(
                    f"Head '{self.name}': feature '{name}' has {cells} cells, "
                    f"which do not cover the {self.image_size} pixels at "
                    f"stride {stride}: layers that do not pad lose the "
                    "border. Pad them (padding='same'), or choose a size at "
                    "which nothing is lost."
                )
        if list(self.strides) != sorted(set(self.strides), reverse=True):
            raise UmsrepError(
                f"Head '{self.name}': features={self.decoded_names} have the "
                f"strides {self.strides}. List them from coarse to fine, one "
                "per stride."
            )

    def build_decoder(self, shapes):
        """Builds the decoder; the shape that it gives.

        Args:
            shapes: Shape of each decoded feature.
        """
        decodes = self.strides is None or self.strides[0] > 1
        if decodes and None in (self.strides, self.image_size):
            raise UmsrepError(
                f"Head '{self.name}' does not know its features' strides. "
                "Build it through MultiTaskModel, or pass strides= and "
                "image_size=."
            )
        skips = dict(zip(self.strides[1:], shapes[1:], strict=True))
        shape, stride = tuple(shapes[0]), self.strides[0]
        # Keras takes a model with an unbuilt layer for unbuilt, every step.
        self.upsampling.build(shape)
        self.blocks = []
        while stride > 1:
            filters = max(shape[-1] // 2, 8)
            if self.filters is not None:
                filters = max(self.filters >> len(self.blocks), 8)
            block = layers.ConvBlock(
                filters, dtype=self.dtype_policy, name=f"block_{stride}"
            )
            block.build(shape)
            self.blocks.append(block)
            stride //= 2
            if stride in skips:
                filters += skips[stride][-1]
            shape = (shape[0], *self._size(stride), filters)
        return shape

    def decode(self, features, training=None):
        """(batch, height, width, n) from the decoded features."""
        skips = dict(zip(self.strides[1:], features[1:], strict=True))
        x, stride = features[0], self.strides[0]
        for block in self.blocks:
            x = self.upsampling(block(x, training=training))
            stride //= 2
            height, width = self._size(stride)
            x = x[:, :height, :width]
            if stride in skips:
                x = keras.ops.concatenate([x, skips[stride]], axis=-1)
        return x

    def _size(self, stride):
        return tuple(-(-n // stride) for n in self.image_size)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "strides": self.strides,
            "image_size": self.image_size,
        }
