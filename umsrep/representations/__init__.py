"""Representations: image -> named features."""

from umsrep.representations.base import Representation, registry
from umsrep.representations.conv_autoencoder import ConvAutoencoder

__all__ = ["ConvAutoencoder", "Representation", "registry"]
