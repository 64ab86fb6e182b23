"""What pretrained weights expect of an image, inside the graph.

A network that was trained on colours takes three planes, each a line in the
grey level: `scale * x + offset`. Of a grey image the three planes hold the same
x, so the first convolution's sum over them is a convolution of x alone and one
of the offsets, and its kernels can be added up beforehand. Where the offsets
differ between the planes, the second is not the same everywhere: at the border
the padding is 0, not the offset. So the graph then has a plane of ones beside
x, which is padded in the same way, and the sum stays exact to the border.
"""

from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from umsrep import layers


@dataclass(frozen=True)
class Preprocessing:
    """Lines from grey levels in [0, 1] to what a network was trained on.

    Attributes:
        scale, offset: Of red, green and blue.
        blue_first: Whether the network's first plane is blue.
    """

    scale: tuple[float, float, float]
    offset: tuple[float, float, float]
    blue_first: bool = False

    @property
    def alike(self) -> bool:
        """Whether the three planes of a grey image are equal."""
        return len(set(self.scale)) == len(set(self.offset)) == 1

    def __call__(self, x, centre: float):
        """The planes that the first convolution reads.

        Args:
            x: (batch, height, width, 1 or 3), normalised grey levels.
            centre: What is to be added so that they lie in [0, 1].
        """
        if x.shape[-1] == 3:
            scale = list(self.scale)
            offset = [
                o + s * centre
                for s, o in zip(self.scale, self.offset, strict=True)
            ]
            return keras.layers.Rescaling(scale, offset, name="preprocessing")(
                x
            )
        if self.alike:
            scale, offset = self.scale[0], self.offset[0]
            return keras.layers.Rescaling(
                scale, offset + scale * centre, name="preprocessing"
            )(x)
        if centre:
            x = keras.layers.Rescaling(1.0, centre, name="preprocessing")(x)
        return layers.WithOnes(name="ones")(x)

    def folded(self, kernel: NDArray, channels: int) -> NDArray:
        """The first convolution's kernel for the planes of `__call__`.

        Args:
            kernel: (rows, columns, 3, filters) of the pretrained network.
            channels: Of the images, 1 or 3.
        """
        colours = kernel[:, :, ::-1] if self.blue_first else kernel
        if channels == 3:
            return colours
        # Summed in float64, so that no digit of float32 is lost.
        colours = colours.astype(np.float64)
        if self.alike:
            planes = [colours.sum(axis=2)]
        else:
            planes = [
                np.einsum("rkcf,c->rkf", colours, np.asarray(line))
                for line in (self.scale, self.offset)
            ]
        return np.stack(planes, axis=2).astype(kernel.dtype)
