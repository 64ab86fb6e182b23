"""Whose an image is: the patient, united with those of its copies."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from umsrep.data import copies

if TYPE_CHECKING:
    from umsrep.data.dataset import Dataset


def copies_of(dataset: "Dataset") -> NDArray[np.object_]:
    """The group of images that show one picture, "" of none.

    Of a set that was prepared before copies were recorded, they are looked
    for now, which takes seconds for thousands of images.

    Args:
        dataset: A `data.Dataset`.

    Returns:
        (n,) names of groups.
    """
    if "copies" in dataset.table:
        return dataset.table["copies"].to_numpy(dtype=object)
    thumbnails = [
        copies.signature(dataset.image(i)) for i in range(len(dataset))
    ]
    pairs = copies.find_copies(np.array(thumbnails), dataset.image)
    names = copies.group_names(list(dataset.table["image"]), pairs)
    return np.array(names, dtype=object)


def with_copies(dataset: "Dataset") -> "Dataset":
    """The data set with its copies in its table, looked for at most once."""
    if "copies" in dataset.table:
        return dataset
    found = copies_of(dataset)
    same = dataset.subset(np.arange(len(dataset)))
    same.table["copies"] = found
    return same


def owners(dataset: "Dataset") -> NDArray[np.object_]:
    """Whose each image is: what splits, folds and intervals keep together.

    Args:
        dataset: A `data.Dataset`.

    Returns:
        (n,) the patient; of patients of whom the data set holds the same
        picture, for all the first in alphabetical order.
    """
    patients = dataset.table["patient"].to_numpy(dtype=object)
    groups = copies_of(dataset)
    known = groups != ""
    if not known.any():
        return patients
    people, person = np.unique(patients.astype(str), return_inverse=True)
    _, group = np.unique(groups[known].astype(str), return_inverse=True)
    links = np.stack([person[known], len(people) + group], axis=1)
    joined = copies.united(len(people) + group.max() + 1, links)[: len(people)]
    # `people` is sorted, so the first of a component is the first by name.
    _, first, component = np.unique(
        joined, return_index=True, return_inverse=True
    )
    return people[first][component][person].astype(object)
