"""Synthetic data sets, drawn and prepared in one step."""

from pathlib import Path

import data_prep
from umsrep.errors import UmsrepError
from umsrep.phantoms import LAYOUTS, write_chest, write_echo
from umsrep.phantoms.chest.difficulty import (
    DEFAULT,
    RANGES,
    Difficulty,
    difficulty_of,
    name_of,
)
from umsrep.progress import Progress

ECHO = "echo"


def phantom_data(
    layout: str,
    out,
    images: int,
    size: int = 64,
    seed: int = 0,
    difficulty: str | Difficulty | None = None,
    **options,
) -> Path:
    """Draws synthetic images and prepares them, to try things out.

    Does the same as `umsrep phantom` and `umsrep prepare`. Data made earlier
    with the same arguments are used again.

    Args:
        layout: "shenzhen", "montgomery", "kermany", "egd-cxr" or "rsna"
            (chest X-rays, see `phantoms.write_chest`), or "echo" (Doppler
            strips, see `phantoms.write_echo`).
        out: Folder in which each data set gets a folder of its own.
        images: Number of images.
        size: Sides of a prepared image in pixels; images are drawn at twice
            this size.
        seed: Seed of the drawing.
        difficulty: Of chest X-rays: "easy", "usual" (the default), "hard" or a
            `Difficulty`.
        options: Options of the converter, such as fit="pad".

    Returns:
        Path of the prepared data set, for `data.load`. The files that it was
        prepared from, including the truth in phantom.json, are beside it in a
        folder with the name of the layout.

    Raises:
        UmsrepError: an unknown layout or level, a difficulty for strips, or
            too few images.
    """
    if layout not in (*LAYOUTS, ECHO):
        raise UmsrepError(
            f"No synthetic data are named '{layout}'. Choose one of "
            f"{', '.join((*LAYOUTS, ECHO))}."
        )
    if layout == ECHO and difficulty is not None:
        raise UmsrepError(
            f"Got difficulty {difficulty!r} for Doppler strips, which have "
            "none. Leave it out, or choose a layout of chest X-rays: "
            f"{', '.join(LAYOUTS)}."
        )
    level = None
    if layout != ECHO:
        level = difficulty_of(DEFAULT if difficulty is None else difficulty)
    words = _words(level)
    words += [f"{key}-{value}" for key, value in sorted(options.items())]
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
            write_chest(raw, layout, images, seed, 2 * size, bar.advance, level)
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


def _words(level):
    """A difficulty as parts of a folder's name."""
    if level is None:
        return []
    if name_of(level) != "custom":
        return [name_of(level)]
    return [f"{name}-{getattr(level, name):g}" for name in RANGES]
