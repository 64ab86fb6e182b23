"""Representations: image -> named features."""

from umsrep.representations.base import Representation, registry
from umsrep.representations.conv_autoencoder import ConvAutoencoder
from umsrep.representations.unet import UNet

__all__ = ["ConvAutoencoder", "Representation", "UNet", "registry"]
