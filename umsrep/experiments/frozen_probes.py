"""Probes of representations by number of labelled patients.

What the first seconds tell before a learning curve takes hours: features of
each representation are read once, and every draw of patients is fitted on
them. The draws are those that fine-tuning with the same seeds would learn
from, and the images judged on are its test side.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from umsrep import runs
from umsrep.data import Dataset, load
from umsrep.data.few_labels import few_labels
from umsrep.data.owners import with_copies
from umsrep.errors import UmsrepError
from umsrep.evaluation import probes
from umsrep.progress import Progress
from umsrep.stages.inputs import Inputs
from umsrep.stages.network import new_representation
from umsrep.stages.settings import FinetuneSettings
from umsrep.stages.unseen import Unseen

METRICS = ("linear_auc", "knn_auc", "cell_dice")


@dataclass(frozen=True)
class Probed:
    """A representation to be probed.

    Attributes:
        name: Its name in the tables.
        run: Run folder of `pretrain`, or None for new weights.
        architecture, arguments: Of new weights.
    """

    name: str
    run: str | Path | None = None
    architecture: str = ""
    arguments: dict[str, Any] | None = None

    def make(self, image_size: tuple[int, int], seed: int) -> Any:
        """The representation."""
        if self.run is not None:
            return runs.Run(self.run).model().representation
        import keras

        keras.utils.set_random_seed(seed)
        return new_representation(image_size, self.architecture, self.arguments)


def probe_table(
    probed: Sequence[Probed],
    data: str | Path | Dataset,
    test_data: Iterable[str | Path | Dataset] = (),
    sizes: Sequence[int] = (),
    draws: int = 5,
    settings: FinetuneSettings | None = None,
    tasks: Sequence[str] | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Probes each representation with each number of labelled patients.

    All on the same patients: whose labels one of the representations has
    learnt from is left out for all of them.

    Args:
        probed: `Probed` representations.
        data: A prepared data set; its test side is judged on.
        test_data: Other sets to judge on.
        sizes: Numbers of labelled patients; empty is all of the training side.
        draws: Draws of patients, with the seeds seed, seed + 1, ...
        settings: `FinetuneSettings`, of which `fractions`, `seed`,
            `split_seed` and `classification_features` count.
        tasks: Names of tasks; None is all.
        progress: Show a progress bar.

    Returns:
        Data frame: representation, patients, draw, data, task, metric, value,
        low, high (95 % by test patient), test_patients, skipped (why there is
        no value).

    Raises:
        UmsrepError: two representations of one name, a number of patients
            that cannot be had, a data set of other images than a run's.
    """
    names = [each.name for each in probed]
    if len(set(names)) < len(names):
        raise UmsrepError(
            f"Representations {', '.join(names)}: two have one name. Give "
            "their folders different names."
        )
    settings = settings or FinetuneSettings()
    unseen = _unseen_by_all(probed, load(data))
    unseen.tell()
    home = unseen.data
    others = [load(folder) for folder in test_data]
    rows = []
    with Progress("probe", len(probed), enabled=progress) as bar:
        for each in probed:
            inputs = Inputs(home, tasks, each.run, None, None)
            sides = inputs.split(settings)
            inputs.warn_of_seen(sides["test"])
            for row in _rows(
                each, inputs, sides, others, sizes, draws, settings
            ):
                rows.append({"representation": each.name, **row})
            bar.advance(1)
    return pd.DataFrame(rows)


def _unseen_by_all(probed, home):
    """`Unseen` images: those of no patient whose labels a run knows."""
    known = [runs.Run(each.run) for each in probed if each.run is not None]
    return Unseen(with_copies(home), [run for run in known if run.has_labels])


def _rows(each, inputs, sides, others, sizes, draws, settings):
    tasks, training = inputs.tasks, sides["train"]
    network = each.make(training.image_size, settings.seed)
    masks = any(spec.kind == "mask" for spec in inputs.specs)
    reader = probes.reader(
        network, settings.classification_features, cells=masks
    )
    fitted = probes.Side.read(reader, training, tasks)
    judged = {
        dataset.name: probes.Side.read(reader, dataset, tasks)
        for dataset in (sides["test"], *others)
    }
    for size in sizes or [None]:
        # All labels are one draw, whatever the seed.
        for draw in range(1 if size is None else draws):
            part, count = fitted, training.table["patient"].nunique()
            if size is not None:
                chosen = few_labels(training, tasks, size, settings.seed + draw)
                part, count = fitted.subset(chosen), size
            for name, side in judged.items():
                found = probes.measure(part, side, tasks, settings.seed + draw)
                for row in _told(found):
                    yield {
                        "patients": count,
                        "draw": draw,
                        "data": name,
                        **row,
                    }


def _told(found):
    for task, entry in found.items():
        if "skipped" in entry:
            yield {"task": task, "skipped": entry["skipped"]}
            continue
        for metric in METRICS:
            if metric in entry:
                low, high = entry[f"{metric}_ci95"]
                yield {
                    "task": task,
                    "metric": metric,
                    "value": entry[metric],
                    "low": low,
                    "high": high,
                    "test_patients": entry["patients"],
                }


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Means over draws, and their standard deviation.

    Args:
        table: As returned by `probe_table`.

    Returns:
        Data frame: data, task, metric, representation, patients, mean, sd
        (nan of one draw), draws, low, high: the interval by patient of one
        draw, on average.
    """
    if "value" not in table:
        return pd.DataFrame()
    keys = ["data", "task", "metric", "representation", "patients"]
    groups = table[table["value"].notna()].groupby(keys, sort=False)
    found = groups.agg(
        mean=("value", "mean"),
        sd=("value", lambda x: np.std(x, ddof=1) if len(x) > 1 else np.nan),
        draws=("value", "count"),
        low=("low", "mean"),
        high=("high", "mean"),
    )
    return found.reset_index()


def probed_of(
    folders: Sequence[str | Path],
    architecture: str | None = None,
    arguments: dict[str, Any] | None = None,
) -> list[Probed]:
    """What a command names: runs, and an architecture's own weights.

    Args:
        folders: Run folders of `pretrain`.
        architecture: Registered name, or None for none.
        arguments: Its arguments.

    Raises:
        UmsrepError: nothing to probe, or arguments of no architecture.
    """
    if arguments and architecture is None:
        raise UmsrepError(
            f"{', '.join(arguments)} without --architecture: a run has its "
            "own network and weights. Name an architecture, or leave it out."
        )
    found = [Probed(Path(f).resolve().name, f) for f in folders]
    if architecture is not None:
        weights = (arguments or {}).get("weights")
        name = f"{architecture} {weights}" if weights else f"new {architecture}"
        found.append(Probed(name, None, architecture, arguments or {}))
    if not found:
        raise UmsrepError(
            "No representation to probe. Pass run folders of `umsrep "
            "pretrain`, or --architecture for new weights."
        )
    return found
