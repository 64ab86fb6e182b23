"""Synthetic data sets, drawn and prepared in one step."""

from pathlib import Path

import data_prep
from umsrep.errors import UmsrepError
from umsrep.phantoms import LAYOUTS, write_chest, write_echo
from umsrep.progress import Progress

ECHO = "echo"


def phantom_data(layout, out, images, size=64, seed=0, **options):
    """Draws synthetic images and prepares them, to try things out.

    The same as `umsrep phantom` and `umsrep prepare`. What was made before
    with the same arguments is used again.

    Args:
        layout: "shenzhen", "montgomery", "kermany", "egd-cxr" or "rsna"
            (chest X-rays, see `phantoms.write_chest`), or "echo" (Doppler
            strips, see `phantoms.write_echo`).
        out: Folder; each data set gets one of its own in it.
        images: Number of images.
        size: Pixels of a prepared image's sides; they are drawn at twice
            that.
        seed: Seed of the drawing.
        options: Options of the converter, such as fit="pad".

    Returns:
        Path of the prepared data set, for `data.load`. The files it was
        prepared from, phantom.json with the truth among them, lie beside it
        in a folder named like the layout.

    Raises:
        UmsrepError: an unknown layout, or too few images for it.
    """
    if layout not in (*LAYOUTS, ECHO):
        raise UmsrepError(
            f"No synthetic data are named '{layout}'. Choose one of "
            f"{', '.join((*LAYOUTS, ECHO))}."
        )
    words = [f"{key}-{value}" for key, value in sorted(options.items())]
    name = "-".join([layout, str(images), f"{size}px", f"seed{seed}", *words])
    folder = Path(out) / name
    raw, prepared = folder / layout, folder / "prepared"
    if prepared.exists():
        return prepared
    with Progress(f"synthetic {layout}", 2 * images) as bar:
        if raw.exists():
            bar.advance(images)
        elif layout == ECHO:
            write_echo(raw, images, seed, 2 * size, bar.advance)
        else:
            write_chest(raw, layout, images, seed, 2 * size, bar.advance)
        if layout == ECHO:
            options = {"config": raw / "tasks.yaml", **options}
        data_prep.get("folder" if layout == ECHO else layout)(
            raw,
            prepared,
            progress=lambda done, total: bar.advance(),
            size=size,
            **options,
        )
    return prepared
