"""Folds by patient."""

from itertools import pairwise

import numpy as np
import pytest

from umsrep import data
from umsrep.data.folding import fold_sides, missing_classes
from umsrep.errors import UmsrepError

FOLDS = 4


@pytest.fixture(scope="module")
def whole(prepared_writer, tmp_path_factory):
    """40 images; every second patient has two of them."""
    folder = tmp_path_factory.mktemp("folding") / "set"
    prepared_writer(folder)
    return data.load(folder)


def sides_of(dataset, **options):
    return [
        fold_sides(dataset, FOLDS, fold, **options)
        for fold in range(1, FOLDS + 1)
    ]


def changed(dataset, **columns):
    """The data set with other cells in its table."""
    same = dataset.subset(np.arange(len(dataset)))
    for name, values in columns.items():
        same.table[name] = values
    return same


def test_every_image_is_held_out_once_and_by_patient(whole):
    held = np.stack([sides == "test" for sides in sides_of(whole)])
    assert (held.sum(axis=0) == 1).all()
    for sides in sides_of(whole):
        whose = whole.table["patient"].to_numpy()
        for side, other in pairwise(("train", "validation", "test")):
            assert not set(whose[sides == side]) & set(whose[sides == other])
        assert not set(whose[sides == "train"]) & set(whose[sides == "test"])


def test_labels_and_sites_are_in_every_part_alike(whole):
    rng = np.random.default_rng(3)
    people = sorted(set(whole.table["patient"]))
    site = dict(zip(people, rng.permutation(len(people)) % 2, strict=True))
    sited = changed(whole, site=[f"s{site[p]}" for p in whole.table["patient"]])
    table = sited.table.assign(masked=sited.table["blob"] != "")
    columns = ["level", "masked", "site"]
    # What a patient has of each, over all their images.
    groups = table.groupby("patient")[columns].agg(
        lambda values: tuple(sorted(set(values)))
    )
    part = {}
    for number, sides in enumerate(sides_of(sited)):
        for person in set(table["patient"][sides == "test"]):
            part[person] = number
    counts = (
        groups.assign(part=groups.index.map(part))
        .groupby([*columns, "part"])
        .size()
        .unstack(fill_value=0)
        .reindex(columns=range(FOLDS), fill_value=0)
    )
    assert len(counts) > 3
    assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 1
    sizes = counts.sum()
    assert sizes.max() - sizes.min() <= 1


def test_one_seed_is_one_division_and_another_is_another(whole):
    first, again = (sides_of(whole, seed=0) for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any(
        (a != b).any()
        for a, b in zip(first, sides_of(whole, seed=1), strict=True)
    )


def test_a_test_set_of_its_own_is_tested_on_in_every_fold(whole):
    people = sorted(set(whole.table["patient"]))[:5]
    given = np.where(whole.table["patient"].isin(people), "test", "")
    for_all = sides_of(changed(whole, split=given))
    free = given == ""
    for sides in for_all:
        assert (sides[~free] == "test").all()
        assert set(sides[free]) == {"train", "validation"}
    held = np.stack([sides[free] == "validation" for sides in for_all])
    assert (held.sum(axis=0) == 1).all()


def test_its_validation_images_validate_in_every_fold(whole):
    people = sorted(set(whole.table["patient"]))[:5]
    given = np.where(whole.table["patient"].isin(people), "validation", "")
    for sides in sides_of(changed(whole, split=given)):
        assert (sides == "validation").tolist() == (
            given == "validation"
        ).tolist()


def test_copies_of_a_picture_are_on_one_side(whole):
    people = sorted(set(whole.table["patient"]))
    pairs = {person: f"g{n // 2}" for n, person in enumerate(people)}
    groups = np.array([pairs[p] for p in whole.table["patient"]], object)
    for sides in sides_of(changed(whole, copies=groups)):
        for group in set(groups):
            assert len(set(sides[groups == group])) == 1


def test_a_rare_class_is_counted(whole):
    people = sorted(set(whole.table["patient"]))
    rare = whole.table["patient"].isin(people[:2])
    levels = np.where(rare, "high", "low")
    found = missing_classes(changed(whole, level=levels), ["level"], FOLDS)
    assert found == {"level=high": FOLDS - 2}
    assert missing_classes(whole, ["level"], FOLDS) == {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"folds": 1, "fold": 1}, "expected at least 2"),
        ({"folds": 4, "fold": 5}, "expected 1 to 4"),
        ({"folds": 4, "fold": 0}, "expected 1 to 4"),
        ({"folds": 99, "fold": 1}, "only .* patients .* Pass at most"),
        ({"folds": 4, "fold": 1, "fractions": (1, 1, 1)}, "sum to 1"),
    ],
)
def test_wrong_folds_are_refused(whole, options, words):
    with pytest.raises(UmsrepError, match=words):
        fold_sides(whole, **options)


def test_a_patient_on_two_official_sides_is_refused(whole):
    whose = whole.table["patient"]
    (twice,) = [p for p in whose if (whose == p).sum() == 2][:1]
    split = np.array([""] * len(whole), object)
    rows = np.flatnonzero(whose == twice)
    split[rows[0]], split[rows[1]] = "train", "test"
    with pytest.raises(UmsrepError, match="two sides"):
        fold_sides(changed(whole, split=split), FOLDS, 1)
