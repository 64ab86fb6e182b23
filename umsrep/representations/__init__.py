"""Representations: image -> named features."""

from umsrep.representations.base import Representation, registry
from umsrep.representations.conv_autoencoder import ConvAutoencoder
from umsrep.representations.dilated_cnn import DilatedCNN
from umsrep.representations.focused import Focused
from umsrep.representations.keras_application import KerasApplication
from umsrep.representations.msi_net import MSINet
from umsrep.representations.own_model import OwnModel
from umsrep.representations.simple_net import SimpleNet
from umsrep.representations.unet import UNet
from umsrep.representations.vgg_ssm import VGGSSM

__all__ = [
    "ConvAutoencoder",
    "DilatedCNN",
    "Focused",
    "KerasApplication",
    "MSINet",
    "OwnModel",
    "Representation",
    "SimpleNet",
    "UNet",
    "VGGSSM",
    "registry",
]
