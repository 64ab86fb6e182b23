"""Saliency heads."""

import keras
from keras import ops

from umsrep import layers, losses
from umsrep.cells import Cells
from umsrep.errors import UmsrepError
from umsrep.heads.base import Head, registry


@registry.register("saliency")
class SaliencyHead(Head):
    """Where people look: a distribution over all pixels.

    A 3x3 convolution block as wide as the feature, a 1x1 convolution to one
    map, and a softmax over all pixels of the image (MT-UNet, Section 3.1).
    On a U-Net's "decoded" of 64 channels: 37,121 trainable parameters. From a
    coarser feature, the map before the softmax is enlarged bilinearly, each
    cell's value at the centre of its receptive field.

    Several features are brought to `width` channels by 1x1 convolutions, to
    the cells of the finest by bilinear enlargement, and added (Lin et al. 2017,
    "Feature pyramid networks for object detection", Section 3).

    Args:
        name: The task.
        features: Name of the feature it reads, or several names, the finest
            last.
        loss: Default: the KL divergence (MT-UNet, Equation 2).
        width: Channels to which several features are brought.
        stride, image_size: Stride of the (finest) feature and (height, width)
            of the image; found from the representation.
        offset: (row, column) of the first cell's centre in pixels (see
            `umsrep.Cells`); found from the representation together with the
            stride. None is a cell that begins at the image's border.

    Output shape: (batch, height, width, 1), float32, each map sums to 1.
    """

    kind = "map"

    def __init__(
        self,
        name,
        features="decoded",
        loss=None,
        width=64,
        stride=None,
        image_size=None,
        offset=None,
        **kwargs,
    ):
        super().__init__(name=name, features=features, loss=loss, **kwargs)
        self.width = width
        self.stride = stride
        self.image_size = None if image_size is None else tuple(image_size)
        self.offset = None if offset is None else tuple(offset)
        self.block = None
        several = len(self.feature_names) > 1
        self.laterals = [
            keras.layers.Conv2D(
                width, 1, dtype=self.dtype_policy, name=f"lateral_{number}"
            )
            for number in range(len(self.feature_names) if several else 0)
        ]
        self.map = keras.layers.Conv2D(
            1, 1, dtype=self.dtype_policy, name="map"
        )

    def default_loss(self):
        return losses.KLDivergence()

    def attach(self, representation):
        super().attach(representation)
        if self.stride is None:
            feature = self.feature_names[-1]
            strides = [representation.stride(n) for n in self.feature_names]
            if strides != sorted(strides, reverse=True):
                raise UmsrepError(
                    f"Head '{self.name}': features={self.feature_names} have "
                    f"the strides {tuple(strides)}. List them from coarse to "
                    "fine."
                )
            self.stride = strides[-1]
            cells = representation.cells(feature)
            begins_at_border = ((self.stride - 1) / 2,) * 2
            if (
                cells.stride == (self.stride,) * 2
                and cells.offset != begins_at_border
            ):
                self.offset = cells.offset
        if self.image_size is None:
            self.image_size = tuple(representation.image_shape[:2])

    def build(self, input_shape):
        shape = tuple(input_shape[-1])
        for lateral, one in zip(self.laterals, input_shape, strict=False):
            lateral.build(tuple(one))
            shape = (*shape[:3], self.width)
        self.block = layers.ConvBlock(
            shape[-1], dtype=self.dtype_policy, name="block"
        )
        self.block.build(shape)
        self.map.build(shape)
        if self.image_size is None:
            self.image_size = shape[1:3]

    def call(self, features, training=None):
        x = self._joined(features)
        x = self.map(self.block(x, training=training))
        # Small probabilities have no digits left in half precision.
        x = ops.cast(x, "float32")
        height, width = self.image_size
        if tuple(x.shape[1:3]) != (height, width):
            x = self._enlarged(x)
        flat = ops.softmax(ops.reshape(x, (-1, height * width)))
        return ops.reshape(flat, (-1, height, width, 1))

    def _joined(self, features):
        """All features on the cells of the finest."""
        if not self.laterals:
            return features[0]
        size = tuple(features[-1].shape[1:3])
        total = 0
        for lateral, feature in zip(self.laterals, features, strict=True):
            x = lateral(feature)
            if tuple(x.shape[1:3]) != size:
                x = ops.image.resize(x, size, "bilinear")
            total = total + x
        return total

    def _enlarged(self, x):
        """Maps of cells at the size of the image."""
        height, width = self.image_size
        rows, columns = x.shape[1:3]
        stride = self.stride or -(-height // rows)
        if self.offset is not None:
            cells = Cells(
                (rows, columns), self.image_size, (stride, stride), self.offset
            )
            x = ops.matmul(cells.interpolation(0), x[..., 0])
            return ops.matmul(x, cells.interpolation(1).T)[..., None]
        whole = (-(-height // stride), -(-width // stride))
        size = (height, width)
        if (rows, columns) == whole:
            # The last cells may reach over the border.
            size = (rows * stride, columns * stride)
        return ops.image.resize(x, size, "bilinear")[:, :height, :width]

    def compute_output_spec(self, features, training=None):
        shape = (features[0].shape[0], *self.image_size, 1)
        return keras.KerasTensor(shape, dtype="float32")

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "stride": self.stride,
            "image_size": self.image_size,
            "offset": self.offset,
        }
