"""Training sets of a few labelled patients, for learning curves.

Patients are put into one order, and a set of N patients is the first N of it:
a smaller set is part of every larger one, so that a curve shows what more
labels bring and not what other patients bring.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from umsrep import tasks as task_kinds
from umsrep.data.owners import owners
from umsrep.errors import UmsrepError

if TYPE_CHECKING:
    from umsrep.data.dataset import Dataset

# {patient: what labels they have, such as "finding=normal", "lung=mask"}.
Labels = dict[str, frozenset[str]]


def few_labels(
    dataset: "Dataset", tasks: Iterable[str], patients: int, seed: int
) -> "Dataset":
    """The images of so many labelled patients.

    First come the fewest patients that have every class of every task, found
    one after the other; then those whose labels are rarest among the chosen,
    compared with all. Whoever shares a picture with a patient comes with them.

    Args:
        dataset: A `data.Dataset`, such as a training side.
        tasks: Names of the tasks whose labels count.
        patients: How many; one without a label of the tasks does not count.
        seed: Seed of the order. Of one seed, fewer patients are among more.

    Returns:
        A `data.Dataset`.

    Raises:
        UmsrepError: more patients than there are, or fewer than all classes
            of all tasks need.
    """
    names = list(tasks)
    whose = owners(dataset)
    labels = _labels(dataset, names, whose)
    order, needed = _ordered(labels, seed)
    if patients > len(order):
        raise UmsrepError(
            f"labelled_patients={patients}: only {len(order)} of the "
            f"patients to train on have a label of {', '.join(names)}. Pass "
            "at most that many, or leave it out to use all."
        )
    if patients < needed:
        raise UmsrepError(
            f"labelled_patients={patients}: it takes {needed} patients to "
            f"have every class of {', '.join(names)} once. Pass at least that "
            "many, or learn fewer tasks."
        )
    chosen = set(order[:patients])
    return dataset.subset(np.array([who in chosen for who in whose], bool))


def bounds(
    dataset: "Dataset", tasks: Iterable[str], seeds: Iterable[int] = (0,)
) -> tuple[int, int]:
    """(fewest, most) patients that `few_labels` may be asked for.

    The fewest depend on the order of the patients, and so on the seed.

    Args:
        dataset, tasks: As for `few_labels`.
        seeds: Seeds that all can have so many.
    """
    labels = _labels(dataset, list(tasks), owners(dataset))
    fewest = max((_ordered(labels, seed)[1] for seed in seeds), default=0)
    return fewest, len(labels)


def _labels(dataset: "Dataset", tasks: list[str], whose: np.ndarray) -> Labels:
    found: dict[str, set[str]] = {}
    for task in tasks:
        kind = task_kinds.of(dataset.task(task))
        strata = kind.strata(dataset.table[task])
        for who, stratum in zip(whose, strata, strict=True):
            if stratum:
                found.setdefault(str(who), set()).add(f"{task}={stratum}")
    return {who: frozenset(known) for who, known in found.items()}


def _ordered(labels: Labels, seed: int) -> tuple[list[str], int]:
    """(all patients in order, how many of them have every label)."""
    rng = np.random.default_rng([seed, 0xFE3])
    people = sorted(labels)
    people = [people[place] for place in rng.permutation(len(people))]
    order = _covering(labels, people)
    needed = len(order)
    groups: dict[frozenset[str], list[str]] = {}
    taken: dict[frozenset[str], int] = {}
    for who in people:
        groups.setdefault(labels[who], []).append(who)
    sizes = {group: len(members) for group, members in groups.items()}
    for who in order:
        groups[labels[who]].remove(who)
        taken[labels[who]] = taken.get(labels[who], 0) + 1
    while len(order) < len(people):
        share = (len(order) + 1) / len(people)
        group = max(
            (group for group, members in groups.items() if members),
            key=lambda group: share * sizes[group] - taken.get(group, 0),
        )
        order.append(groups[group].pop(0))
        taken[group] = taken.get(group, 0) + 1
    return order, needed


def _covering(labels: Labels, people: list[str]) -> list[str]:
    """A few of the people who together have every label."""
    missing = set().union(*labels.values()) if labels else set()
    chosen = []
    while missing:
        # Of equal ones, max takes the first.
        who = max(people, key=lambda who: len(labels[who] & missing))
        chosen.append(who)
        missing -= labels[who]
    return chosen
