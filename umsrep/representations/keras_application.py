"""Backbones of `keras.applications` as representations."""

from umsrep.representations.applications import backbone
from umsrep.representations.base import Representation, registry


@registry.register("keras_application")
class KerasApplication(Representation):
    """The convolutional part of a network of `keras.applications`.

    These are the networks that MT-UNet is compared with (Section 5.1:
    "resnet50", "inception_resnet_v2", "efficientnetv2s") and the kinds of
    backbone that GG-CAM uses. Their weights are newly initialised; pretrained
    weights are not downloaded. At width 1, depth 1 and three channels the
    weights are those of the Keras model without its top, in the same order.
    Differences from it:

    - Grey levels are normalised by `layers.IntensityNormalization` instead of
      the application's own preprocessing, and the images may have one channel:
      the first convolution then takes one.
    - Batch normalisation is `layers.BatchNormalization` with momentum 0.9.
      With Keras's default of 0.99 it takes hundreds of steps before the moving
      statistics, and so the validation, mean anything.
    - Sizes are rounded up at every stage, so that a grid covers the whole
      image: the poolings of "vgg16" and the convolutions and poolings of
      "inception_resnet_v2" pad ("same"), which changes nothing for "vgg16" at
      multiples of 32, but gives "inception_resnet_v2" larger grids than Keras
      (8x8 cells of 256x256 pixels instead of 6x6).

    Features: "stage1" ... "stage5" at strides 2, 4, 8, 16 and 32 ("vgg16":
    "stage1" ... "stage6" from stride 1 on, the last being its fifth pooling),
    "bottleneck" (the last stage), "intensity". There is no "decoded":
    `SegmentationHead("lung", features=representation.stages)` brings its own
    decoder.

    Args:
        architecture: "resnet50" (He et al. 2016), "efficientnetv2s" (Tan and
            Le 2021), "inception_resnet_v2" (Szegedy et al. 2017) or "vgg16"
            (Simonyan and Zisserman 2015).
        image_shape: (height, width, channels); at least 32 pixels a side (75
            for "inception_resnet_v2"), 1 or 3 channels. Grey levels in
            [0, 255].
        output_stride: 32, or 16 or 8 for finer grids (class activation maps):
            strides beyond it become 1. Nothing is dilated in return, so the
            later stages see a smaller part of the image than at 32.
        width: Scale of all numbers of filters, a multiple of 1/32.
        depth: Share of the residual blocks of each stage to keep, rounded up;
            for "resnet50" and "efficientnetv2s". width=0.25, depth=0.3 makes
            a network that trains on a CPU.
        normalization: Method of `layers.IntensityNormalization`.
    """

    def __init__(
        self,
        architecture: str = "resnet50",
        image_shape: tuple[int, int, int] = (256, 256, 1),
        output_stride: int = 32,
        width: float = 1.0,
        depth: float = 1.0,
        normalization: str = "percentile",
        name: str = "keras_application",
        **kwargs,
    ):
        config = {
            "architecture": architecture,
            "image_shape": tuple(image_shape),
            "output_stride": output_stride,
            "width": width,
            "depth": depth,
            "normalization": normalization,
        }
        images, outputs, _ = backbone(**config)
        super().__init__(inputs=images, outputs=outputs, name=name, **kwargs)
        self._config = config

    def get_config(self) -> dict:
        return {**self._config, "name": self.name}
