"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

# Options of recipes, whose presets hold the defaults.
Repeats = Annotated[int, typer.Option(min=1, help="Trainings of each network.")]
RecipePreset = Annotated[
    str, typer.Option(help="small (a laptop) or paper (needs a GPU).")
]
Settings = Annotated[
    Path | None,
    typer.Option(
        help="Settings file (YAML), such as best.yaml of `umsrep scan`; what "
        "else is given here takes precedence over it."
    ),
]
SixteenBit = Annotated[
    str,
    typer.Option(
        help="PNG and TIFF of more than 8 bits: refuse, or rescale from each "
        "image's minimum and maximum. DICOM says itself."
    ),
]
Resume = Annotated[
    bool, typer.Option(help="Go on in an interrupted run folder.")
]
Tta = Annotated[
    int,
    typer.Option(
        min=1,
        help="Test-time augmentation: the mean over this many versions of "
        "each image (small shifts, gamma); 1 is the image as it is.",
    ),
]
