"""`umsrep recipe`: a paper from prepared data to its tables."""

import functools
from pathlib import Path
from typing import Annotated

import typer

from umsrep.cli import options
from umsrep.cli.command import Command
from umsrep.cli.reading import by_class
from umsrep.cli.settings_options import with_settings
from umsrep.stages.settings import FinetuneSettings

# Settings that a recipe leaves to its user.
SHARED = (
    "epochs",
    "steps",
    "batch_size",
    "learning_rate",
    "augmentation",
    "fractions",
    "precision",
    "seed",
)
recipe_settings = functools.partial(
    with_settings, FinetuneSettings, default=" Default: the preset's."
)

recipe = typer.Typer(
    no_args_is_help=True,
    help="A paper from prepared data to its tables and figures.",
)


@recipe.command("mt-unet", cls=Command)
@recipe_settings(only=(*SHARED, "patience", "fidelity"))
def mt_unet(
    data: Annotated[
        Path,
        typer.Option(
            help="Prepared data set with gaze, and with a finding or without."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path(
        "mt-unet"
    ),
    scheme: Annotated[
        list[str] | None,
        typer.Option(
            help="Learning scheme of MT-UNet: mtls1, mtls2 or mtls3; repeat. "
            "Default: mtls3."
        ),
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option(
            help="Network to train, such as MT-UNet, MT-UNetB, UNetS, UNetC, "
            "ResNet50 or MSINet, or all; repeat. Default: MT-UNet, UNetC, "
            "UNetS."
        ),
    ] = None,
    repeats: options.Repeats = 5,
    preset: options.RecipePreset = "small",
    width: Annotated[
        int | None,
        typer.Option(min=1, help="Filters of the U-Net's first level."),
    ] = None,
    *,
    chosen,
):
    """Saliency and diagnosis together (Zhu, Rohling, Salcudean 2022).

    Trains each network several times on one split, and writes tables in the
    paper's layout, training curves with the sigmas, and overlays. What is
    there is not done again: repeat the command after an interruption.
    """
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.recipes import mt_unet as recipe
    from umsrep.recipes.mt_unet import run

    seed = chosen.pop("seed", 0)
    settings = recipe.settings(preset, width, **chosen)
    tables = run(
        data,
        out,
        settings,
        tuple(scheme or ("mtls3",)),
        tuple(network or recipe.DEFAULT_NETWORKS),
        repeats,
        seed,
    )
    _print(tables)
    print(f"Tables: {out / 'tables.md'}; figures beside it.")


@recipe.command("gg-cam", cls=Command)
@recipe_settings(
    only=(*SHARED, "patience", "optimizer", "attention", "attention_sigma")
)
def gg_cam(
    data: Annotated[
        Path, typer.Option(help="Prepared data set with a label task.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path(
        "gg-cam"
    ),
    backbone: Annotated[
        list[str] | None,
        typer.Option(
            help="resnet50, efficientnetv2s, resnet-small, "
            "efficientnetv2-small, unet or conv_autoencoder; repeat. Default: "
            "resnet-small."
        ),
    ] = None,
    organ: Annotated[
        list[str] | None,
        typer.Option(
            help="Mask task in which maps should point, or CLASS=TASK; repeat."
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Label task. Default: the only one.")
    ] = None,
    external: Annotated[
        Path | None,
        typer.Option(help="Another prepared data set to test on as well."),
    ] = None,
    repeats: options.Repeats = 5,
    preset: options.RecipePreset = "small",
    *,
    chosen,
):
    """Class activation maps that look where experts look (Zhu et al. 2022).

    Trains each backbone without and with supervised maps, several times on
    one split, and writes tables of classification, of where the maps point
    and of whether the decision rests there, box plots of the trainings, the
    distribution of the maps' values, and the same images side by side with
    what the reader looked at.
    """
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.recipes import gg_cam as recipe
    from umsrep.recipes.gg_cam import run

    seed = chosen.pop("seed", 0)
    attention = chosen.pop("attention", "gaze")
    chosen_preset = recipe.preset(preset, **chosen)
    tables = run(
        data,
        out,
        chosen_preset,
        tuple(backbone or ("resnet-small",)),
        attention,
        by_class(organ, "--organ"),
        task,
        external,
        repeats,
        seed,
    )
    _print(tables)
    print(f"Tables: {out / 'tables.md'}; figures beside it.")


@recipe.command("ums-rep-echo", cls=Command)
@recipe_settings(only=(*SHARED, "argument", "segment_from"))
def ums_rep_echo(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Prepared strips with a flow (label) and other tasks. "
            "Default: synthetic strips are drawn and prepared."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path(
        "ums-rep-echo"
    ),
    images: Annotated[
        int, typer.Option(min=12, help="Synthetic strips, without --data.")
    ] = 1200,
    size: Annotated[
        int, typer.Option(min=32, help="Their side, prepared, in pixels.")
    ] = 128,
    flow: Annotated[
        str,
        typer.Option(help="Label task that constructs the representation."),
    ] = "flow",
    truth: Annotated[
        Path | None,
        typer.Option(
            help="phantom.json of synthetic strips given with --data: their "
            "true velocities."
        ),
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            help="independent, alternating or joint; repeat. Default: all "
            "three. Separate models are always trained."
        ),
    ] = None,
    repeats: options.Repeats = 5,
    folds: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Folds by patient instead of repeats; 0 is none. Default: the "
            "preset's (paper: 10, small: none).",
        ),
    ] = None,
    preset: options.RecipePreset = "small",
    construction_epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Epochs of the construction."),
    ] = None,
    *,
    chosen,
):
    """UMS-Rep on Doppler strips (Zamzmi, Rajaraman, Antani 2021, 4.2).

    Constructs the representation on the flow, fine-tunes heterogeneous and
    homogeneous tasks on other patients by every strategy, and writes the
    paper's Tables 7 to 10, paired tests, and what follows from the outputs:
    recommendation and peak velocities. What is there is not done again.
    """
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.phantoms import phantom_data
    from umsrep.recipes import ums_rep_echo as recipe
    from umsrep.recipes.ums_rep_echo import run

    seed = chosen.pop("seed", 0)
    settings = recipe.preset(
        preset, construction_epochs=construction_epochs, folds=folds, **chosen
    )
    if data is None:
        data = phantom_data("echo", out, images, size, seed)
        truth = data.parent / "echo" / "phantom.json"
    strategies = tuple(strategy or recipe.STRATEGIES)
    tables = run(data, out, settings, flow, truth, strategies, repeats, seed)
    _print(tables)
    print(f"Tables: {out / 'tables.md'}; figures beside it.")


@recipe.command("ums-rep-cxr", cls=Command)
@recipe_settings(only=(*SHARED, "argument", "segment_from", "decay"))
def ums_rep_cxr(
    construct_on: Annotated[
        list[Path] | None,
        typer.Option(
            help="Prepared set whose images construct the representation, such "
            "as RSNA; repeat. Default of this and the next three, which go "
            "together: synthetic X-rays are drawn and prepared."
        ),
    ] = None,
    heterogeneous: Annotated[
        Path | None,
        typer.Option(
            help="Prepared set with tasks of different kinds, such as Shenzhen."
        ),
    ] = None,
    external: Annotated[
        Path | None,
        typer.Option(
            help="The same tasks in another hospital, such as Montgomery."
        ),
    ] = None,
    homogeneous: Annotated[
        Path | None,
        typer.Option(
            help="Prepared set with several label tasks and test images of its "
            "own, such as Kermany's."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path(
        "ums-rep-cxr"
    ),
    images: Annotated[
        int,
        typer.Option(min=60, help="Synthetic images of each set."),
    ] = 400,
    size: Annotated[
        int, typer.Option(min=32, help="Their side, prepared, in pixels.")
    ] = 64,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            help="independent, alternating or joint; repeat. Default: all "
            "three. Separate models are always trained."
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(min=2, help="Folds by patient. Default: the preset's."),
    ] = None,
    preset: options.RecipePreset = "small",
    construction_epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Epochs of the construction."),
    ] = None,
    *,
    chosen,
):
    """UMS-Rep on chest X-rays (Zamzmi, Rajaraman, Antani 2021, 4.1).

    Constructs the representation by removing noise, fine-tunes heterogeneous
    and homogeneous tasks by every strategy in folds by patient, and writes
    the paper's Tables 1 to 6, paired tests, and Figures 2, 6 and 7. What is
    there is not done again.
    """
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.recipes import ums_rep_cxr as recipe

    seed = chosen.pop("seed", 0)
    settings = recipe.preset(
        preset, construction_epochs=construction_epochs, folds=folds, **chosen
    )
    given = (construct_on, heterogeneous, external, homogeneous)
    sets = _chest_sets(given, out, images, size, seed)
    strategies = tuple(strategy or recipe.STRATEGIES)
    tables = recipe.run(sets, out, settings, strategies, seed)
    _print(tables)
    print(f"Tables: {out / 'tables.md'}; figures beside it.")


def _chest_sets(given, out, images, size, seed):
    """The sets that are given, or synthetic ones."""
    from umsrep.errors import UmsrepError
    from umsrep.phantoms import phantom_data
    from umsrep.recipes.ums_rep_cxr import Sets

    if any(given) and not all(given):
        raise UmsrepError(
            "--construct-on, --heterogeneous, --external and --homogeneous go "
            "together. Pass all four, or none for synthetic X-rays."
        )
    if not any(given):
        drawn = [
            phantom_data(layout, out / "data", images, size, seed)
            for layout in ("rsna", "shenzhen", "montgomery", "kermany")
        ]
        given = ([drawn[0]], *drawn[1:])
    return Sets(tuple(given[0]), *given[1:])


def _print(tables):
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for title, frame in tables.items():
        shown = Table(title=title, title_justify="left")
        if frame.index.name is not None:
            frame = frame.reset_index()
        for column in frame:
            shown.add_column(str(column))
        for row in frame.itertuples(index=False):
            shown.add_row(*map(str, row))
        console.print(shown)


def add_to(app):
    """Adds the command group to the application."""
    app.add_typer(recipe, name="recipe")
