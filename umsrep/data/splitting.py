"""Splits by patient."""

import numpy as np

from umsrep.errors import UmsrepError


def split_patients(table, tasks, fractions, seed, extend_test=False):
    """Divides images into "train", "validation" and "test" by patient.

    Patients are grouped by which tasks they have labels for and by their
    classes, and each group is divided in the shares wanted, so that rare
    labels are on every side.

    Args:
        table: The manifest: columns patient, split and one per task.
        tasks: {task: TaskSpec}.
        fractions: (train, validation, test), summing to 1. They apply to the
            patients that the manifest does not put into "validation" or
            "test"; where it holds a test set, the share for test goes to
            train.
        seed: Integer.
        extend_test: Add the share for test to the test set that the manifest
            holds, instead.

    Returns:
        (n,) array of names, one per image.
    """
    fractions = np.asarray(fractions, dtype=float)
    if (
        fractions.shape != (3,)
        or (fractions < 0).any()
        or abs(fractions.sum() - 1) > 1e-6
    ):
        raise UmsrepError(
            f"fractions={tuple(fractions.tolist())}: expected three shares "
            "(train, validation, test) of at least 0 that sum to 1, such as "
            "(0.7, 0.1, 0.2)."
        )
    given = table["split"].to_numpy(dtype=object)
    result = given.copy()
    fixed = np.isin(given, ("validation", "test"))
    if (given == "test").any() and not extend_test:
        fractions = np.array([fractions[0] + fractions[2], fractions[1], 0.0])
    if (given == "validation").any():
        fractions = np.array([fractions[0] + fractions[1], 0.0, fractions[2]])
    free = table[~fixed]
    rng = np.random.default_rng([seed, 0x5117])
    sides = {}
    for group in _strata(free, tasks):
        order = rng.permutation(len(group))
        # A random rest keeps the shares right over many small groups.
        edges = np.cumsum(fractions)[:2] * len(group) + rng.random() - 0.5
        edges = np.clip(np.round(edges), 0, len(group)).astype(int)
        if fractions[2] == 0:
            edges[1] = len(group)
        if fractions[1] == 0:
            edges[0] = edges[1]
        for position, patient in enumerate(order):
            side = int(np.searchsorted(edges, position, side="right"))
            sides[group[patient]] = ("train", "validation", "test")[side]
    result[~fixed] = free["patient"].map(sides).to_numpy(dtype=object)
    _check_disjoint(table["patient"].to_numpy(), result)
    return result


def _strata(table, tasks):
    """Lists of patients with the same labels, in a stable order."""
    signature = {}
    for _, row in table.sort_values("image").iterrows():
        key = signature.setdefault(row["patient"], set())
        for name, task in tasks.items():
            if row[name]:
                value = row[name] if task.kind == "label" else "mask"
                key.add(f"{name}={value}")
    groups = {}
    for patient in sorted(signature):
        key = tuple(sorted(signature[patient]))
        groups.setdefault(key, []).append(patient)
    return [groups[key] for key in sorted(groups)]


def _check_disjoint(patients, names):
    sides = {}
    for patient, name in zip(patients, names, strict=True):
        sides.setdefault(patient, set()).add(name)
    both = sorted(p for p, s in sides.items() if len(s) > 1)
    if both:
        raise UmsrepError(
            f"Patient '{both[0]}' (and {len(both) - 1} more) is on two sides "
            "of the manifest's split. Run `umsrep verify` to list them, mend "
            "the split in the source, and prepare the data again."
        )
