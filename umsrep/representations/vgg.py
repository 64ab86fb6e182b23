"""The encoder VGG16 with batch normalisation."""

from umsrep import layers
from umsrep.representations.building import scaled

# (filters, convolutions) of each block (Simonyan and Zisserman 2015, Table 1,
# configuration D).
VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


def vgg_block(x, number, width, dilation_rate=1):
    """Applies block `number` of VGG16 (from 1), without its pooling, to `x`.

    Every convolution is followed by batch normalisation, which the original
    lacks: without it, 13 newly initialised convolutions hardly train.
    """
    filters, convolutions = VGG16[number - 1]
    for index in range(1, convolutions + 1):
        x = layers.ConvBlock(
            scaled(filters, width),
            dilation_rate=dilation_rate,
            name=f"encoder_block{number}_{index}",
        )(x)
    return x
