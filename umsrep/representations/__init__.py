"""Representations: image -> named features."""

from typing import Any

from umsrep.representations.applications import APPLICATIONS
from umsrep.representations.base import Representation, registry
from umsrep.representations.conv_autoencoder import ConvAutoencoder
from umsrep.representations.dilated_cnn import DilatedCNN
from umsrep.representations.focused import Focused
from umsrep.representations.keras_application import KerasApplication
from umsrep.representations.keras_hub import KerasHub
from umsrep.representations.msi_net import MSINet
from umsrep.representations.own_model import OwnModel
from umsrep.representations.simple_net import SimpleNet
from umsrep.representations.unet import UNet
from umsrep.representations.vgg_ssm import VGGSSM

__all__ = [
    "APPLICATIONS",
    "ConvAutoencoder",
    "DilatedCNN",
    "Focused",
    "KerasApplication",
    "KerasHub",
    "MSINet",
    "OwnModel",
    "Representation",
    "SimpleNet",
    "UNet",
    "VGGSSM",
    "find",
    "registry",
]


def find(architecture: str) -> tuple[type[Representation], dict[str, Any]]:
    """The class of an architecture, and its arguments that the name fixes.

    Args:
        architecture: A registered name, or one of `APPLICATIONS`, which is
            short for "keras_application" with this argument.

    Raises:
        UmsrepError: an unknown name.
    """
    if architecture in APPLICATIONS:
        return KerasApplication, {"architecture": architecture}
    return registry.get(architecture), {}
