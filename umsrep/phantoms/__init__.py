"""Synthetic images with known truth, for tests, teaching and the demo."""

from umsrep.phantoms.chest.difficulty import LEVELS, Difficulty
from umsrep.phantoms.chest.drawing import FINDINGS, ChestPhantom, draw_chest
from umsrep.phantoms.chest.egd import write_egd
from umsrep.phantoms.chest.exposure import (
    KERMANY,
    MONTGOMERY,
    SHENZHEN,
    ChestStyle,
)
from umsrep.phantoms.chest.gaze import ScanPath, draw_scanpath
from umsrep.phantoms.chest.layouts import LAYOUTS, write_chest
from umsrep.phantoms.chest.rsna import write_rsna
from umsrep.phantoms.echo import EchoStrip, draw_strip, write_echo
from umsrep.phantoms.prepared import phantom_data

__all__ = [
    "FINDINGS",
    "KERMANY",
    "LAYOUTS",
    "LEVELS",
    "MONTGOMERY",
    "SHENZHEN",
    "ChestPhantom",
    "ChestStyle",
    "Difficulty",
    "EchoStrip",
    "ScanPath",
    "draw_chest",
    "draw_scanpath",
    "draw_strip",
    "phantom_data",
    "write_chest",
    "write_echo",
    "write_egd",
    "write_rsna",
]
