"""Synthetic images with known truth, for tests, teaching and the demo."""

from umsrep.data.phantoms.chest import FINDINGS, ChestPhantom, draw_chest
from umsrep.data.phantoms.echo import EchoStrip, draw_strip, write_echo
from umsrep.data.phantoms.egd import write_egd
from umsrep.data.phantoms.exposure import (
    KERMANY,
    MONTGOMERY,
    SHENZHEN,
    ChestStyle,
)
from umsrep.data.phantoms.gaze import ScanPath, draw_scanpath
from umsrep.data.phantoms.layouts import LAYOUTS, write_chest
from umsrep.data.phantoms.rsna import write_rsna

__all__ = [
    "FINDINGS",
    "KERMANY",
    "LAYOUTS",
    "MONTGOMERY",
    "SHENZHEN",
    "ChestPhantom",
    "ChestStyle",
    "EchoStrip",
    "ScanPath",
    "draw_chest",
    "draw_scanpath",
    "draw_strip",
    "write_chest",
    "write_echo",
    "write_egd",
    "write_rsna",
]
