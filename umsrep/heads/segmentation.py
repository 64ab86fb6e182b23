"""Segmentation heads."""

import keras

from umsrep import layers, losses
from umsrep.errors import UmsrepError
from umsrep.heads.base import Head, registry


@registry.register("segmentation")
class SegmentationHead(Head):
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
        strides, image_size: Stride of each feature and (height, width) of
            the image; found from the representation.

    Output shape: (batch, height, width, 1), float32 in [0, 1].
    """

    kind = "mask"

    def __init__(
        self,
        name,
        features="decoded",
        loss=None,
        strides=None,
        image_size=None,
        **kwargs,
    ):
        super().__init__(name=name, features=features, loss=loss, **kwargs)
        self.strides = None if strides is None else tuple(strides)
        self.image_size = None if image_size is None else tuple(image_size)
        self.neuron = keras.layers.Conv2D(
            1, 3, padding="same", dtype=self.dtype_policy, name="neuron"
        )
        self.upsampling = keras.layers.UpSampling2D(
            2, dtype=self.dtype_policy, name="upsampling"
        )
        self.blocks = []

    def default_loss(self):
        return losses.BCEDice()

    def attach(self, representation):
        super().attach(representation)
        if self.strides is None:
            self.strides = tuple(
                representation.stride(name) for name in self.feature_names
            )
        if self.image_size is None:
            self.image_size = representation.image_shape[:2]
        for name, stride in zip(self.feature_names, self.strides, strict=True):
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
                f"Head '{self.name}': features={self.feature_names} have the "
                f"strides {self.strides}. List them from coarse to fine, one "
                "per stride."
            )

    def build(self, input_shape):
        if self.strides is None or self.image_size is None:
            raise UmsrepError(
                f"Head '{self.name}' does not know its features' strides. "
                "Build it through MultiTaskModel, or pass strides= and "
                "image_size=."
            )
        skips = dict(zip(self.strides[1:], input_shape[1:], strict=True))
        shape, stride = tuple(input_shape[0]), self.strides[0]
        # Keras takes a model with an unbuilt layer for unbuilt, every step.
        self.upsampling.build(shape)
        self.blocks = []
        while stride > 1:
            filters = max(shape[-1] // 2, 8)
            block = layers.ConvBlock(
                filters, dtype=self.dtype_policy, name=f"block_{stride}"
            )
            block.build(shape)
            self.blocks.append(block)
            stride //= 2
            if stride in skips:
                filters += skips[stride][-1]
            shape = (shape[0], *self._size(stride), filters)
        self.neuron.build(shape)

    def call(self, features, training=None):
        skips = dict(zip(self.strides[1:], features[1:], strict=True))
        x, stride = features[0], self.strides[0]
        for block in self.blocks:
            x = self.upsampling(block(x, training=training))
            stride //= 2
            height, width = self._size(stride)
            x = x[:, :height, :width]
            if stride in skips:
                x = keras.ops.concatenate([x, skips[stride]], axis=-1)
        return keras.ops.sigmoid(keras.ops.cast(self.neuron(x), "float32"))

    def compute_output_spec(self, features, training=None):
        shape = (features[0].shape[0], *self.image_size, 1)
        return keras.KerasTensor(shape, dtype="float32")

    def _size(self, stride):
        return tuple(-(-n // stride) for n in self.image_size)

    def get_config(self):
        return {
            **super().get_config(),
            "strides": self.strides,
            "image_size": self.image_size,
        }
