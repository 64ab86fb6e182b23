"""Several networks, each trained several times, on one split.

A repeat has its own seed for weights, order and augmentation; the split is
the same for all, so that what differs is the training. Everything is kept in
run and evaluation folders, and what is there is not done again.
"""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats import multitest

from umsrep import runs
from umsrep.data import storage
from umsrep.stages.construction import construct
from umsrep.stages.evaluation import evaluate_run
from umsrep.stages.finetuning import finetune
from umsrep.stages.settings import FinetuneSettings

BOOTSTRAP = 200
# Of the constructed representation, among the networks of a table.
REPRESENTATION = "representation"


@dataclass(frozen=True)
class Candidate:
    """One network to be trained.

    Attributes:
        name: Of its column in the tables and of its folders.
        tasks: Names of the tasks it learns.
        settings: `FinetuneSettings`; the seeds are set for each repeat.
        constructed: Whether it starts from the representation, where one is
            constructed first; a baseline does not, and only leaves the same
            patients out.
    """

    name: str
    tasks: tuple
    settings: FinetuneSettings
    constructed: bool = True


def run_repeats(
    data, candidates, out, repeats=5, seed=0, say=print, construction=None
):
    """Trains and evaluates every candidate `repeats` times.

    Args:
        data: A prepared data set.
        candidates: `Candidate`s.
        out: Folder; interrupted work goes on where it was.
        repeats: Trainings of each, with the seeds seed, seed + 1, ...
        seed: Of the split, and of the first repeat.
        say: Called with a line per step.
        construction: `ConstructionSettings`: in each repeat a representation
            is constructed first. None: all weights are new.

    Returns:
        Data frame, one row per network, repeat, task and metric: network,
        repeat, seed, task, metric, value (of the test images). Of the
        constructed representation (network `REPRESENTATION`) that of its own
        test images, which are the target tasks' images.
    """
    out = Path(out)
    rows = []
    total = len(candidates) * repeats
    # Repeats outside: after the first round every network has a number.
    for repeat in range(repeats):
        seeds = {"seed": seed + repeat, "split_seed": seed}
        source = None
        if construction is not None:
            source, _ = folders(out, REPRESENTATION, repeat)
            say(f"{REPRESENTATION}, repeat {repeat + 1}")
            construct([data], source, replace(construction, **seeds), True)
            rows += _cost(REPRESENTATION, repeat, seed, source)
        for number, one in enumerate(candidates):
            run, evaluation = folders(out, one.name, repeat)
            step = f"{repeat * len(candidates) + number + 1} of {total}"
            if not evaluation.exists():
                say(f"{one.name}, repeat {repeat + 1} ({step})")
            finetune(
                data,
                one.tasks,
                run,
                source if one.constructed else None,
                replace(one.settings, **seeds),
                leave_out=None if one.constructed else source,
                resume=True,
            )
            if evaluation.exists() and not _is_of(evaluation, run):
                shutil.rmtree(evaluation)
            if not evaluation.exists():
                evaluate_run(run, data, evaluation, bootstrap=BOOTSTRAP)
            rows += _rows(one.name, repeat, seed, run, evaluation)
    return pd.DataFrame(rows)


def _is_of(evaluation, run):
    """Whether an evaluation is of this training, not of one before it."""
    told = storage.read_json(evaluation / "evaluation.json").get("run", {})
    info = storage.plain(runs.Run(run).info)
    # Two trainings never take the very same seconds.
    return all(told.get(k) == info.get(k) for k in ("config", "seconds"))


def folders(out, name, repeat):
    """(run folder, evaluation folder) of one repeat."""
    slug = name.lower().replace(" ", "-")
    return (
        Path(out) / "runs" / f"{slug}-{repeat}",
        Path(out) / "evaluations" / f"{slug}-{repeat}",
    )


def _rows(name, repeat, seed, run, evaluation):
    yield from _cost(name, repeat, seed, run)
    common = _common(name, repeat, seed)
    metrics = storage.read_json(evaluation / "metrics.json", "metrics")
    for task, entry in metrics.items():
        for metric, value in entry.items():
            if isinstance(value, (int, float)) and not metric.endswith(
                "_undefined_resamples"
            ):
                yield {
                    **common,
                    "task": task,
                    "metric": metric,
                    "value": value,
                }


def _cost(name, repeat, seed, run):
    """Seconds and parameters, of the whole run and of each task's part."""
    info = runs.read_run(run)
    parameters = info["trainable_parameters"]
    seconds = info.get("seconds_by_task", {})
    parts = {
        "": {
            "seconds": info["seconds"],
            "epochs": info["epochs_run"],
            "trainable_parameters": parameters["total"],
        }
    } | {
        task: {
            "training_seconds": seconds.get(task),
            "training_parameters": parameters.get(task),
        }
        for task in info["tasks"]
    }
    for task, cost in parts.items():
        for metric, value in cost.items():
            if value is not None:
                yield {
                    **_common(name, repeat, seed),
                    "task": task,
                    "metric": metric,
                    "value": value,
                }


def _common(name, repeat, seed):
    return {"network": name, "repeat": repeat, "seed": seed + repeat}


def median_and_spread(frame):
    """Median and standard deviation over the repeats, as the papers report.

    Args:
        frame: As of `run_repeats`.

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
        table: As of `median_and_spread`.
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


def compare(frame, pairs, metrics):
    """Mann-Whitney tests over repeats.

    GG-CAM's paper has an analysis of variance, which assumes more.

    With 5 repeats each the smallest possible p is 0.008. A repeat is a
    training, not a patient: the test says whether training again would give
    the same order, not whether other patients would.

    Args:
        frame: As of `run_repeats`.
        pairs: [(network, network)].
        metrics: [(task, metric)]; what a network does not have is left out.

    Returns:
        Data frame: a, b, task, metric, median_a, median_b, p, p_holm (over all
        rows). Values with fewer than 3 repeats each are left out.
    """

    def values(network, task, metric):
        part = frame[
            (frame["network"] == network)
            & (frame["task"] == task)
            & (frame["metric"] == metric)
        ]
        return part["value"].dropna().to_numpy(float)

    rows = []
    for pair in pairs:
        for task, metric in metrics:
            a, b = (values(name, task, metric) for name in pair)
            if min(len(a), len(b)) < 3:
                continue
            rows.append(
                {
                    "a": pair[0],
                    "b": pair[1],
                    "task": task,
                    "metric": metric,
                    "median_a": np.median(a),
                    "median_b": np.median(b),
                    "p": stats.mannwhitneyu(a, b).pvalue,
                }
            )
    table = pd.DataFrame(rows)
    if rows:
        table["p_holm"] = multitest.multipletests(table["p"], method="holm")[1]
    return table
