"""What a scan's recipe may say, and what a mistake in it gets."""

import numpy as np
import pytest
import yaml

from umsrep import data, search
from umsrep.errors import UmsrepError
from umsrep.search import scanning
from umsrep.workflows import settings_file


def changed(recipe, **changes):
    """The recipe with other keys; None removes one."""
    merged = {**recipe, **changes}
    return {k: v for k, v in merged.items() if v is not None}


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"stage": "train"}, "expected one of construct, pretrain, finetune"),
        ({"spase": {}}, "key 'spase' is unknown"),
        ({"space": {"dropuot": [1]}}, "'dropuot' is no setting.*Its settings"),
        ({"space": {"dropout": 0.5}}, "belongs into 'settings'"),
        ({"space": {"dropout": ["much"]}}, "expected, a number"),
        ({"space": {"dropout": [0.5, 0.5]}}, "there twice"),
        ({"space": {"fractions": [[0.5, 0.25, 0.25]]}}, "validation images"),
        ({"space": {"epochs": [2, 3]}}, "in 'settings' as well"),
        ({"space": {"dropout": {"from": 0.1, "to": 0.1}}}, "is no range"),
        ({"settings": {"epochs": "ten"}}, "a whole number"),
        ({"search": "annealing"}, "expected one of grid, random"),
        ({"search": "random"}, "either 'rounds' or 'fraction'"),
        ({"rounds": 3}, "Remove 'rounds'"),
        ({"search": "random", "fraction": 2}, "above 0 and up to 1"),
        ({"objective": {"metric": "dice", "direction": "min"}}, "Write max"),
        ({"data": None}, "'data' is missing.*--data"),
        ({"stage": "pretrain"}, "without tasks"),
        ({"stage": "construct"}, "learns one label task"),
        (
            {"objective": "auc", "reduction": {"method": "luck"}},
            "spearman, pearson",
        ),
        (
            {"space": {"label_smoothing": [0.0, 0.1]}},
            "changes the loss itself",
        ),
    ],
)
def test_a_mistake_is_named_before_anything_is_trained(recipe, changes, advice):
    with pytest.raises(UmsrepError, match=advice):
        search.load_recipe(changed(recipe, **changes))


@pytest.mark.parametrize(
    ("objective", "advice"),
    [
        ("dice", "needs a task"),
        ({"task": "lung", "metric": "dice"}, "lung is not learnt"),
        ({"task": "blob", "metric": "auc"}, "auc is unknown here.*dice"),
    ],
)
def test_an_objective_that_the_tasks_do_not_have(recipe, objective, advice):
    found = search.load_recipe(changed(recipe, objective=objective))
    with pytest.raises(UmsrepError, match=advice):
        scanning.positions(found)


def test_a_value_that_no_round_can_have(recipe):
    bad = changed(recipe, space={"decay": ["cosine", "linear"]})
    found = search.load_recipe(bad)
    sampled = scanning.rows(scanning.param_space(found))
    with pytest.raises(UmsrepError, match="No round can have decay: linear"):
        scanning.check_rounds(found, sampled)


def test_files_ranges_and_shipped_recipes(recipe, tmp_path, toy):
    file = tmp_path / "scan.yaml"
    space = {"learning_rate": {"from": 1e-4, "to": 1e-2, "steps": 3}}
    space["learning_rate"]["scale"] = "log"
    settings = {
        k: v for k, v in recipe["settings"].items() if k != "learning_rate"
    }
    file.write_text(
        yaml.safe_dump(changed(recipe, space=space, settings=settings))
    )
    found = search.load_recipe(file)
    assert found.space == {"learning_rate": [1e-4, 1e-3, 1e-2]}
    assert found.name == "scan"
    with pytest.raises(UmsrepError, match="shipped recipes: fine-tuning"):
        search.load_recipe("nothing")
    for name in search.shipped():
        shipped = search.load_recipe(name, data=str(toy), rounds=4)
        scanning.check_rounds(
            shipped, scanning.rows(scanning.param_space(shipped))
        )
    paper = search.load_recipe("ums-rep-construction", data=str(toy))
    assert paper.grid == 3 * 2 * 3 * 3 * 3


def test_the_search_sees_no_test_image_and_no_patient_twice(recipe, toy):
    whole = data.load(toy)
    inputs = scanning.positions(search.load_recipe(recipe))
    train, validation = inputs["x"], inputs["x_val"]
    patients = [
        set(whole.table["patient"].iloc[rows]) for rows in (train, validation)
    ]
    assert not patients[0] & patients[1]
    # A quarter of the patients is in neither: the test images.
    rest = set(whole.table["patient"]) - patients[0] - patients[1]
    assert len(rest) >= 0.2 * whole.table["patient"].nunique()
    assert np.array_equal(inputs["y"], train)


def test_settings_files_round_trip(tmp_path):
    path = tmp_path / "best.yaml"
    settings = settings_file.STAGES["finetune"](
        strategy="joint",
        freeze=("encoder",),
        weighting={"a": 2.0},
        learning_rate=1e-4,
    )
    sources = {"representation": "runs/cxr"}
    settings_file.write_settings(
        path, "finetune", settings, ("a", "b"), sources, {}, "a comment"
    )
    stored = settings_file.read_settings(path, ("finetune",))
    assert stored.settings == settings
    assert stored.tasks == ("a", "b")
    assert stored.sources["representation"] == "runs/cxr"
    with pytest.raises(UmsrepError, match="Pass it to `umsrep finetune`"):
        settings_file.read_settings(path, ("pretrain", "construct"))
