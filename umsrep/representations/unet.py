"""The U-Net (Ronneberger et al. 2015) as MT-UNet uses it."""

import keras

from umsrep import layers
from umsrep.errors import UmsrepError
from umsrep.representations.base import Representation, registry
from umsrep.representations.building import Layers


@registry.register("unet")
class UNet(Representation):
    """Two convolutions per level, max-pooling, and concatenated skips.

    Each level consists of two blocks of a 3x3 convolution, batch normalisation
    and ReLU. Levels are joined by 2x2 max-pooling on the way down, and on the
    way up by nearest-neighbour upsampling and a convolution block, whose
    result is concatenated with the encoder's level (skip first). At width 64,
    depth 5 and one channel the encoder has 18,849,984 and the decoder
    15,675,840 trainable parameters (MT-UNet, Zhu et al. 2022, Figure 1).

    Features: "stage1" ... "stageN" at strides 1 ... 2^(N-1), "bottleneck"
    (the last stage), "decoded" at full resolution, "intensity".

    Args:
        image_shape: (height, width, channels); any size of at least
            2^(depth - 1) pixels a side. Grey levels in [0, 255].
        width: Filters of the first level; each further level has twice as
            many.
        depth: Number of levels.
        normalization: Method of `layers.IntensityNormalization`.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (256, 256, 1),
        width: int = 16,
        depth: int = 5,
        normalization: str = "percentile",
        name: str = "unet",
        **kwargs,
    ):
        image_shape = tuple(image_shape)
        _check(image_shape, width, depth)

        # === Graph ===
        images = keras.Input(image_shape, name="image")
        x, intensity = layers.IntensityNormalization(
            normalization, name="intensity"
        )(images)
        outputs = {}
        for level in range(1, depth + 1):
            if level > 1:
                # "same" rounds an odd size up, so no pixel is lost.
                x = keras.layers.MaxPooling2D(
                    2, padding="same", name=f"encoder_{level}_pool"
                )(x)
            for number in (1, 2):
                x = layers.ConvBlock(
                    width * 2 ** (level - 1), name=f"encoder_{level}_{number}"
                )(x)
            outputs[f"stage{level}"] = x
        outputs["bottleneck"] = x
        outputs["decoded"] = _decode(Layers(), outputs, width, depth)
        outputs["intensity"] = intensity
        super().__init__(inputs=images, outputs=outputs, name=name, **kwargs)

        # === Config ===
        self._config = {
            "image_shape": image_shape,
            "width": width,
            "depth": depth,
            "normalization": normalization,
        }

    def sources(self, feature: str) -> tuple[str, ...]:
        return self.stages if feature == "decoded" else (feature,)

    def decode(self, features):
        width, depth = self._config["width"], self._config["depth"]
        return _decode(Layers(self.layers), features, width, depth)

    def get_config(self) -> dict:
        return {**self._config, "name": self.name}


def _decode(named, features, width, depth):
    """The feature "decoded"; `named` is a `Layers`."""
    x = features["bottleneck"]
    for level in range(depth - 1, 0, -1):
        name, filters = f"decoder_{level}", width * 2 ** (level - 1)
        skip = features[f"stage{level}"]
        x = named(f"{name}_up", keras.layers.UpSampling2D, 2)(x)
        x = named(f"{name}_0", layers.ConvBlock, filters)(x)
        # Rounding up an odd size leaves one row or column too many.
        over = [x.shape[i] - skip.shape[i] for i in (1, 2)]
        if any(over):
            crop = ((0, over[0]), (0, over[1]))
            x = named(f"{name}_crop", keras.layers.Cropping2D, crop)(x)
        x = named(f"{name}_skip", keras.layers.Concatenate)([skip, x])
        for number in (1, 2):
            x = named(f"{name}_{number}", layers.ConvBlock, filters)(x)
    return x


def _check(image_shape, width, depth):
    if len(image_shape) != 3:
        raise UmsrepError(
            f"image_shape={image_shape}: expected (height, width, channels), "
            "for example (256, 256, 1)."
        )
    for name, value, least in (("width", width, 1), ("depth", depth, 2)):
        if int(value) != value or value < least:
            raise UmsrepError(
                f"{name}={value}: expected a whole number of at least {least}."
            )
    if min(image_shape[:2]) < 2 ** (depth - 1):
        raise UmsrepError(
            f"image_shape={image_shape}: {depth} levels need at least "
            f"{2 ** (depth - 1)} pixels a side. Prepare larger images, or "
            "pass a smaller depth."
        )
