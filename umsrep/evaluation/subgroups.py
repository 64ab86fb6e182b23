"""Metrics per value of a column, such as sex, age group, site or device.

A difference between subgroups is tested by exchanging the column's values
between patients: the statistic is the largest less the smallest value of the
task's main metric over the subgroups.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.stats.multitest import multipletests

from umsrep import tasks
from umsrep.data import Dataset, source_facts
from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.evaluation import table_metrics

# Different values from which on a column of numbers is cut into quarters.
MOST_VALUES = 8
# Fewer images or patients say too little to be tested; they are shown.
FEWEST = 5
PERMUTATIONS = 999
FIXED = ("image", "patient", "checksum", "copies", "source")


def groups_of(dataset: Dataset, column: str) -> NDArray[np.object_]:
    """The subgroup of each image, "" where unknown.

    Args:
        dataset: A `data.Dataset`.
        column: A column of its table (also a label or number task) or of
            sources.csv. Of numbers with many values, the quarters.

    Raises:
        UmsrepError: no such column, or one with too many values.
    """
    found = dataset.table.get(column)
    known = [c for c in dataset.table if c not in FIXED]
    if len(dataset.folders) == 1:
        facts = source_facts.read(dataset.folders[0].path)
        if facts is not None:
            known += [c for c in facts if c not in (*FIXED, *known)]
            if found is None and column in facts:
                facts = facts.set_index("image").reindex(dataset.table["image"])
                found = facts[column]
    if found is None or column in FIXED:
        raise UmsrepError(
            f"Data set '{dataset.name}' has no column '{column}' to divide "
            f"images by. Choose one of {', '.join(known) or 'none'}, or add "
            "it to the table of labels and prepare the data again."
        )
    text = found.fillna("").astype(str).to_numpy(object)
    if len(set(text) - {""}) <= MOST_VALUES:
        return text
    numbers = pd.to_numeric(pd.Series(text), errors="coerce")
    if numbers[text != ""].isna().any():
        raise UmsrepError(
            f"Column '{column}' has {len(set(text) - {''})} different values; "
            f"expected at most {MOST_VALUES}, or numbers. Choose another "
            "column, or put its values into groups."
        )
    quarters = pd.qcut(numbers, 4, duplicates="drop", precision=3)
    cut = quarters.astype(str).where(numbers.notna(), "")
    return cut.to_numpy(object)


def subgroup_metrics(
    table: pd.DataFrame,
    specs: Iterable[TaskSpec],
    groups: NDArray[np.object_],
    bootstrap: int = 1000,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Metrics of each task in each subgroup, with intervals.

    Args:
        table: Data frame with the columns of predictions.csv.
        specs: `TaskSpec`s.
        groups: (rows,) the subgroup of each row; "" takes no part.
        bootstrap: Patient-clustered resamples for the intervals.
        seed: Their seed.

    Returns:
        [{"task", "group", "images", "patients", metric: value, ...}].
    """
    rows = []
    for spec in specs:
        for group in sorted(set(groups) - {""}):
            part = table[groups == group]
            if len(table_metrics.labelled(part, spec)):
                found = table_metrics.all_metrics(part, [spec], bootstrap, seed)
                rows.append(
                    {"task": spec.name, "group": group, **found[spec.name]}
                )
    return rows


def difference(
    table: pd.DataFrame,
    spec: TaskSpec,
    groups: NDArray[np.object_],
    seed: int = 0,
) -> dict[str, Any] | None:
    """Whether the main metric of a task differs between subgroups.

    Args:
        table, groups: As of `subgroup_metrics`.
        spec: A `TaskSpec`.
        seed: Of the permutations.

    Returns:
        {"task", "metric", "groups": those tested, "range": largest less
        smallest value, "p"}, or None with fewer than two subgroups of
        `FEWEST` images and patients.
    """
    rows = table_metrics.labelled(table, spec)
    groups = pd.Series(groups, table.index)[rows.index].to_numpy(object)
    patients = table_metrics.patients_of(rows)
    tested = [
        group
        for group in sorted(set(groups) - {""})
        if (groups == group).sum() >= FEWEST
        and len(set(patients[groups == group])) >= FEWEST
    ]
    if len(tested) < 2:
        return None
    keep = np.isin(groups, tested)
    rows, patients = rows[keep], patients[keep]
    code = np.searchsorted(tested, groups[keep].astype(str))
    kind = tasks.of(spec)
    statistics = kind.statistics(rows)
    observed = _ranges(statistics, kind.main, code[None], len(tested))[0]
    moved = _exchanged(code, patients, seed)
    chance = _ranges(statistics, kind.main, moved, len(tested))
    reached = (chance >= observed - 1e-12).sum()
    return {
        "task": spec.name,
        "metric": kind.main,
        "groups": tested,
        "range": float(observed),
        "p": float((reached + 1) / (len(chance) + 1)),
    }


def _exchanged(code: NDArray, patients: NDArray, seed: int) -> NDArray:
    """(permutations, rows): values exchanged between patients.

    Between patients with as many images, where some patient has several
    values; freely otherwise.
    """
    rng = np.random.default_rng([seed, 0x5B])
    _, person = np.unique(patients, return_inverse=True)
    rows = [np.flatnonzero(person == p) for p in range(person.max() + 1)]
    moved = np.tile(code, (PERMUTATIONS, 1))
    if all(len(set(code[r])) == 1 for r in rows):
        first = np.array([code[r[0]] for r in rows])
        for row in moved:
            row[:] = rng.permutation(first)[person]
        return moved
    sizes = np.array([len(r) for r in rows])
    for size in np.unique(sizes):
        block = np.array([rows[p] for p in np.flatnonzero(sizes == size)])
        for row in moved:
            row[block] = code[block[rng.permutation(len(block))]]
    return moved


def _ranges(
    statistics: Any, metric: str, codes: NDArray, count: int
) -> NDArray[np.float64]:
    """(labellings,) largest less smallest metric over the subgroups."""
    found = []
    for start in range(0, len(codes), 100):
        block = codes[start : start + 100]
        weights = (block[:, None] == np.arange(count)[:, None]).astype(float)
        values = statistics(weights.reshape(-1, block.shape[1]))[metric]
        found.append(np.asarray(values).reshape(-1, count))
    values = np.concatenate(found)
    return np.nanmax(values, axis=1) - np.nanmin(values, axis=1)


def audit_columns(
    table: pd.DataFrame,
    specs: Sequence[TaskSpec],
    dataset: Dataset,
    columns: Sequence[str],
    bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """subgroups.json of an evaluation.

    Args:
        table: Data frame with the columns of predictions.csv.
        specs: `TaskSpec`s.
        dataset: The `data.Dataset` of its rows, in their order.
        columns: Columns to divide by.
        bootstrap, seed: As of `subgroup_metrics`.

    Returns:
        {"rows": [{"column", "task", "group", "images", ...}], "tests":
        [{"column", "task", "metric", "groups", "range", "p", "p_holm"}]},
        with p adjusted by Holm for all tests together.
    """
    rows, tests = [], []
    for column in columns:
        groups = groups_of(dataset, column)
        for row in subgroup_metrics(table, specs, groups, bootstrap, seed):
            rows.append({"column": column, **row})
        for spec in specs:
            found = difference(table, spec, groups, seed)
            # A task does not differ by itself.
            if found is not None and spec.name != column:
                tests.append({"column": column, **found})
    if tests:
        adjusted = multipletests([t["p"] for t in tests], method="holm")[1]
        for test, p in zip(tests, adjusted, strict=True):
            test["p_holm"] = float(p)
    return {"rows": rows, "tests": tests}


def to_frame(found: dict[str, Any]) -> pd.DataFrame:
    """subgroups.csv: a row per column, task, subgroup and metric."""
    rows = []
    for row in found["rows"]:
        about = {k: row[k] for k in ("column", "task", "group")}
        about |= {k: row[k] for k in ("images", "patients")}
        for name, value in row.items():
            if name in about or not isinstance(value, (int, float)):
                continue
            low, high = row.get(f"{name}_ci95") or (None, None)
            told = row.get("intervals") or {"methods": {}, "notes": {}}
            rows.append(
                {**about, "metric": name, "value": value}
                | {"low": low, "high": high}
                | {"method": told["methods"].get(name, "")}
                | {"note": told["notes"].get(name, "")}
            )
    columns = ["column", "task", "group", "images", "patients", "metric"]
    columns += ["value", "low", "high", "method", "note"]
    return pd.DataFrame(rows, columns=columns)
