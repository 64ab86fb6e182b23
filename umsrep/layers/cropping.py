"""Undoing the rounding up of convolutions of stride 2."""

import keras


def crop(x, size, name):
    """The first (height, width) cells of a symbolic (batch, h, w, channels).

    A convolution of stride 2 makes ceil(n / 2) cells of n, and upsampling 2n
    of n; so a decoder's stage may have a row or column too many at the end.

    Args:
        x: A Keras tensor.
        size: (height, width), not larger than x's.
        name: Of the layer, if one is needed.
    """
    rows, columns = (
        have - want for have, want in zip(x.shape[1:3], size, strict=True)
    )
    if not rows and not columns:
        return x
    return keras.layers.Cropping2D(((0, rows), (0, columns)), name=name)(x)
