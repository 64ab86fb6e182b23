"""`umsrep prepare`: a public data set or own folder -> prepared format."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import data_prep


class OnError(StrEnum):
    """What to do with a file that cannot be used."""

    stop = "stop"
    skip = "skip"


class SixteenBit(StrEnum):
    """What to do with images of more than 8 bits."""

    refuse = "refuse"
    rescale = "rescale"


def prepare(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help=f"One of {', '.join(data_prep.files())}; `folder` is for "
            "images of your own.",
        ),
    ],
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Folder of the public set, or one above it; with `folder`, "
            "your own folder of images, masks and labels.csv.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="Folder to make; it must not exist yet."
        ),
    ],
    size: Annotated[
        int, typer.Option(help="Side of the prepared images in pixels.")
    ] = 256,
    on_error: Annotated[
        OnError,
        typer.Option(
            help="At a file that cannot be used: stop, or skip and count it."
        ),
    ] = OnError.stop,
    sixteen_bit: Annotated[
        SixteenBit,
        typer.Option(
            help="Images of more than 8 bits: refuse, or rescale each from "
            "its minimum and maximum."
        ),
    ] = SixteenBit.refuse,
):
    """Converts a public data set or your own into the prepared format.

    Checks every image and mask, resizes them, and writes images, masks,
    manifest.csv and dataset.json. The folder appears when all is done.
    """
    from umsrep.cli.counting import counting

    convert = data_prep.get(name)
    with counting(f"Preparing {name}") as progress:
        header = convert(
            source,
            out,
            size=size,
            on_error=on_error.value,
            sixteen_bit=sixteen_bit.value,
            progress=progress,
        )
    print(summary(header, out))


def summary(header, out):
    """Lines about a new data set: counts, positive classes, warnings."""
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
    for name, entry in counts["tasks"].items():
        line = f"Task {name}: {entry['labelled']} "
        if classes := entry.get("classes"):
            listed = ", ".join(f"{n} {label}" for label, n in classes.items())
            line += f"labelled ({listed})"
            if len(classes) == 2:
                line += f"; positive: {list(classes)[-1]}"
        else:
            line += "with a mask"
        parts.append(f"{line}.")
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
