"""Synthetic images with known truth, for tests, teaching and the demo."""

from umsrep.data.phantoms.chest import FINDINGS, ChestPhantom, draw_chest
from umsrep.data.phantoms.exposure import (
    KERMANY,
    MONTGOMERY,
    SHENZHEN,
    ChestStyle,
)
from umsrep.data.phantoms.layouts import LAYOUTS, write_chest

__all__ = [
    "FINDINGS",
    "KERMANY",
    "LAYOUTS",
    "MONTGOMERY",
    "SHENZHEN",
    "ChestPhantom",
    "ChestStyle",
    "draw_chest",
    "write_chest",
]
