"""Splits by patient."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from umsrep import tasks as task_kinds
from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError


def split_patients(
    table: pd.DataFrame,
    tasks: Mapping[str, TaskSpec],
    fractions: ArrayLike,
    seed: int,
    extend_test: bool = False,
    owners: ArrayLike | None = None,
) -> NDArray[np.object_]:
    """Divides images into "train", "validation" and "test" by patient.

    Patients are grouped by which tasks they have labels for and by their
    classes (`TaskKind.strata`), and each group is divided in the shares
    wanted, so that rare labels are on every side.

    Args:
        table: The manifest: columns patient, split and one per task.
        tasks: {task: TaskSpec}.
        fractions: (train, validation, test), summing to 1. They apply to the
            patients that the manifest does not put into "validation" or
            "test"; where it holds a test set, the share for test goes to
            train. A patient that it puts into "train" never goes to test, and
            to validation only where it holds no validation set.
        seed: Integer.
        extend_test: Add the share for test to the test set that the manifest
            holds, instead, also of patients that it puts into "train": the
            "test" of a construction is what it leaves to target tasks.
        owners: (n,) whose each image is, as of `Dataset.owners`: patients of
            whom the data set holds the same picture count as one. None: the
            patients.

    Returns:
        (n,) array of names, one per image; "" is left out: a copy of an image
        that the manifest puts into "test", or into "validation", is trained
        on nowhere.
    """
    fractions = check_fractions(fractions)
    declared_rows = (table["split"] != "").to_numpy()
    check_disjoint(
        table["patient"][declared_rows], table["split"][declared_rows]
    )
    if owners is not None:
        table = table.assign(patient=np.asarray(owners, dtype=object))
    given, left_out = followed(table)
    result = given.copy()
    fixed = np.isin(given, ("validation", "test")) | left_out
    if (given == "test").any() and not extend_test:
        fractions = np.array([fractions[0] + fractions[2], fractions[1], 0.0])
    if (given == "validation").any():
        fractions = np.array([fractions[0] + fractions[1], 0.0, fractions[2]])
    free = table[~fixed]
    declared = (
        set() if extend_test else set(free["patient"][given[~fixed] != ""])
    )
    rng = np.random.default_rng([seed, 0x5117])
    sides: dict[str, str] = {}
    # The share for test of patients that may not be tested on goes to train.
    within = np.array([fractions[0] + fractions[2], fractions[1], 0.0])
    for group in strata(free, tasks):
        for shares, part in (
            (within, [p for p in group if p in declared]),
            (fractions, [p for p in group if p not in declared]),
        ):
            if part:
                sides |= divide(part, shares, rng)
    result[~fixed] = free["patient"].map(sides).to_numpy(dtype=object)
    kept = ~left_out
    check_disjoint(table["patient"].to_numpy()[kept], result[kept])
    return result


def check_fractions(fractions: ArrayLike) -> NDArray[np.float64]:
    """(train, validation, test) as an array.

    Raises:
        UmsrepError: they are no three shares that sum to 1.
    """
    shares = np.asarray(fractions, dtype=float)
    if (
        shares.shape != (3,)
        or (shares < 0).any()
        or abs(shares.sum() - 1) > 1e-6
    ):
        raise UmsrepError(
            f"fractions={tuple(shares.tolist())}: expected three shares "
            "(train, validation, test) of at least 0 that sum to 1, such as "
            "(0.7, 0.1, 0.2)."
        )
    return shares


def followed(
    table: pd.DataFrame,
) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """The manifest's split; what is empty follows the patient's other images.

    A patient with one image in "test" and others without a split is a
    patient of the test set. Where copies join patients of two sides, the test
    images stay, then the validation images; the others are left out.

    Returns:
        ((n,) side or "", (n,) bool: what is left out).
    """
    split = table["split"].to_numpy(dtype=object).copy()
    patients = table["patient"].to_numpy()
    left_out = np.zeros(len(table), bool)
    given: dict[str, set[str]] = {}
    for patient, side in zip(patients, split, strict=True):
        if side:
            given.setdefault(patient, set()).add(side)
    for row, patient in enumerate(patients):
        if sides := given.get(patient):
            side = next(name for name in _FIRST if name in sides)
            left_out[row] = split[row] not in ("", side)
            split[row] = "" if left_out[row] else side
    return split, left_out


# Which side keeps a picture that the manifest has on several.
_FIRST = ("test", "validation", "train")


def divide(
    group: Sequence[str],
    fractions: NDArray[np.float64],
    rng: np.random.Generator,
) -> dict[str, str]:
    """{patient: side} of patients with the same labels."""
    order = rng.permutation(len(group))
    # A random rest keeps the shares right over many small groups.
    edges = np.cumsum(fractions)[:2] * len(group) + rng.random() - 0.5
    edges = np.clip(np.round(edges), 0, len(group)).astype(int)
    if fractions[2] == 0:
        edges[1] = len(group)
    if fractions[1] == 0:
        edges[0] = edges[1]
    places = np.searchsorted(edges, np.arange(len(group)), side="right")
    return {
        group[patient]: ("train", "validation", "test")[side]
        for patient, side in zip(order, places, strict=True)
    }


def strata(
    table: pd.DataFrame,
    tasks: Mapping[str, TaskSpec],
    columns: Iterable[str] = (),
) -> list[list[str]]:
    """Lists of patients with the same labels, in a stable order.

    Args:
        table: Rows of the manifest.
        tasks: {task: TaskSpec}.
        columns: Other columns whose values keep patients apart.
    """
    signature: dict[str, set[str]] = {}
    table = table.sort_values("image")
    found = {
        name: task_kinds.of(task).strata(table[name])
        for name, task in tasks.items()
    } | {name: table[name].astype(str).to_numpy() for name in columns}
    for row, patient in enumerate(table["patient"]):
        key = signature.setdefault(patient, set())
        for name, values in found.items():
            if values[row]:
                key.add(f"{name}={values[row]}")
    groups: dict[tuple[str, ...], list[str]] = {}
    for patient in sorted(signature):
        labels = tuple(sorted(signature[patient]))
        groups.setdefault(labels, []).append(patient)
    return [groups[key] for key in sorted(groups)]


def check_disjoint(patients: Iterable[str], names: Iterable[str]) -> None:
    sides: dict[str, set[str]] = {}
    for patient, name in zip(patients, names, strict=True):
        sides.setdefault(patient, set()).add(name)
    both = sorted(p for p, s in sides.items() if len(s) > 1)
    if both:
        raise UmsrepError(
            f"Patient '{both[0]}' (and {len(both) - 1} more) is on two sides "
            "of the manifest's split. Run `umsrep verify` to list them, fix "
            "the split in the source, and prepare the data again."
        )
