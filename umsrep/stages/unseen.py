"""Patients that no representation in use has learnt from."""

import sys
from collections.abc import Iterable, Mapping

import pandas as pd

from umsrep import runs
from umsrep.data import Dataset
from umsrep.errors import UmsrepError
from umsrep.runs import stage_one


class Unseen:
    """A data set without the patients that some runs have learnt from.

    A representation that was constructed with labels knows the answers for
    its patients: a task trained on them learns from features that fit too
    well, and one tested on them looks better than it is. (Denoising uses no
    labels; there only the test images are warned of.) A patient is known
    again by data set and key, or by the checksum of any of their images or of
    a copy of it, so also when the data set has another name, or a new image
    of them.

    Args:
        whole: A `data.Dataset`.
        sources: `runs.Run`s of `pretrain`; None is skipped.

    Attributes:
        data: The `data.Dataset` without them.
        seen: Data frames with the columns of split.csv: what was left out,
            and what else the runs have learnt from, so that `evaluate` can
            refuse it.

    Raises:
        UmsrepError: nothing is left.
    """

    def __init__(
        self, whole: Dataset, sources: Iterable[runs.Run | None]
    ) -> None:
        self.sources = [run for run in sources if run is not None]
        rows = [run.split() for run in self.sources]
        rows = (
            pd.concat(rows)
            if rows
            else pd.DataFrame(columns=runs.SPLIT_COLUMNS)
        )
        rows = rows[rows["split"].isin(runs.LEARNT_FROM)]
        left_out = stage_one.of_patients(whole, rows)
        self.data = whole.subset(~left_out)
        self._left_out = whole.subset(left_out)
        if not len(self.data):
            raise UmsrepError(
                f"All {len(whole)} images of '{whole.name}' are of patients "
                f"that {self._names} has learnt from, so none is left for "
                "target tasks. Construct the representation on fewer, such as "
                "with --fractions 0.6 0.1 0.3, or pass other data."
            )
        table = self._left_out.table.assign(dataset=whole.name)
        others = rows[~rows["checksum"].isin(table["checksum"])]
        self.seen = [
            part.assign(split=runs.SEEN)[runs.SPLIT_COLUMNS]
            for part in (table, others.drop_duplicates(["dataset", "image"]))
            if len(part)
        ]

    def require(
        self, tasks: Iterable[str], splits: Mapping[str, Dataset]
    ) -> None:
        """Raises unless the tasks can be learnt from what is left.

        Args:
            tasks: Names of tasks.
            splits: {"train", "validation", ...: `data.Dataset`}; others may
                lack labels.
        """
        for name, words in (
            ("train", "training"),
            ("validation", "validation"),
        ):
            try:
                splits[name].require(tasks, words)
            except UmsrepError as error:
                if not len(self._left_out):
                    raise
                raise UmsrepError(f"{error} {self._words}") from error

    def tell(self) -> None:
        """Says on stderr what was left out, if anything."""
        if len(self._left_out):
            print(f"Note: {self._words}", file=sys.stderr)

    @property
    def _names(self):
        return " and ".join(
            dict.fromkeys(str(run.path) for run in self.sources)
        )

    @property
    def _words(self):
        patients = self._left_out.table["patient"].nunique()
        return (
            f"{len(self._left_out)} images of {patients} patients are left "
            f"out, for {self._names} has learnt from these patients; "
            f"{len(self.data)} images of "
            f"{self.data.table['patient'].nunique()} patients are used."
        )
