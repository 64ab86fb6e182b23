"""SimpleNet (Reddy et al. 2020), a U-Net-like network for saliency."""

import keras

from umsrep.representations.backbone import backbone
from umsrep.representations.base import Representation, registry
from umsrep.representations.building import Layers, cells, scaled


@registry.register("simple_net")
class SimpleNet(Representation):
    """A classification network whose stages a plain decoder joins.

    Source: Reddy, Jain, Yarlagadda and Gandhi 2020, "Tidying Deep Saliency
    Prediction Architectures", and the authors' code (github.com/samyak0210/
    saliency, SimpleNet/model.py, the model on ResNet50). Beginning with the
    coarsest stage: a 3x3 convolution with ReLU to as many filters as the next
    finer stage has, bilinear upsampling, and concatenation with that stage;
    after the finest stage, 64 filters up to full resolution and 64 more there.
    It is one of the networks that MT-UNet is compared with (Section 5.1).

    Differences from the original:

    - Its best model has a PNASNet-5 encoder, which `keras.applications` lacks;
      the default is its ResNet50.
    - Its encoder starts from ImageNet weights; here it is newly initialised.
    - Its last layer, a 3x3 convolution to one map with a sigmoid, is a head
      here.
    - Bilinear upsampling aligns the centres of all cells, not those of the
      corner cells.
    - Which encoder MT-UNet's authors ran is not published.

    Features: those of `KerasApplication`, and "decoded" at full resolution.

    Args:
        image_shape: (height, width, channels); at least 32 pixels a side (75
            for "inception_resnet_v2"), 1 or 3 channels. Grey levels in
            [0, 255].
        encoder: The `architecture` of a `KerasApplication`.
        width: Scale of all numbers of filters, a multiple of 1/32; 1.0 is the
            original.
        depth: As for `KerasApplication`.
        normalization: Method of `layers.IntensityNormalization`.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (256, 256, 1),
        encoder: str = "resnet50",
        width: float = 1.0,
        depth: float = 1.0,
        normalization: str = "percentile",
        name: str = "simple_net",
        **kwargs,
    ):
        image_shape = tuple(image_shape)
        images, outputs, strides = backbone(
            encoder,
            image_shape,
            width=width,
            depth=depth,
            normalization=normalization,
        )
        intensity = outputs.pop("intensity")
        outputs["decoded"] = _decode(
            Layers(), outputs, strides, image_shape, width
        )
        outputs["intensity"] = intensity
        super().__init__(inputs=images, outputs=outputs, name=name, **kwargs)
        self._strides = {**strides, "decoded": 1}
        self._config = {
            "image_shape": image_shape,
            "encoder": encoder,
            "width": width,
            "depth": depth,
            "normalization": normalization,
        }

    def sources(self, feature: str) -> tuple[str, ...]:
        return self.stages if feature == "decoded" else (feature,)

    def decode(self, features):
        return _decode(
            Layers(self.layers),
            features,
            self._strides,
            self.image_shape,
            self._config["width"],
        )

    def get_config(self) -> dict:
        return {**self._config, "name": self.name}


def _decode(layers, features, strides, image_shape, width):
    """The feature "decoded"."""
    at = {
        strides[name]: tensor
        for name, tensor in features.items()
        if name.startswith("stage")
    }
    stride, x = strides["bottleneck"], features["bottleneck"]
    while stride > 1:
        stride //= 2
        skip = at.get(stride)
        filters = scaled(64, width) if skip is None else skip.shape[-1]
        name = f"decoder_{stride}"
        x = layers.convolution(f"{name}_convolution", filters)(x)
        x = layers.double(name, x, cells(image_shape, stride))
        if skip is not None:
            x = layers(f"{name}_skip", keras.layers.Concatenate)([x, skip])
    return layers.convolution("decoder_last", scaled(64, width))(x)
