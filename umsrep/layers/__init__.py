"""Layers used by representations and heads."""

from umsrep.layers.attention import SelfAttention
from umsrep.layers.batch_normalization import BatchNormalization
from umsrep.layers.blocks import ConvBlock
from umsrep.layers.class_maps import ClassMaps
from umsrep.layers.focus import Focus
from umsrep.layers.intensity import IntensityNormalization
from umsrep.layers.planes import WithOnes
from umsrep.layers.temperature_scaling import TemperatureScaling

__all__ = [
    "BatchNormalization",
    "ClassMaps",
    "ConvBlock",
    "Focus",
    "IntensityNormalization",
    "SelfAttention",
    "TemperatureScaling",
    "WithOnes",
]
