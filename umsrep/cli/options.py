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
# Of commands that run work through an engine.
Engine = Annotated[
    str,
    typer.Option(
        help="local: processes on this machine; dask: a cluster "
        "(pip install -e '.[cluster]')."
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="Address of a Dask scheduler. Default: a cluster of "
        "--workers on this machine."
    ),
]
Components = Annotated[
    list[str] | None,
    typer.Option(
        help="TASK=NUMBER: count only that many of the largest components of "
        "its masks, such as lung=2; repeat."
    ),
]
Tta = Annotated[
    int,
    typer.Option(
        min=1,
        help="Test-time augmentation: the mean over this many versions of "
        "each image (small shifts, gamma); 1 is the image as it is.",
    ),
]
