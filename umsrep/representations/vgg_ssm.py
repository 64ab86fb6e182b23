"""VGG-SSM (Cao et al. 2020), saliency with self-attention."""

import keras

from umsrep import layers
from umsrep.representations.base import Representation, registry
from umsrep.representations.building import (
    Layers,
    cells,
    check_image_shape,
    check_width,
    scaled,
)
from umsrep.representations.vgg import VGG16, vgg_block


@registry.register("vgg_ssm")
class VGGSSM(Representation):
    """VGG16, self-attention over its deepest stage, and a U-Net-like decoder.

    Source: Cao, Tang and Jo 2020, "Aggregated Deep Saliency Prediction by
    Self-Attention Network". It is one of the networks that MT-UNet is
    compared with (Section 5.1). It follows the paper's abstract: the features
    of VGG16, a self-attention module that refines the deep ones, and an
    integration of several levels on a symmetric expanding path. The authors'
    code, which builds on SimpleNet's, was not available, so the following are
    interpretations:

    - The attention (`layers.SelfAttention`) is at stride 16, on the fifth
      block; the fifth pooling is left out. It needs (height * width / 256)^2
      numbers per image.
    - The expanding path is SimpleNet's: a 3x3 convolution with ReLU to as many
      filters as the next finer block has, bilinear upsampling, and
      concatenation with that block; finally a convolution to 64 filters at
      full resolution. The convolution to one map is a head.
    - Batch normalisation follows each convolution of the encoder, since
      ImageNet weights are not loaded.

    Features: "stage1" ... "stage5" at strides 1, 2, 4, 8 and 16, "bottleneck"
    (the last stage, before the attention), "decoded" at full resolution,
    "intensity".

    Args:
        image_shape: (height, width, channels); any size of at least 16 pixels
            a side. Grey levels in [0, 255].
        width: Scale of all numbers of filters; 1.0 is VGG16.
        normalization: Method of `layers.IntensityNormalization`.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (256, 256, 1),
        width: float = 1.0,
        normalization: str = "percentile",
        name: str = "vgg_ssm",
        **kwargs,
    ):
        image_shape = tuple(image_shape)
        check_image_shape(image_shape, 16, "vgg_ssm")
        check_width(width)
        images = keras.Input(image_shape, name="image")
        x, intensity = layers.IntensityNormalization(
            normalization, name="intensity"
        )(images)
        outputs = {}
        for number in range(1, len(VGG16) + 1):
            if number > 1:
                x = keras.layers.MaxPooling2D(
                    2, padding="same", name=f"encoder_pool{number - 1}"
                )(x)
            x = vgg_block(x, number, width)
            outputs[f"stage{number}"] = x
        outputs["bottleneck"] = x
        outputs["decoded"] = _decode(Layers(), outputs, image_shape, width)
        outputs["intensity"] = intensity
        super().__init__(inputs=images, outputs=outputs, name=name, **kwargs)
        self._config = {
            "image_shape": image_shape,
            "width": width,
            "normalization": normalization,
        }

    def sources(self, feature: str) -> tuple[str, ...]:
        return self.stages if feature == "decoded" else (feature,)

    def decode(self, features):
        return _decode(
            Layers(self.layers),
            features,
            self.image_shape,
            self._config["width"],
        )

    def get_config(self) -> dict:
        return {**self._config, "name": self.name}


def _decode(named, features, image_shape, width):
    """The feature "decoded"; `named` is a `Layers`."""
    x = named("decoder_attention", layers.SelfAttention)(features["bottleneck"])
    for number in range(len(VGG16) - 1, 0, -1):
        skip, name = features[f"stage{number}"], f"decoder_{number}"
        x = named.convolution(f"{name}_convolution", skip.shape[-1])(x)
        x = named.double(name, x, cells(image_shape, 2 ** (number - 1)))
        x = named(f"{name}_skip", keras.layers.Concatenate)([x, skip])
    return named.convolution("decoder_last", scaled(64, width))(x)
