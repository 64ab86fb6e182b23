"""Losses with one value per sample, shape (batch,).

They honour `sample_weight`: a missing label is weight 0 and is never averaged
in (reduction "mean_with_sample_weight").
"""

from umsrep.losses.attention import SelectiveMSE
from umsrep.losses.classification import CategoricalCrossentropy
from umsrep.losses.consistency import ConsistencySquaredError
from umsrep.losses.reconstruction import MaskedSquaredError, MeanSquaredError
from umsrep.losses.regression import StandardizedHuber
from umsrep.losses.saliency import KLDivergence
from umsrep.losses.segmentation import BCEDice
from umsrep.losses.views import VICReg

__all__ = [
    "BCEDice",
    "CategoricalCrossentropy",
    "ConsistencySquaredError",
    "KLDivergence",
    "MaskedSquaredError",
    "MeanSquaredError",
    "SelectiveMSE",
    "StandardizedHuber",
    "VICReg",
]
