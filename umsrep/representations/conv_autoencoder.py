"""The convolutional (denoising) autoencoder of UMS-Rep, Figure 6."""

import re

import keras

from umsrep import layers
from umsrep.errors import UmsrepError
from umsrep.representations.base import Representation, registry

# {name: (filters, skip_connections, normalization)}
PRESETS = {
    # A size that two CPU cores train in minutes. It has two stages more than
    # the paper's: at 256x256 its cells see 127 pixels, enough to tell where in
    # the chest a region lies.
    "small": ((16, 32, 64, 128, 128, 128), True, "percentile"),
    # 800,067 trainable parameters with its reconstruction head on three
    # channels (UMS-Rep, Table 4); mean normalisation (Section 3.1.1).
    "paper": ((256, 128, 64, 32), False, "mean"),
}


@registry.register("conv_autoencoder")
class ConvAutoencoder(Representation):
    """Strided convolutional encoder with a symmetric decoder.

    Each encoder stage is a 3x3 convolution of stride 2, batch normalisation
    and ReLU; each decoder stage is a 3x3 convolution, batch normalisation,
    ReLU and nearest-neighbour upsampling, with the filters reversed. With a
    `ReconstructionHead` it is the denoising autoencoder of UMS-Rep
    (Section 4.1.1); the preset "paper" on three channels then has 800,067
    trainable parameters.

    Features: "stage1" ... "stageN" at strides 2 ... 2^N, "bottleneck" (the
    last stage), "decoded" at full resolution, "intensity".

    Args:
        image_shape: (height, width, channels); any size, but multiples of 2
            to the power of the number of stages need no cropping. Grey levels
            in [0, 255].
        preset: "small" or "paper"; sets `filters`, `skip_connections` and
            `normalization`.
        filters: Encoder filters per stage, instead of the preset's.
        skip_connections: Add each encoder stage to the decoder stage of the
            same resolution. Masks become sharper, but the bottleneck no longer
            has to carry the whole image. None follows the preset: "small" has
            them, "paper" does not.
        normalization: Method of `layers.IntensityNormalization`. None follows
            the preset: "small" has "percentile", "paper" has "mean".
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (256, 256, 1),
        preset: str = "small",
        filters: tuple[int, ...] | None = None,
        skip_connections: bool | None = None,
        normalization: str | None = None,
        name: str = "conv_autoencoder",
        **kwargs,
    ):
        if preset not in PRESETS:
            raise UmsrepError(
                f"preset='{preset}' is unknown. Choose one of "
                f"{', '.join(PRESETS)}, or pass filters."
            )
        image_shape = tuple(image_shape)
        filters = tuple(filters or PRESETS[preset][0])
        if skip_connections is None:
            skip_connections = PRESETS[preset][1]
        if normalization is None:
            normalization = PRESETS[preset][2]
        _check(image_shape, filters)

        # === Graph ===
        images = keras.Input(image_shape, name="image")
        x, intensity = layers.IntensityNormalization(
            normalization, name="intensity"
        )(images)
        outputs = {}
        for index, count in enumerate(filters, start=1):
            x = layers.ConvBlock(count, strides=2, name=f"encoder_{index}")(x)
            outputs[f"stage{index}"] = x
        outputs["bottleneck"] = x
        decoder = _decoder_layers(image_shape, filters, skip_connections)
        outputs["decoded"] = _decode(decoder, outputs)
        outputs["intensity"] = intensity
        super().__init__(inputs=images, outputs=outputs, name=name, **kwargs)

        # === Config ===
        self._config = {
            "image_shape": image_shape,
            "preset": preset,
            "filters": filters,
            "skip_connections": skip_connections,
            "normalization": normalization,
        }

    def decode(self, features):
        return _decode({layer.name: layer for layer in self.layers}, features)

    def sources(self, feature: str) -> tuple[str, ...]:
        if feature != "decoded":
            return (feature,)
        if self._config["skip_connections"]:
            return self.stages
        return ("bottleneck",)

    def get_config(self) -> dict:
        return {**self._config, "name": self.name}


def _decoder_layers(image_shape, filters, skip_connections):
    """{name: layer} of the decoder."""
    made = []
    for index in range(len(filters), 0, -1):
        name = f"decoder_{index}"
        # With skip connections, a stage must end with the number of channels
        # of the stage that it is added to.
        finer = filters[max(index - 2, 0)]
        count = finer if skip_connections else filters[index - 1]
        made += [
            layers.ConvBlock(count, name=name),
            keras.layers.UpSampling2D(2, name=f"{name}_up"),
        ]
        # Rounding up an odd size leaves one row or column too many.
        doubled = [2 * n for n in stage_size(image_shape, index)]
        wanted = stage_size(image_shape, index - 1)
        over = [n - m for n, m in zip(doubled, wanted, strict=True)]
        if any(over):
            made.append(
                keras.layers.Cropping2D(
                    ((0, over[0]), (0, over[1])), name=f"{name}_crop"
                )
            )
        if skip_connections and index > 1:
            made.append(keras.layers.Add(name=f"{name}_skip"))
    return {layer.name: layer for layer in made}


def _decode(decoder, features):
    """The decoded feature, by layers of `_decoder_layers`."""
    x = features["bottleneck"]
    stages = sum(
        re.fullmatch(r"decoder_\d+", name) is not None for name in decoder
    )
    for index in range(stages, 0, -1):
        name = f"decoder_{index}"
        for step in (name, f"{name}_up", f"{name}_crop"):
            if step in decoder:
                x = decoder[step](x)
        if f"{name}_skip" in decoder:
            x = decoder[f"{name}_skip"]([x, features[f"stage{index - 1}"]])
    return x


def stage_size(image_shape, stage):
    """(height, width) after `stage` convolutions of stride 2."""
    return tuple(-(-n // 2**stage) for n in image_shape[:2])


def _check(image_shape, filters):
    if len(image_shape) != 3:
        raise UmsrepError(
            f"image_shape={image_shape}: expected (height, width, channels), "
            "for example (256, 256, 1)."
        )
    if any(int(count) != count or count < 1 for count in filters):
        raise UmsrepError(
            f"filters={filters}: expected a whole number of at least 1 per "
            "stage, such as (16, 32, 64, 128)."
        )
    if min(image_shape[:2]) < 2 ** (len(filters) - 1):
        raise UmsrepError(
            f"image_shape={image_shape}: {len(filters)} stages of stride 2 "
            f"need at least {2 ** (len(filters) - 1)} pixels a side. Prepare "
            "larger images, or pass fewer filters."
        )
