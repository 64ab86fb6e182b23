"""Synthetic Doppler strips for the recipe, drawn and prepared once."""

from pathlib import Path

import data_prep
from umsrep.data.phantoms.echo import write_echo

TRUTH = "phantom.json"


def synthetic_strips(out, images, size, seed, say=print):
    """Draws and prepares strips; what is there is left as it is.

    Args:
        out: Folder of the recipe; they go to raw/ and prepared/ in it.
        images: How many.
        size: Side of the prepared images in pixels.
        seed: Of the strips.
        say: Called with a line per step.

    Returns:
        (prepared folder, phantom.json).
    """
    raw, prepared = Path(out) / "raw", Path(out) / "prepared"
    if not raw.exists():
        say(f"{images} synthetic Doppler strips")
        write_echo(raw, images, seed)
    if not prepared.exists():
        say(f"prepare them at {size}x{size}")
        convert = data_prep.get("folder")
        convert(raw, prepared, size=size, config=raw / "tasks.yaml")
    return prepared, raw / TRUTH
