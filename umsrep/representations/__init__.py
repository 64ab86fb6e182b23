"""Representations: image -> named features."""

from umsrep.representations.base import Representation, registry
from umsrep.representations.conv_autoencoder import ConvAutoencoder
from umsrep.representations.keras_application import KerasApplication
from umsrep.representations.unet import UNet

__all__ = [
    "ConvAutoencoder",
    "KerasApplication",
    "Representation",
    "UNet",
    "registry",
]
