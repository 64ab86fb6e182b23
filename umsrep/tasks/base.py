"""The contract of a task kind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from umsrep.errors import UmsrepError
from umsrep.metrics import catalogue
from umsrep.metrics.estimates import Estimate, Mean
from umsrep.registry import Registry
from umsrep.tasks import columns
from umsrep.tasks.protocols import (
    Calibration,
    Cells,
    Data,
    Frame,
    Reference,
    Spec,
    Statistics,
)

Kind = TypeVar("Kind", bound=type["TaskKind"])

registry = Registry("task kind", serializable=False)

# Where a target lies: in a cell of the manifest, in a picture of a folder, or
# in other tasks that it is made of.
CELL, PICTURE, DERIVED = "cell", "picture", "derived"
MCNEMAR, WILCOXON, RANKING = "mcnemar", "wilcoxon", "ranking"


def register(name: str) -> Callable[[Kind], Kind]:
    """Decorator: registers a `TaskKind` under `name`; a duplicate raises."""

    def decorate(cls: Kind) -> Kind:
        cls.name = name
        return registry.register(name)(cls)

    return decorate


def get(name: str) -> type["TaskKind"]:
    """The class registered under `name`; a miss lists what exists."""
    return registry.get(name)


def of(spec: Spec) -> "TaskKind":
    """The kind of a `TaskSpec`, bound to it."""
    return get(spec.kind)(spec)


def names() -> tuple[str, ...]:
    """Names of the kinds that a prepared data set may hold."""
    return tuple(n for n in registry.names() if get(n).place != DERIVED)


@dataclass(frozen=True)
class PairedTest:
    """A paired test that suits a kind.

    Attributes:
        test: `MCNEMAR` (right or wrong), `WILCOXON` (values per image) or
            `RANKING` (exchanged ranks).
        column: The metric compared; of the first two a column of
            predictions.csv.
    """

    test: str
    column: str


class TaskKind:
    """What is different about one kind of task (abstract).

    An instance is bound to a task, `self.spec` (name, kind, classes, unit,
    limits). A kind derives from `CellKind` or `PictureKind` and states:

    Attributes:
        name: Set by `register`.
        place: `CELL`, `PICTURE` or `DERIVED`.
        folder: Where pictures lie, `<folder>/<task>/<image>.png`; "" is none.
        options: Names of the fields of a `TaskSpec` that it uses, also keys
            of a task in tasks.yaml: "classes", "unit", "limits".
        head: Registered name of its head, unless the settings name another.
        form: What a result is: "classes", probabilities (classes,); "mask",
            probabilities (height, width); "map", a distribution (height,
            width); "number", a float. Written, drawn, exported by its form.
        columns: Its per-image metrics, columns `<task>_<metric>` of
            predictions.csv.
        reference: Column that is filled where an image has a reference.
        required: Those of `columns` without which a table is of no use.
        main: Name of the main metric.
        ranked_by: The column that ranks images from worst to best.
        paired: `PairedTest`s that suit it.
        calibrated: Whether temperature and threshold are fitted.
        compared: Whether its metrics compare with gaze on training images.
        explained: Whether explainers (Grad-CAM) apply.
        exported: Whether `umsrep export` writes it.
        threshold: From this output on a pixel is inside, or None.
        title: Heading of its pictures.
        picture: How an image and its result are drawn: "outlines", "heat",
            "explanation" or "value".
        figure: How a data set's results are plotted: "distribution" (of
            `ranked_by`), "curves" (ROC and reliability) or "scatter".
        note: What a reader of a table of its metrics must know.
        kept_as: Number format in which many outputs are kept.
    """

    name = ""
    place = DERIVED
    folder = ""
    options: tuple[str, ...] = ()
    head = ""
    form = ""
    columns: tuple[str, ...] = ()
    reference = ""
    required: tuple[str, ...] = ()
    main = ""
    ranked_by = ""
    paired: tuple[PairedTest, ...] = ()
    calibrated = False
    compared = False
    explained = False
    exported = False
    threshold: float | None = None
    title = ""
    picture: str | None = None
    figure: str | None = None
    note = ""
    kept_as: str | None = None

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    # The task itself.

    def check(self) -> None:
        """Raises unless the task's classes, unit and limits fit the kind."""
        for option in ("classes", "unit", "limits"):
            value = getattr(self.spec, option)
            if value and option not in self.options:
                raise UmsrepError(
                    f"{self.name.capitalize()} task '{self.spec.name}' has "
                    f"{option} {value}. Leave {option} out, or use "
                    f"{_kinds_with(option)}."
                )

    def words(self) -> str:
        """The task in words, such as "a label of low, high"."""
        return f"a {self.name}"

    @classmethod
    def read_options(cls, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Fields of a `TaskSpec` from a task's entry in tasks.yaml.

        Args:
            entry: {key: value}, the keys among `options`.

        Returns:
            {field: value}.

        Raises:
            UmsrepError: a value that cannot be used.
        """
        return dict(entry)

    @classmethod
    def infers(cls, fields: Mapping[str, Any]) -> bool:
        """Whether the rest of a spec is found in the table's column."""
        return False

    # The prepared format. Cells are the text of the task's manifest column.

    def strata(self, cells: ArrayLike) -> NDArray:
        """What images are stratified by, one text per cell; "" is none."""
        # One word for every kind: recorded splits depend on it.
        return np.where(np.asarray(cells) == "", "", "mask")

    def counts(self, cells: Cells) -> dict[str, Any]:
        """What dataset.json says of a task beside its number of images."""
        return {}

    def counted(self, entry: Mapping[str, Any]) -> str:
        """An entry of the counts in words, for `umsrep prepare`."""
        return f"{entry['labelled']} with a {self.name}"

    def check_learnable(self, cells: Cells, images: str) -> None:
        """Raises unless something can be learnt from these labels.

        Args:
            cells: The labelled images' cells, at least one.
            images: The images in words ("training images of 'x'").
        """

    # Evaluation.

    def names(self) -> tuple[str, ...]:
        """Names of columns of predictions.csv, beyond the task's name."""
        return self.columns

    def predictions(
        self,
        outputs: NDArray,
        dataset: Data,
        fitted: Calibration | None,
        reference: Reference | None,
    ) -> dict[str, Any]:
        """The task's columns of predictions.csv.

        Args:
            outputs: The network's, one per image.
            dataset: The `data.Dataset`, which may lack the task.
            fitted: `runs.calibration.Calibration` of a calibrated kind.
            reference: `runs.gaze_reference.GazeReference`, or None.

        Returns:
            {column: values}.
        """
        rows: list[dict[str, float]] = [{} for _ in range(len(dataset))]
        if self.spec.name in dataset.tasks:
            score = self.scorer(dataset, reference)
            rows = [score(n, outputs[n]) for n in range(len(dataset))]
        return {
            f"{self.spec.name}_{name}": [row.get(name) for row in rows]
            for name in self.columns
        }

    def scorer(
        self, dataset: Data, reference: Reference | None
    ) -> Callable[[int, NDArray], dict[str, float]]:
        """A function of an image's number and output, as `score`.

        Args:
            dataset, reference: As of `predictions`; the task is there.
        """

        def score(index: int, output: NDArray) -> dict[str, float]:
            true = dataset.target(self.spec.name, index)
            return {} if true is None else self.score(true, output)

        return score

    def score(self, true: NDArray, output: NDArray) -> dict[str, float]:
        """{metric: value} of one image; names among `columns`."""
        raise NotImplementedError

    def statistics(self, rows: pd.DataFrame) -> Statistics:
        """The metrics as a function of how often each image counts.

        Args:
            rows: Rows of predictions.csv with a reference.

        Returns:
            `statistics(weights)` takes None or weights (..., images), how
            often each image counts, and returns {metric: array (...)}. Here
            the means of `columns`.
        """
        known = columns.known(rows, self.spec.name, self.columns, self.required)

        def statistics(weights: NDArray | None) -> dict[str, Any]:
            if weights is None:
                weights = np.ones(len(rows))
            means = {n: columns.mean(x, weights) for n, x in known.items()}
            return means | self.more_statistics(known, weights)

        return statistics

    def estimates(self, rows: pd.DataFrame) -> dict[str, Estimate]:
        """What each metric estimates, for its confidence interval.

        Args:
            rows: Rows of predictions.csv with a reference.

        Returns:
            {metric: estimate}; a metric that is left out has no interval.
            Here means of `columns`, within the metrics' ranges.
        """
        found: dict[str, Estimate] = {}
        known = columns.known(rows, self.spec.name, self.columns, self.required)
        for name, values in known.items():
            metric = catalogue.metric(name)
            found[name] = Mean(values, metric.low, metric.high)
        return found

    def references(
        self, rows: pd.DataFrame, seed: int = 0
    ) -> dict[str, tuple[float, float, float]]:
        """What some metrics are to be compared with.

        Args:
            rows: Rows of predictions.csv with a reference.
            seed: Seed of random draws.

        Returns:
            {name: (value, low, high)}, of 95 %; here none.
        """
        return {}

    def remarks(self, rows: pd.DataFrame) -> list[str]:
        """What a reader of the metrics must be told of these results.

        Args:
            rows: Rows of predictions.csv with a reference.
        """
        return []

    def more_statistics(
        self, values: Mapping[str, NDArray], weights: NDArray
    ) -> dict[str, Any]:
        """{metric: array} beside the means, from {column: values}."""
        return {}

    def metric_names(self) -> tuple[str, ...]:
        """Names of the metrics that `statistics` may give."""
        return self.columns

    def values(
        self, rows: pd.DataFrame, column: str | None = None
    ) -> NDArray[np.float64]:
        """One value per row of predictions.csv: `column`, or `ranked_by`."""
        column = column or self.ranked_by
        return columns.numbers(rows, [f"{self.spec.name}_{column}"])[:, 0]

    def ranking(self, rows: pd.DataFrame) -> tuple[NDArray, str, bool]:
        """What orders images from worst to best.

        Returns:
            (values, their name, whether lower ones are better).
        """
        metric = catalogue.metric(self.ranked_by)
        return self.values(rows), metric.heading, metric.lower_is_better

    def right(self, rows: pd.DataFrame, threshold: float) -> NDArray[np.bool_]:
        """(rows,) bool: which results are right, for McNemar's test."""
        raise NotImplementedError

    def right_in_words(self, threshold: float) -> str:
        """What McNemar's test compares."""
        raise NotImplementedError

    def rankings(
        self, rows: pd.DataFrame
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """What a ranking test compares: (positive, scores).

        Returns:
            Both (classes, images): of two classes only the positive one.
        """
        raise NotImplementedError

    # Inference.

    def finish(
        self,
        outputs: NDArray,
        frames: Sequence[Frame],
        fitted: Calibration | None,
    ) -> list[Any]:
        """Results of a batch at the images' own sizes, a list.

        Args:
            outputs: (images, ...), the network's.
            frames: A `data.frame.Frame` per image.
            fitted: `Calibration` of a calibrated kind.
        """
        raise NotImplementedError

    def exported_words(self, threshold: float | None) -> str:
        """An output of an exported file, for its model card."""
        raise NotImplementedError


def _kinds_with(option: str) -> str:
    found = [n for n in registry.names() if option in get(n).options]
    return f"kind {' or '.join(map(repr, found))}"
