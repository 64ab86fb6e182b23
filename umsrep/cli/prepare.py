"""`umsrep prepare`: a public data set or own folder -> prepared format."""

import inspect
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import data_prep
from umsrep.errors import UmsrepError


class OnError(StrEnum):
    """What to do with a file that cannot be used."""

    stop = "stop"
    skip = "skip"


class Fit(StrEnum):
    """What to do with images of another aspect ratio."""

    stretch = "stretch"
    pad = "pad"


class GazeWeight(StrEnum):
    """What a gaze point counts."""

    count = "count"
    duration = "duration"


class SixteenBit(StrEnum):
    """What to do with images of more than 8 bits."""

    refuse = "refuse"
    rescale = "rescale"


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help=f"One of {', '.join(data_prep.files())}; `folder` is for "
        "images of your own.",
    ),
]
Source = Annotated[
    Path,
    typer.Argument(
        metavar="SOURCE",
        help="Folder of the public set, or one above it; with `folder`, "
        "your own folder of images, masks, gaze and labels.csv.",
    ),
]
Out = Annotated[
    Path,
    typer.Argument(
        metavar="OUT", help="Folder to make; it must not exist yet."
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        help="With folder: a table of labels (.csv) instead of "
        "labels.csv, or a .yaml that says what is where and which columns "
        "are tasks."
    ),
]
Size = Annotated[
    str,
    typer.Option(
        help="Size of the prepared images in pixels: the side of a square, "
        "or HEIGHTxWIDTH such as 640x416."
    ),
]
FitOption = Annotated[
    Fit,
    typer.Option(
        help="Images of another aspect ratio: stretch, or pad with black."
    ),
]
OnErrorOption = Annotated[
    OnError,
    typer.Option(
        help="At a file that cannot be used: stop, or skip and count it."
    ),
]
SixteenBitOption = Annotated[
    SixteenBit,
    typer.Option(
        help="Images of more than 8 bits: refuse, or rescale each from "
        "its minimum and maximum."
    ),
]
GazeSigma = Annotated[
    float | None,
    typer.Option(
        help="Gaze: blur in pixels of the source images. Default: 2.5 % "
        "of the longer side, as MT-UNet."
    ),
]
GazeDegrees = Annotated[
    float | None,
    typer.Option(help="Gaze: blur in degrees of visual angle instead."),
]
GazeWeightOption = Annotated[
    GazeWeight | None,
    typer.Option(help="Gaze: what a point counts. Default: count."),
]
GazePoints = Annotated[
    str | None,
    typer.Option(
        help="Gaze of egd-cxr: samples (60 Hz, as MT-UNet) or fixations."
    ),
]
Box = Annotated[
    list[str] | None,
    typer.Option(
        help="Boxes of egd-cxr that become a mask task, such as "
        "'cardiac silhouette'; may be given several times."
    ),
]


def prepare(
    name: Name,
    source: Source,
    out: Out,
    config: Config = None,
    size: Size = "256",
    fit: FitOption = Fit.stretch,
    on_error: OnErrorOption = OnError.stop,
    sixteen_bit: SixteenBitOption = SixteenBit.refuse,
    gaze_sigma: GazeSigma = None,
    gaze_degrees: GazeDegrees = None,
    gaze_weight: GazeWeightOption = None,
    gaze_points: GazePoints = None,
    box: Box = None,
):
    """Converts a public data set or your own into the prepared format.

    Checks every image and mask, resizes them, and writes images, masks,
    manifest.csv and dataset.json. The folder appears when all is done.
    """
    from umsrep.data.gaze import GazeMap
    from umsrep.progress import counting

    convert = data_prep.get(name)
    options = {
        "size": _size(size),
        "fit": fit.value,
        "on_error": on_error.value,
        "sixteen_bit": sixteen_bit.value,
    }
    given = (gaze_sigma, gaze_degrees, gaze_weight)
    if any(value is not None for value in given):
        if not has_gaze(convert):
            raise UmsrepError(
                f"--gaze-sigma, --gaze-degrees, --gaze-weight: '{name}' has "
                "no gaze. Leave them out."
            )
        options["gaze_map"] = GazeMap(
            weight=gaze_weight.value if gaze_weight else "count",
            sigma=gaze_sigma,
            sigma_degrees=gaze_degrees,
        )
    options |= _own(
        convert,
        {
            "config": (
                config,
                f"--config {config}: '{name}' has a layout of "
                "its own. Leave the option out; it is for `umsrep prepare "
                "folder`.",
            ),
            "points": (
                gaze_points,
                f"--gaze-points {gaze_points}: '{name}' "
                "has one kind of gaze points, or none. Leave the option out.",
            ),
            "boxes": (
                box and tuple(box),
                f"--box '{(box or [''])[0]}': "
                f"'{name}' has no boxes to choose from. Leave the option out.",
            ),
        },
    )
    with counting(f"Preparing {name}") as progress:
        header = convert(source, out, progress=progress, **options)
    print(summary(header, out))
    print(_audited(out))


def _audited(out):
    """One line: whether a label is readable from the files alone."""
    from umsrep.evaluation import audit

    found = audit(out, cheap=True).shortcuts
    if not found:
        return (
            "Audit of the files: no label is readable from them. Of the "
            f"pictures: umsrep audit {out}"
        )
    words = ", ".join(
        f"{tried.task} from {tried.source} (AUC {tried.probe.auc:.2f})"
        for tried in found
    )
    return (
        f"Warning: readable from the files alone: {words}. Look closer: "
        f"umsrep audit {out}"
    )


def _own(convert, options):
    """The given ones of a converter's own options.

    Args:
        convert: The converter.
        options: {name: (value, what is wrong if it has no such option)}.
    """
    known = inspect.signature(convert).parameters
    given = {name: pair for name, pair in options.items() if pair[0]}
    for name, (_, reason) in given.items():
        if name not in known:
            raise UmsrepError(reason)
    return {name: value for name, (value, _) in given.items()}


def has_gaze(convert):
    """Whether a converter's sets have gaze; a user's own folder may."""
    from umsrep import tasks

    specs = inspect.getmodule(convert).TASKS
    return not specs or any(tasks.get(spec.kind).compared for spec in specs)


def _size(text):
    """256 -> 256, 640x416 -> (640, 416)."""
    try:
        sides = [int(part) for part in text.lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2):
        raise UmsrepError(
            f"--size {text}: expected whole pixels, such as 256, or "
            "HEIGHTxWIDTH, such as 640x416."
        )
    return sides[0] if len(sides) == 1 else tuple(sides)


def summary(header, out):
    """Lines about a new data set: counts, positive classes, warnings."""
    from umsrep import tasks
    from umsrep.data.prepared import tasks_of

    counts = header["counts"]
    height, width = header["preprocessing"]["size"]
    parts = [
        f"Wrote {out}: {counts['images']} images of {width} x {height} "
        f"pixels from {counts['patients']} patients."
    ]
    splits = {k: n for k, n in counts["splits"].items() if k != "none"}
    if splits:
        listed = ", ".join(f"{n} {name}" for name, n in splits.items())
        parts.append(f"Splits: {listed}.")
    specs = tasks_of(header)
    for name, entry in counts["tasks"].items():
        kind = tasks.of(specs[name])
        parts.append(f"Task {name}: {kind.counted(entry)}.")
    if header["skipped"]:
        first = header["skipped"][0]
        parts.append(
            f"Files skipped: {len(header['skipped'])}, listed in "
            f"dataset.json; the first: {first['file']} ({first['reason']})."
        )
    parts += [f"Warning: {text}" for text in header["warnings"]]
    return "\n".join(parts)


def add_to(app):
    """Adds the sub-command."""
    app.command("prepare")(prepare)
