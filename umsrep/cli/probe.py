"""`umsrep probe`."""

from pathlib import Path
from typing import Annotated

import typer

from umsrep.cli import reading
from umsrep.cli.command import Command
from umsrep.cli.settings_options import with_settings
from umsrep.stages.settings import FinetuneSettings


@with_settings(
    FinetuneSettings,
    only=(
        "argument",
        "weights",
        "classify_from",
        "fractions",
        "seed",
        "split_seed",
    ),
)
def probe(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN...]", help="Run folders of `umsrep pretrain`."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Prepared data set; its test side is judged on."),
    ] = None,
    test_data: Annotated[
        list[Path] | None,
        typer.Option(help="Prepared data set to judge on as well; repeat."),
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option(
            help="Also probe this network: new weights, as the floor, or "
            "those of --weights. One of $architectures."
        ),
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option(help="Task; repeat. Default: all.")
    ] = None,
    labelled_patients: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            help="Numbers of labelled patients, such as 13,26,53. Default: "
            "all of the training side.",
        ),
    ] = None,
    draws: Annotated[
        int, typer.Option(min=1, help="Draws of so many patients.")
    ] = 5,
    out: Annotated[
        Path | None,
        typer.Option(help="Table to write: .csv (every draw) or .json."),
    ] = None,
    *,
    chosen,
):
    """What frozen features tell of each task, in seconds.

    A logistic regression (linear_auc) and nearest neighbours (knn_auc) on the
    means and deviations of features for labels, a ridge regression per cell
    (cell_dice) for masks; fitted on training patients, judged on the test side.
    """
    from umsrep.cli.quiet import load_backend

    load_backend()
    from umsrep.cli.tables import print_probes
    from umsrep.errors import UmsrepError
    from umsrep.experiments import frozen_probes

    if data is None:
        raise UmsrepError("--data is missing. Pass a prepared data set.")
    _check_out(out)
    settings = {k: v for k, v in chosen.items() if k != "arguments"}
    sizes = labelled_patients and reading.whole_numbers(
        labelled_patients, "--labelled-patients"
    )
    table = frozen_probes.probe_table(
        frozen_probes.probed_of(
            runs or [], architecture, chosen.get("arguments")
        ),
        data,
        test_data or (),
        sorted(sizes or ()),
        draws,
        FinetuneSettings(**settings),
        task,
    )
    means = frozen_probes.summary(table)
    print_probes(table, means)
    if out is not None:
        _write(out, table, means)
        print(f"Table: {out}")


def _check_out(out):
    from umsrep.errors import UmsrepError

    if out is not None and out.suffix not in (".csv", ".json"):
        raise UmsrepError(
            f"--out {out}: expected a file that ends in .csv or .json. "
            "Rename it."
        )


def _write(out, table, means):
    from umsrep.data import storage

    if out.suffix == ".csv":
        storage.write_csv(out, table)
        return
    storage.write_json(
        out,
        {
            "draws": table.to_dict("records"),
            "means": means.to_dict("records"),
        },
    )


def add_to(app):
    """Adds the sub-command."""
    app.command("probe", cls=Command)(probe)
