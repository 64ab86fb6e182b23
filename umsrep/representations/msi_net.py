"""MSI-Net (Kroner et al. 2020), saliency from several scales."""

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

STRIDE = 8
# Dilation of the 3x3 convolutions of the spatial pyramid.
DILATION_RATES = (4, 8, 12)


@registry.register("msi_net")
class MSINet(Representation):
    """VGG16 at stride 8, a dilated spatial pyramid, and a small decoder.

    Source: Kroner, Senden, Driessens and Goebel 2020, "Contextual
    Encoder-Decoder Network for Visual Saliency Prediction", and the authors'
    code (github.com/alexanderkroner/saliency, model.py). The fourth and fifth
    poolings have stride 1, and the fifth block is dilated by 2; the outputs of
    the third to fifth poolings are concatenated; atrous spatial pyramid
    pooling has five branches of 256 filters (1x1; 3x3 dilated by 4, 8 and 12;
    the average of the whole image) and a 1x1 convolution that joins them; the
    decoder repeats bilinear upsampling and a 3x3 convolution three times, with
    128, 64 and 32 filters. It is one of the networks that MT-UNet is compared
    with (Section 5.1).

    Differences from the original:

    - Batch normalisation follows each convolution of the encoder, since its
      ImageNet weights are not loaded.
    - Its last layer, a 3x3 convolution to one map, is a head here, as is the
      scaling of the map.
    - Bilinear upsampling aligns the centres of cells, not their upper left
      corners.

    Features: "stage1" and "stage2" (the first poolings, strides 2 and 4),
    "stage3" ... "stage5" (the others, stride 8), "bottleneck" (the last
    stage), "decoded" at full resolution, "intensity". The pyramid belongs to
    the decoder.

    Args:
        image_shape: (height, width, channels); any size of at least 8 pixels
            a side. Grey levels in [0, 255].
        width: Scale of all numbers of filters; 1.0 is the original.
        normalization: Method of `layers.IntensityNormalization`.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (256, 256, 1),
        width: float = 1.0,
        normalization: str = "percentile",
        name: str = "msi_net",
        **kwargs,
    ):
        image_shape = tuple(image_shape)
        check_image_shape(image_shape, STRIDE, "msi_net")
        check_width(width)
        images = keras.Input(image_shape, name="image")
        x, intensity = layers.IntensityNormalization(
            normalization, name="intensity"
        )(images)
        outputs = {}
        for number in range(1, len(VGG16) + 1):
            x = vgg_block(x, number, width, 2 if number == 5 else 1)
            x = keras.layers.MaxPooling2D(
                2,
                strides=2 if number <= 3 else 1,
                padding="same",
                name=f"encoder_pool{number}",
            )(x)
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
        if feature != "decoded":
            return (feature,)
        return ("bottleneck", "stage4", "stage3")

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
    x = named("decoder_encoded", keras.layers.Concatenate)(
        [features[name] for name in ("stage3", "stage4", "bottleneck")]
    )
    x = _pyramid(named, x, scaled(256, width))
    for stride, filters in ((4, 128), (2, 64), (1, 32)):
        name = f"decoder_{stride}"
        x = named.double(name, x, cells(image_shape, stride))
        x = named.convolution(f"{name}_convolution", scaled(filters, width))(x)
    return x


def _pyramid(named, x, filters):
    """Atrous spatial pyramid pooling."""
    branches = [named.convolution("decoder_pyramid_1", filters, 1)(x)]
    for rate in DILATION_RATES:
        branches.append(
            named.convolution(
                f"decoder_pyramid_{rate}", filters, dilation_rate=rate
            )(x)
        )
    average = named(
        "decoder_average", keras.layers.GlobalAveragePooling2D, keepdims=True
    )(x)
    average = named.convolution("decoder_pyramid_average", filters, 1)(average)
    branches.append(
        named("decoder_spread", keras.layers.UpSampling2D, x.shape[1:3])(
            average
        )
    )
    x = named("decoder_branches", keras.layers.Concatenate)(branches)
    return named.convolution("decoder_pyramid_joined", filters, 1)(x)
