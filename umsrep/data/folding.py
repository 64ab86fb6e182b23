"""Folds by patient: every patient is held out once.

A fold is a split like any other: it trains, validates and tests on patients
that it shares with no other side. What is different is that the held out
sides of all folds together are all patients.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep import tasks as task_kinds
from umsrep.data.owners import owners
from umsrep.data.scanner_augmentation import SITE
from umsrep.data.splitting import (
    check_disjoint,
    check_fractions,
    divide,
    followed,
    strata,
)
from umsrep.errors import UmsrepError

if TYPE_CHECKING:
    from umsrep.data.dataset import Dataset


def fold_of(
    dataset: "Dataset",
    fold: int,
    folds: int,
    fractions: Sequence[float] = (0.7, 0.1, 0.2),
    seed: int = 0,
) -> tuple["Dataset", ...]:
    """Train, validation and test sets of one of K folds.

    Args:
        dataset, fold, folds, fractions, seed: As of `fold_sides`.

    Returns:
        Three `data.Dataset`s that share no patient and no picture.
    """
    names = fold_sides(dataset, folds, fold, fractions, seed)
    return tuple(
        dataset.subset(names == name)
        for name in ("train", "validation", "test")
    )


def fold_sides(
    dataset: "Dataset",
    folds: int,
    fold: int,
    fractions: Sequence[float] = (0.7, 0.1, 0.2),
    seed: int = 0,
) -> NDArray[np.object_]:
    """Names of the side of each image in one of K folds.

    The patients that the manifest does not put into "test" or "validation"
    are divided into K parts, each with its share of every label and of every
    site (column "site"). Part `fold` is held out: it is the fold's test side,
    or, where the manifest has a test set of its own, its validation side,
    with that test set tested on in every fold. Of the others, the share
    validation / (train + validation) of `fractions` validates, where nothing
    else does.

    Args:
        dataset: A `data.Dataset`.
        folds: K, at least 2.
        fold: Which one, from 1 to K.
        fractions: (train, validation, test); the last one is not used.
        seed: Seed of the division. All folds of one seed belong together.

    Returns:
        (n,) array of "train", "validation" or "test"; "" is left out, as of
        `splitting.split_patients`.

    Raises:
        UmsrepError: fewer patients than folds, a fold that is not there, or a
            patient on two sides of the manifest's split.
    """
    shares = check_fractions(fractions)
    _check_fold(folds, fold)
    table = dataset.table
    given_rows = (table["split"] != "").to_numpy()
    check_disjoint(table["patient"][given_rows], table["split"][given_rows])
    table = table.assign(patient=owners(dataset))
    given, left_out = followed(table)
    fixed = np.isin(given, ("validation", "test")) | left_out
    free = table[~fixed]
    part = _parts(free, dataset, folds, seed)
    has_test = (given == "test").any()
    sides = {
        patient: "validation" if has_test else "test"
        for patient, number in part.items()
        if number == fold
    }
    others = [name for name in part if name not in sides]
    if has_test or (given == "validation").any():
        sides |= dict.fromkeys(others, "train")
    else:
        sides |= _validated(free, dataset, others, shares, [seed, folds, fold])
    result = given.copy()
    result[~fixed] = free["patient"].map(sides).to_numpy(dtype=object)
    result[left_out] = ""
    return result


def missing_classes(
    dataset: "Dataset", tasks: Iterable[str], folds: int, seed: int = 0
) -> dict[str, int]:
    """Classes that are not in every part.

    Args:
        dataset: A `data.Dataset`.
        tasks: Names of the tasks that count.
        folds, seed: As of `fold_sides`.

    Returns:
        {"task=class": in how many of the held out sides it is not}.
    """
    sides = [
        fold_sides(dataset, folds, fold, seed=seed)
        for fold in range(1, folds + 1)
    ]
    held = "validation" if (dataset.table["split"] == "test").any() else "test"
    found = {}
    for task in tasks:
        spec = dataset.task(task)
        values = np.asarray(task_kinds.of(spec).strata(dataset.table[task]))
        for value in sorted(set(values) - {""}):
            lacking = sum(
                not (values[side == held] == value).any() for side in sides
            )
            if lacking:
                found[f"{task}={value}"] = lacking
    return found


def tell_missing_classes(
    dataset: "Dataset", tasks: Iterable[str], folds: int, seed: int
) -> None:
    """Says on stderr which classes some folds do not hold out."""
    for name, lacking in missing_classes(dataset, tasks, folds, seed).items():
        print(
            f"Warning: {name} is in too few patients for {folds} folds: "
            f"{lacking} of them hold out none. Their own metrics of it are "
            "missing; those over all folds are not.",
            file=sys.stderr,
        )


def _check_fold(folds: int, fold: int) -> None:
    if folds < 2:
        raise UmsrepError(f"folds={folds}: expected at least 2.")
    if not 1 <= fold <= folds:
        raise UmsrepError(
            f"fold={fold}: expected 1 to {folds}, the number of folds."
        )


def _parts(
    free: pd.DataFrame, dataset: "Dataset", folds: int, seed: int
) -> dict[str, int]:
    """{patient: its part, from 1}."""
    people = free["patient"].nunique()
    if people < folds:
        raise UmsrepError(
            f"folds={folds}: '{dataset.name}' has only {people} patients to "
            "divide (its own test and validation images stay where they are). "
            f"Pass at most --folds {max(people, 2)}, or add patients."
        )
    rng = np.random.default_rng([seed, folds, 0xF01D])
    number, result = 0, {}
    for group in strata(free, dataset.tasks, _extra(free)):
        # Groups go on where the last one ended, so that parts are as large.
        for index in rng.permutation(len(group)):
            result[group[index]] = number % folds + 1
            number += 1
    return result


def _validated(
    free: pd.DataFrame,
    dataset: "Dataset",
    others: Sequence[str],
    shares: NDArray[np.float64],
    seed: Sequence[int],
) -> dict[str, str]:
    """{patient: "train" or "validation"} of those not held out."""
    train, validation = shares[:2] / shares[:2].sum()
    rng = np.random.default_rng(seed)
    rest = free[free["patient"].isin(others)]
    sides: dict[str, str] = {}
    for group in strata(rest, dataset.tasks, _extra(rest)):
        sides |= divide(group, np.array([train, validation, 0.0]), rng)
    return sides


def _extra(table: pd.DataFrame) -> tuple[str, ...]:
    return (SITE,) if SITE in table else ()
