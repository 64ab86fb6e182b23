"""Helpers that several networks are built with."""

import keras

from umsrep.errors import UmsrepError


class Layers:
    """Layers by name, created when first asked for and reused afterwards.

    A decoder written with it runs once to build the network, and again on
    other tensors (`Representation.decode`) with the same weights.

    Args:
        layers: Existing layers.
    """

    def __init__(self, layers=()):
        self._by_name = {layer.name: layer for layer in layers}

    def __call__(self, name, layer_class, *arguments, **options):
        """The layer called `name`, created if there is none yet.

        Args:
            name: Name of the layer.
            layer_class: Class of a new layer.
            *arguments, **options: Its further arguments.
        """
        if name not in self._by_name:
            layer = layer_class(*arguments, name=name, **options)
            self._by_name[name] = layer
        return self._by_name[name]

    def convolution(self, name, filters, kernel_size=3, **options):
        """The "same" convolution with bias and ReLU called `name`."""
        return self(
            name,
            keras.layers.Conv2D,
            filters,
            kernel_size,
            padding="same",
            activation="relu",
            **options,
        )

    def double(self, name, x, size, interpolation="bilinear"):
        """`x` upsampled by 2 and cut to `size`, (height, width).

        Sizes are rounded up on the way down, so that at an odd size the last
        row or column of the doubled grid lies outside the image.
        """
        x = self(
            f"{name}_up",
            keras.layers.UpSampling2D,
            2,
            interpolation=interpolation,
        )(x)
        over = [x.shape[1] - size[0], x.shape[2] - size[1]]
        if any(over):
            crop = ((0, over[0]), (0, over[1]))
            x = self(f"{name}_crop", keras.layers.Cropping2D, crop)(x)
        return x


def cells(image_shape, stride):
    """(height, width) of a grid with `stride` pixels per cell."""
    return tuple(-(-n // stride) for n in image_shape[:2])


def scaled(filters, width):
    """`filters` times `width`, a whole number of at least 1."""
    return max(1, round(filters * width))


def check_image_shape(image_shape, least: int, what: str) -> None:
    """Raises unless images have three axes and sides of `least` pixels."""
    if len(image_shape) != 3:
        raise UmsrepError(
            f"image_shape={image_shape}: expected (height, width, channels), "
            "for example (256, 256, 1)."
        )
    if min(image_shape[:2]) < least:
        raise UmsrepError(
            f"image_shape={image_shape}: {what} needs at least {least} pixels "
            "a side. Prepare larger images, or choose another network."
        )


def check_width(width: float) -> None:
    """Raises unless `width`, the scale of all filters, is positive."""
    if not width > 0:
        raise UmsrepError(
            f"width={width}: expected a positive number; 1.0 is the original "
            "network and 0.25 has a quarter of its filters."
        )
