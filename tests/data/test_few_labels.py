import sys
from dataclasses import replace

import numpy as np
import pytest

from umsrep import runs
from umsrep.data import load
from umsrep.data.few_labels import bounds, few_labels
from umsrep.data.owners import with_copies
from umsrep.errors import UmsrepError
from umsrep.stages.inputs import Inputs, splits
from umsrep.stages.settings import FinetuneSettings

TASKS = ("blob", "level")


@pytest.fixture(scope="module")
def dataset(prepared_folder):
    return load(prepared_folder)


@pytest.fixture(scope="module")
def many(prepared_writer, tmp_path_factory):
    """120 images of 80 patients."""
    folder = tmp_path_factory.mktemp("many") / "many"
    return load(prepared_writer(folder, count=120, mask_share=0.5))


def people(dataset):
    return set(dataset.table["patient"])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_smaller_set_is_part_of_every_larger_one(dataset, seed):
    fewest, most = bounds(dataset, TASKS)
    found = [
        people(few_labels(dataset, TASKS, count, seed))
        for count in range(fewest + 1, most + 1)
    ]
    assert [len(each) for each in found] == list(range(fewest + 1, most + 1))
    for small, large in zip(found, found[1:], strict=False):
        assert small < large


def test_all_images_of_a_chosen_patient_are_there(dataset):
    chosen = few_labels(dataset, TASKS, 8, 0)
    theirs = dataset.table["patient"].isin(people(chosen))
    assert list(chosen.table["image"]) == list(dataset.table["image"][theirs])


def test_another_seed_is_another_draw_and_the_same_one_the_same(dataset):
    draws = [people(few_labels(dataset, TASKS, 8, seed)) for seed in range(4)]
    assert len({frozenset(draw) for draw in draws}) > 1
    assert draws[0] == people(few_labels(dataset, TASKS, 8, 0))


@pytest.mark.parametrize("seed", range(6))
def test_the_fewest_have_every_class_of_every_task(dataset, seed):
    fewest, _ = bounds(dataset, TASKS)
    chosen = few_labels(dataset, TASKS, fewest, seed)
    assert chosen.labelled("blob").any()
    assert {0, 1} <= set(chosen.labels("level"))


def test_the_fewest_are_those_of_every_seed(dataset, monkeypatch):
    """One after the other, it takes 2 or 3 of these four by their order."""
    labels = {"p0": "abd", "p1": "de", "p2": "e", "p3": "abc"}
    known = {who: frozenset(found) for who, found in labels.items()}
    module = sys.modules[few_labels.__module__]
    monkeypatch.setattr(module, "_labels", lambda *arguments: known)
    alone = [bounds(dataset, TASKS, [seed])[0] for seed in range(6)]
    assert set(alone) == {2, 3}
    assert bounds(dataset, TASKS, range(6)) == (3, 4)
    with pytest.raises(UmsrepError, match="Pass at least that many"):
        few_labels(dataset, TASKS, 2, alone.index(3))


@pytest.mark.parametrize("count", [20, 40])
def test_shares_of_labels_are_those_of_all(many, count):
    """By stratum, so that no share is off by more than a patient or two."""
    strata = {}
    for patient, part in many.table.groupby("patient"):
        key = frozenset(
            [f"blob {bool(cell)}" for cell in part["blob"]]
            + [f"level {cell}" for cell in part["level"] if cell]
        )
        strata.setdefault(key, set()).add(patient)
    for seed in range(3):
        chosen = people(few_labels(many, TASKS, count, seed))
        for members in strata.values():
            expected = count * len(members) / len(people(many))
            assert abs(len(members & chosen) - expected) < 2.5


def test_patients_without_a_label_do_not_count(many):
    _, most = bounds(many, ["blob"])
    assert most < len(people(many))
    chosen = few_labels(many, ["blob"], most, 0)
    labelled = many.table["patient"][many.labelled("blob")]
    assert people(chosen) == set(labelled)


def test_whoever_shares_a_picture_comes_along(dataset):
    known = with_copies(dataset.subset(np.arange(len(dataset))))
    table = known.table.copy()
    table["copies"] = ""
    pair = [0, len(table) - 1]
    table.loc[pair, "copies"] = "g1"
    joined = known._with(table=table)
    both = set(table["patient"].iloc[pair])
    assert len(both) == 2
    for count in range(4, 20, 3):
        for seed in range(3):
            found = people(few_labels(joined, TASKS, count, seed)) & both
            assert len(found) in (0, 2)


def test_too_many_or_too_few_say_what_there_is(dataset):
    _, most = bounds(dataset, TASKS)
    with pytest.raises(UmsrepError, match="Pass at most that many"):
        few_labels(dataset, TASKS, most + 1, 0)
    # With one image each, nobody has both classes.
    once = dataset.subset(~dataset.table["patient"].duplicated().to_numpy())
    with pytest.raises(UmsrepError, match="Pass at least that many"):
        few_labels(once, TASKS, 1, 0)


def test_validation_and_test_stay_and_repeats_draw_anew(many):
    settings = FinetuneSettings(fractions=(0.6, 0.2, 0.2), split_seed=5)
    whole = splits(many, settings, tasks=TASKS)
    trained = []
    for seed in (0, 1):
        few = splits(
            many,
            replace(settings, seed=seed, labelled_patients=12),
            tasks=TASKS,
        )
        for side in ("validation", "test"):
            assert list(few[side].table["image"]) == list(
                whole[side].table["image"]
            )
        parts = [few["train"], few[runs.UNLABELLED]]
        assert len(people(parts[0])) == 12
        assert not people(parts[0]) & people(parts[1])
        assert people(parts[0]) | people(parts[1]) == people(whole["train"])
        trained.append(people(parts[0]))
    assert trained[0] != trained[1]


def test_the_run_tells_how_many_were_used(many):
    inputs = Inputs(many, TASKS, None, None, None)
    settings = FinetuneSettings(labelled_patients=12)
    found = inputs.entries(inputs.split(settings))
    assert found["labelled_patients_by_task"]["level"] <= 12
    assert found["images"][runs.UNLABELLED] > 0
    assert found["copies"]["left_out"] == 0
    assert {"train", runs.UNLABELLED} <= {
        row["side"] for row in found["cohort"]
    }
    whole = inputs.entries(inputs.split(FinetuneSettings()))
    assert runs.UNLABELLED not in whole["images"]
