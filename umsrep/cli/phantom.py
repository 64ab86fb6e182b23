"""`umsrep phantom`: synthetic images that `umsrep prepare` reads."""

from pathlib import Path
from typing import Annotated

import typer

from umsrep.cli.command import Command

phantom = typer.Typer(
    no_args_is_help=True,
    help="Draw synthetic images with known truth.",
)


@phantom.command("chest", cls=Command)
def chest(
    out: Annotated[Path, typer.Argument(help="New folder for the images.")],
    layout: Annotated[
        str,
        typer.Option(
            help="File layout of a public set: $layouts; egd-cxr has gaze, "
            "rsna boxes."
        ),
    ],
    images: Annotated[int, typer.Option(help="How many images.")],
    seed: Annotated[
        int, typer.Option(help="The same seed gives the same images.")
    ] = 0,
    size: Annotated[
        int, typer.Option(help="About the length of a side, in pixels.")
    ] = 256,
    difficulty: Annotated[
        str,
        typer.Option(
            help="How hard the classes are to tell: $difficulties. The "
            "options below change single parts of it."
        ),
    ] = "usual",
    contrast: Annotated[
        float | None,
        typer.Option(help="Of the opacities, above 0 to 1 (as in easy)."),
    ] = None,
    overlap: Annotated[
        float | None,
        typer.Option(help="0 to 1: scars, variants and borderline hearts."),
    ] = None,
    devices: Annotated[
        float | None,
        typer.Option(help="0 to 1: share of images with electrodes or lines."),
    ] = None,
    confounding: Annotated[
        float | None,
        typer.Option(
            help="-1 to 1: by how much more often an abnormal chest has "
            "devices, and a marker R."
        ),
    ] = None,
    reader_noise: Annotated[
        float | None,
        typer.Option(
            help="0 to 1: how much readers differ, overlook findings and "
            "dwell where there are none."
        ),
    ] = None,
    label_noise: Annotated[
        float | None,
        typer.Option(help="0 to 0.5: share of the labels that are wrong."),
    ] = None,
):
    """Draw synthetic chest X-rays.

    Lungs, heart, ribs, markers and findings, written as the files of a public
    data set would be, so that `umsrep prepare` reads them as the real ones.
    The file phantom.json holds the truth about each image.
    """
    from umsrep.phantoms.chest.difficulty import difficulty_of
    from umsrep.phantoms.chest.layouts import write_chest
    from umsrep.progress import Progress

    level = difficulty_of(
        difficulty,
        contrast=contrast,
        overlap=overlap,
        devices=devices,
        confounding=confounding,
        reader_noise=reader_noise,
        label_noise=label_noise,
    )
    with Progress("Drawing chest X-rays", images) as bar:
        write_chest(out, layout, images, seed, size, bar.advance, level)
    typer.echo(
        f"Wrote {images} images to {out}. Next: umsrep prepare {layout} "
        f"{out} PREPARED"
    )


@phantom.command("echo")
def echo(
    out: Annotated[Path, typer.Argument(help="New folder for the images.")],
    images: Annotated[int, typer.Option(help="How many images.")],
    seed: Annotated[
        int, typer.Option(help="The same seed gives the same images.")
    ] = 0,
    size: Annotated[int, typer.Option(help="Height in pixels.")] = 256,
):
    """Draw synthetic Doppler echocardiography strips.

    Mitral inflow (MV), movement of the mitral annulus (MA) and tricuspid
    regurgitation (TR), with masks of the spectral envelope and labels of flow
    and quality. The file phantom.json holds the truth about each image, its
    velocity scale and peak velocities among them.
    """
    from umsrep.phantoms.echo import write_echo
    from umsrep.progress import Progress

    with Progress("Drawing Doppler strips", images) as bar:
        write_echo(out, images, seed, size, on_image=bar.advance)
    typer.echo(
        f"Wrote {images} images to {out}. Next: umsrep prepare folder "
        f"{out} PREPARED --config {out / 'tasks.yaml'}"
    )


def add_to(app):
    """Adds the command group to the application."""
    app.add_typer(phantom, name="phantom")
