"""`umsrep phantom`: synthetic images that `umsrep prepare` reads."""

from pathlib import Path
from typing import Annotated

import typer

phantom = typer.Typer(
    no_args_is_help=True,
    help="Draw synthetic images with known truth.",
)


@phantom.command("chest")
def chest(
    out: Annotated[Path, typer.Argument(help="New folder for the images.")],
    layout: Annotated[
        str,
        typer.Option(
            help="File layout of a public set: shenzhen, montgomery, "
            "kermany, egd-cxr (with gaze) or rsna (with boxes)."
        ),
    ],
    images: Annotated[int, typer.Option(help="How many images.")],
    seed: Annotated[
        int, typer.Option(help="The same seed gives the same images.")
    ] = 0,
    size: Annotated[
        int, typer.Option(help="About the length of a side, in pixels.")
    ] = 256,
):
    """Draw synthetic chest X-rays.

    Lungs, heart, ribs, markers and findings, written as the files of a public
    data set would be, so that `umsrep prepare` reads them as the real ones.
    The file phantom.json holds the truth about each image.
    """
    from umsrep.phantoms.chest.layouts import write_chest
    from umsrep.progress import Progress

    with Progress("Drawing chest X-rays", images) as bar:
        write_chest(out, layout, images, seed, size, on_image=bar.advance)
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
