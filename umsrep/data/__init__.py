"""Prepared data sets on disk <-> batches.

`Batches` is a Keras class and is imported when it is asked for, so that
preparing and verifying data do not wait for a backend.
"""

import importlib

from umsrep.data.attention import attention_target, box_mask, to_grid
from umsrep.data.augmentation import (
    Augmentation,
    GeometricAugmentation,
    IntensityAugmentation,
)
from umsrep.data.corruption import (
    TABLE_2_LEVELS,
    GaussianNoise,
    PoissonNoise,
    RandomChoice,
)
from umsrep.data.dataset import Dataset
from umsrep.data.loading import concatenate, load
from umsrep.data.prepared import TaskSpec
from umsrep.data.scale import AxisScale, Scale
from umsrep.data.shifts import simulated_shifts

__all__ = [
    "TABLE_2_LEVELS",
    "Augmentation",
    "AxisScale",
    "Batches",
    "Dataset",
    "GaussianNoise",
    "GeometricAugmentation",
    "IntensityAugmentation",
    "PoissonNoise",
    "RandomChoice",
    "Scale",
    "TaskSpec",
    "attention_target",
    "box_mask",
    "concatenate",
    "load",
    "simulated_shifts",
    "to_grid",
]


def __getattr__(name):
    if name == "Batches":
        return importlib.import_module("umsrep.data.batches").Batches
    raise AttributeError(f"module 'umsrep.data' has no attribute '{name}'")
