"""Tables of repeated trainings, and the file that holds them."""

import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from umsrep import runs
from umsrep.data import storage

COST = {
    "seconds": "Seconds ↓",
    "epochs": "Epochs",
    "trainable_parameters": "Trainable parameters ↓",
}
# Of each task.
BUDGET = {
    "training_steps": "Steps of",
    "training_labels": "Labelled images seen of",
}

# Which of the values is best, by the arrow of the heading.
BEST = {"↑": max, "↓": min}


def evenly(positions, count):
    """At most `count` of some positions, spread from the first to the last.

    Manifests are sorted, often by class: the first ones are no sample.
    """
    positions = np.asarray(positions)
    count = min(count, len(positions))
    chosen = np.linspace(0, len(positions) - 1, count).round().astype(int)
    return positions[chosen]


def median_and_spread(frame):
    """Median and standard deviation over the repeats, as the papers report.

    Args:
        frame: As returned by `repeats.run_repeats`.

    Returns:
        Data frame: network, task, metric, median, std (of the sample; 0 for a
        single repeat), repeats.
    """
    groups = frame.groupby(["network", "task", "metric"], sort=False)["value"]
    table = groups.agg(["median", "std", "count"]).reset_index()
    table["std"] = table["std"].fillna(0.0)
    return table.rename(columns={"count": "repeats"})


def layout(table, task, metrics, networks):
    """A table in the papers' layout: a row per metric, a column per network.

    Args:
        table: As returned by `median_and_spread`.
        task: Name of a task.
        metrics: {metric: heading}; a heading may end in an arrow.
        networks: Names, in order; one without the task gets no column.

    Returns:
        Data frame of text, "0.670 ± 0.018"; a single repeat has no spread.
    """
    part = table[table["task"] == task]
    columns = {}
    for network in networks:
        of_network = part[part["network"] == network].set_index("metric")
        if of_network.empty:
            continue
        columns[network] = {
            heading: cell(of_network, metric)
            for metric, heading in metrics.items()
        }
    frame = pd.DataFrame(columns)
    frame.index.name = "Metrics"
    return frame


def cell(table, metric):
    """One cell of the papers' tables, "0.670 ± 0.018".

    Args:
        table: Rows of `median_and_spread` of one network and task, indexed by
            metric.
        metric: One of them, or one that is not there.
    """
    if metric not in table.index:
        return "–"
    row = table.loc[metric]
    value = f"{row['median']:.3f}"
    if row["repeats"] > 1:
        value += f" ± {row['std']:.3f}"
    return value.replace("-", "−")


def cost(table, networks):
    """Seconds, epochs, parameters, and each task's steps and labelled images.

    Medians, in whole numbers; a dash where a network lacks the task.

    Args:
        table: As returned by `median_and_spread`.
        networks: Names, in order.
    """
    rows = {heading: ("", metric) for metric, heading in COST.items()} | {
        f"{words} {task}": (task, metric)
        for task in dict.fromkeys(table["task"])
        for metric, words in BUDGET.items()
        if ((table["task"] == task) & (table["metric"] == metric)).any()
    }
    medians = table.set_index(["task", "metric", "network"])["median"]

    def number(task, metric, network):
        value = medians.get((task, metric, network))
        return "–" if value is None else f"{value:,.0f}"

    return pd.DataFrame(
        {
            network: {
                heading: number(task, metric, network)
                for heading, (task, metric) in rows.items()
            }
            for network in networks
        }
    ).rename_axis("Metrics")


def write_tables(
    title,
    out,
    tables,
    data,
    settings,
    repeats,
    seed,
    construction=None,
    trainings=None,
    apart=(),
):
    """Writes tables.md, and results.json with how they came about.

    The best value of a row is bold, as in the papers (`with_best`).

    Args:
        title: Title of the page.
        out: Folder.
        tables: {heading: data frame}; a named index is shown.
        data: The prepared data set.
        settings: `FinetuneSettings` that the networks share, or a recipe's
            preset that holds them.
        repeats, seed, construction: As in `repeats.run_repeats`.
        trainings: What a cell is, in words; default: that of repeats.
        apart: As in `with_best`.
    """
    header = storage.read_json(Path(data) / "dataset.json")
    about = {
        "data": header["name"],
        "manifest_sha256": header["checksums"]["manifest.csv"],
        "gaze": header.get("gaze"),
        "settings": asdict(settings),
        "construction": construction and asdict(construction),
        "repeats": repeats,
        "seed": seed,
        "command": " ".join(["umsrep", *sys.argv[1:]]),
        "versions": runs.versions(),
        "machine": runs.machine(),
    }
    storage.write_json(Path(out) / "results.json", about)
    if trainings is None:
        trainings = _trainings(header["name"], repeats, seed)
    parts = [f"# {title}", trainings]
    for heading, table in tables.items():
        parts += [f"## {heading}", _markdown(with_best(table, apart))]
    with storage.atomic_path(Path(out) / "tables.md") as temporary:
        temporary.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def with_best(table, apart=()):
    """The table with the best values of its rows in bold, as Markdown.

    A row has a best where its heading ends in an arrow and at least two of its
    cells hold a value. Values are compared as they are written: what reads
    equal is equally bold.

    Args:
        table: As returned by `layout` or `cost`.
        apart: Columns that nobody competes with, such as a limit.

    Returns:
        Data frame; one without arrows is as it was.
    """
    table = table.copy()
    rivals = [column for column in table if column not in apart]
    for row, heading in enumerate(table.index):
        if not str(heading).endswith(tuple(BEST)):
            continue
        columns = [table.columns.get_loc(column) for column in rivals]
        values = {
            column: value
            for column in columns
            if (value := _value(table.iat[row, column])) is not None
        }
        if len(values) < 2:
            continue
        best = BEST[heading[-1]](values.values())
        for column, value in values.items():
            if value == best:
                table.iat[row, column] = f"**{table.iat[row, column]}**"
    return table


def _value(cell):
    """The number that a cell begins with, or None where it is a dash."""
    text = str(cell).partition(" ")[0].replace("−", "-").replace(",", "")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _trainings(name, repeats, seed):
    words = f"one training with seed {seed}"
    if repeats > 1:
        words = (
            f"median ± standard deviation of {repeats} trainings with the "
            f"seeds {seed} to {seed + repeats - 1} on one split. A cell "
            "without ± has a single value"
        )
    return f"Test images of '{name}'; {words}."


def classification_metrics(classes, two_classes=()):
    """{metric: heading} of a label task in the papers' layout.

    Args:
        classes: Names of the classes.
        two_classes: {metric: heading} that follow where there are only two;
            with more, the AUC of each class follows.
    """
    metrics = {"accuracy": "ACC ↑", "auc": "AUC ↑"}
    if len(classes) > 2:
        return metrics | {f"auc_{name}": f"AUC-{name} ↑" for name in classes}
    return metrics | dict(two_classes)


def without_empty(tables):
    """{title: data frame} without those that have no cell."""
    return {title: table for title, table in tables.items() if table.size}


def _markdown(table):
    """Numbers stay as they are written: 0.570 is not 0.57."""
    index = table.index.name is not None
    return table.to_markdown(index=index, disable_numparse=True)
