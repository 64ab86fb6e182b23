"""What a search space says, and its mistakes, before anything trains."""

import re

import numpy as np
import pytest
import yaml

from umsrep import data, search
from umsrep.errors import UmsrepError
from umsrep.search import jobs, scanning


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"stage": "finetun"}, "expected one of denoising, .*finetune"),
        ({"stages": 1}, "'stages' is unknown.* Fix or remove it"),
        ({"data": None}, "pass --data FOLDER"),
        ({"space": None}, "Name at least one setting"),
        ({"space": {"dropot": [0.1]}}, "'dropot' is no setting.*dropout"),
        ({"space": {"dropout": 0.1}}, "expected a list of values, or a range"),
        ({"space": {"dropout": ["much"]}}, "and below 1. Fix the value"),
        ({"space": {"dropout": [0.1, 0.1]}}, "0.1 is there twice"),
        ({"space": {"epochs": [1, 2]}}, "in 'settings' as well"),
        ({"space": {"fractions": [[1, 0, 0]]}}, "same in all rounds"),
        (
            {"space": {"dropout": {"from": 0, "to": 0.5, "steps": 1}}},
            "'steps' of at least 2",
        ),
        (
            {
                "space": {
                    "dropout": {"from": 0, "to": 1, "steps": 3, "scale": "log"}
                }
            },
            "log .above 0",
        ),
        (
            {
                "settings": {},
                "space": {"epochs": {"from": 1, "to": 3, "steps": 9}},
            },
            "only 3 whole numbers .1, 2, 3. for 9 steps. Lower 'steps'",
        ),
        ({"stage": ["finetune"]}, "expected one of denoising"),
        ({"search": ["grid"]}, "expected one of grid, random"),
        ({"settings": {"epochs": 0}}, "epochs=0: .* at least 1. Fix"),
        ({"search": "random"}, "Write one, such as rounds: 20"),
        ({"rounds": 3}, "Remove 'rounds' and 'fraction'"),
        ({"search": "luck", "rounds": 3}, "expected one of grid, random"),
        ({"search": "random", "fraction": 1.5}, "share above 0 and up to 1"),
        ({"search": "random", "rounds": True}, "a whole number of at least 1"),
        ({"objective": {"metric": "loss", "direction": "max"}}, "Write min"),
        ({"objective": {"metrik": "loss"}}, "'metrik' is unknown"),
        ({"reduction": {"method": "guess"}}, "one of spearman, pearson"),
        (
            {"settings": {"epochs": "ten"}},
            "a whole number of at least 1. Fix",
        ),
        (
            {"space": {"label_smoothing": [0.0, 0.1]}},
            "Choose another metric",
        ),
        (
            {"space": {"focus": [None, "blob"]}},
            "blob is learnt as one more task.*Add it to tasks, or name a task",
        ),
        (
            {"stage": "construct", "tasks": None, "settings": {}},
            "Write task: NAME",
        ),
        ({"stage": "pretrain", "settings": {}}, "write stage: supervised"),
        ({"stage": "masked", "settings": {}}, "write stage: supervised"),
        (
            {"stage": "none", "tasks": None, "settings": {}},
            "such as stage: denoising",
        ),
    ],
)
def test_mistakes_in_a_search_space(toy_space, tmp_path, changes, advice):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(toy_space(**changes)))
    with pytest.raises(UmsrepError, match=advice) as error:
        search.load_space(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"tasks": ["blob", "level"]},
        {"tasks": None},
        {"objective": {"task": "level", "metric": "loss"}},
        {"objective": {"task": "level", "metric": "auc"}},
    ],
)
def test_a_focus_where_rounds_compare(toy_space, changes):
    """Every round adds up the same losses, or ranks by one task's figure."""
    space = {"focus": [None, "blob"]}
    plan = search.load_space(toy_space(space=space, **changes))
    assert plan.space["focus"] == [None, "blob"]


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"tasks": ["levels"]}, "Its tasks: blob, level"),
        (
            {
                "stage": "pretrain",
                "tasks": None,
                "settings": {},
                "space": {"patience": [1, 2]},
                "objective": {"task": "blob", "metric": "psnr"},
            },
            "from images, without tasks. Remove it",
        ),
        (
            {
                "stage": "vicreg",
                "tasks": None,
                "settings": {},
                "space": {"projector": [[8], [16]]},
                "objective": {"metric": "psnr"},
            },
            "psnr is unknown here. Choose one of loss",
        ),
        ({"objective": {"metric": "dice"}}, "Choose one of loss, .*accuracy"),
        ({"objective": {"task": "blob"}}, "The tasks: level"),
        (
            {"tasks": None, "objective": {"metric": "auc"}},
            "Add task: with one of blob, level",
        ),
        (
            {"settings": {}, "space": {"optimizer": ["adam", "adm"]}},
            "optimizer='adm' is unknown. Choose one of .*adam,",
        ),
        (
            {"space": {"decay": ["cosin", "cosine"]}},
            "decay='cosin' is unknown. Choose one of .*cosine",
        ),
        (
            {"space": {"arguments.filterz": [[4, 4]]}},
            "no argument 'filterz'.* Its arguments: .*filters",
        ),
        (
            {"settings": {"architecture": "nonsense", "epochs": 1}},
            "architecture='nonsense' is unknown. Choose one of .*unet",
        ),
    ],
)
def test_mistakes_that_the_data_or_the_model_show(
    toy_space, tmp_path, changes, advice
):
    out = tmp_path / "scan"
    with pytest.raises(UmsrepError, match=advice):
        search.scan(toy_space(**changes), out, search.InProcess())
    assert not out.exists()


def test_a_file_executes_nothing(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(
        f"stage: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']\n"
    )
    with pytest.raises(UmsrepError, match="not a valid search .* Correct that"):
        search.load_space(path)
    assert not (tmp_path / "made").exists()


def test_values_that_do_not_go_together_wait_for_their_round(toy_space):
    # attention needs strategy joint and classifier cam; one round has both.
    plan = search.load_space(
        toy_space(
            settings={"epochs": 1, "strategy": "joint"},
            space={"attention": [None, "blob"], "classifier": ["dense", "cam"]},
        )
    )
    sampled = scanning.rows(scanning.param_space(plan))
    assert len(sampled) == 4
    scanning.check_rounds(plan, sampled)
    with pytest.raises(UmsrepError, match="Pass strategy='joint'"):
        jobs.check(plan, {"attention": "blob", "classifier": "dense"})


def test_rounds_with_settings_of_dense_heads_all_have_one(toy_space):
    # 0.5 is the default, at which a frozen encoder would get a linear head.
    plan = search.load_space(
        toy_space(
            settings={"strategy": "independent"}, space={"dropout": [0.1, 0.5]}
        )
    )
    assert plan.settings["classifier"] == "dense"
    plan = search.load_space(
        toy_space(settings={}, space={"strategy": ["independent", "joint"]})
    )
    assert plan.settings["classifier"] == "dense"
    plan = search.load_space(
        toy_space(settings={}, space={"learning_rate": [1e-3, 1e-2]})
    )
    assert "classifier" not in plan.settings


def test_ranges(toy_space):
    space = search.load_space(
        toy_space(
            settings={},
            space={
                "learning_rate": {
                    "from": 1e-4,
                    "to": 1e-2,
                    "steps": 3,
                    "scale": "log",
                },
                "dropout": {"from": 0.1, "to": 0.5, "steps": 5},
                "batch_size": {"from": 4, "to": 16, "steps": 4},
            },
        )
    ).space
    assert space["learning_rate"] == pytest.approx([1e-4, 1e-3, 1e-2])
    assert space["dropout"] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert space["batch_size"] == [4, 8, 12, 16]


def test_whole_ends_do_not_make_a_setting_whole(toy_space):
    space = search.load_space(
        toy_space(
            settings={},
            space={
                "augmentation": {"from": 0, "to": 1, "steps": 5},
                "arguments.width": {"from": 4, "to": 8, "steps": 3},
                "arguments.share": {"from": 0, "to": 1, "steps": 3},
            },
        )
    ).space
    assert space["augmentation"] == [0, 0.25, 0.5, 0.75, 1]
    assert space["arguments.width"] == [4, 6, 8]
    assert {type(width) for width in space["arguments.width"]} == {int}
    assert space["arguments.share"] == [0, 0.5, 1]


def test_a_given_representation_decides_its_arguments(toy_space):
    plan = search.load_space(
        toy_space(
            representation="run",
            settings={"epochs": 1},
            space={"arguments": {"kernel_zise": [3, 5]}},
        )
    )
    advice = "is of a new representation.* write representation: none"
    for chosen in ({"arguments.kernel_zise": 3}, {"architecture": "unet"}):
        with pytest.raises(UmsrepError, match=advice):
            jobs.check(plan, chosen)
    jobs.check(plan, {"dropout": 0.1})


def test_the_papers_space():
    plan = search.load_space("ums-rep-echo", data="x")
    assert plan.space == {
        "arguments.kernel_size": [3, 5, 7],
        "arguments.dilation_rate": [2, 3],
        "dropout": [0.1, 0.3, 0.5],
        "optimizer": ["sgd", "adam", "rmsprop"],
        "batch_size": [16, 32, 64],
    }
    assert plan.grid == 162
    assert plan.stage == "supervised"


@pytest.mark.parametrize("name", search.shipped())
def test_shipped_search_spaces_can_train(name):
    plan = search.load_space(name, data="x")
    sampled = scanning.rows(scanning.param_space(plan))
    assert len(sampled) == (plan.rounds or plan.grid)
    for chosen in sampled:
        jobs.check(plan, chosen)


def test_what_the_command_line_says_goes_first():
    plan = search.load_space(
        "cxr-heads", data="y", representation="run", tasks=["a"], rounds=3
    )
    assert plan.data == ("y",)
    assert plan.sources["representation"] == "run"
    assert plan.tasks == ("a",)
    assert plan.rounds == 3


def test_an_unknown_name_lists_the_shipped_search_spaces():
    with pytest.raises(
        UmsrepError, match="shipped search spaces: .*ums-rep-echo"
    ):
        search.load_space("ums-rep-eko")


def test_sampling_is_of_the_seed(toy_space):
    def sampled(seed):
        space = {
            "dropout": [0.1, 0.2, 0.3, 0.4],
            "learning_rate": [1e-4, 1e-3, 1e-2],
        }
        plan = search.load_space(
            toy_space(search="random", rounds=5, seed=seed, space=space)
        )
        return scanning.rows(scanning.param_space(plan))

    assert sampled(1) == sampled(1)
    assert sampled(1) != sampled(2)
    different = {tuple(one.values()) for one in sampled(1)}
    assert len(different) == 5


def test_sides_share_no_patient_and_leave_the_test_images(
    toy_space, prepared_folder
):
    plan = search.load_space(toy_space())
    inputs = scanning.positions(plan)
    whole = data.load(prepared_folder)
    patients = whole.table["patient"].to_numpy()
    training = set(patients[inputs["x"]])
    validation = set(patients[inputs["x_val"]])
    assert training
    assert validation
    assert not training & validation
    # As umsrep finetune splits them.
    sides = whole.split(fractions=(0.6, 0.3, 0.1), seed=0)
    for side, name in zip(sides, ("x", "x_val"), strict=False):
        images = whole.table["image"].to_numpy()[inputs[name]]
        assert set(images) == set(side.table["image"])
    used = set(np.concatenate([inputs["x"], inputs["x_val"]]))
    test = whole.table["image"].isin(sides[2].table["image"]).to_numpy()
    assert test.any()
    assert not used & set(np.flatnonzero(test))


def test_rounds_of_other_seeds_have_the_same_split(toy_space):
    plan = search.load_space(toy_space(space={"seed": [1, 2, 3]}, seed=5))
    for chosen in scanning.rows(scanning.param_space(plan)):
        settings = jobs.settings_of(plan, chosen)
        assert settings.seed == chosen["seed"]
        assert settings.split_seed == 5


def test_a_key_stands_for_the_settings_however_written(toy_space):
    one = search.load_space(toy_space(space={"dropout": [0.1, 0.5]}))
    other = search.load_space(
        toy_space(space={"dropout": [0.5], "optimizer": ["adam", "sgd"]})
    )
    common = jobs.identity(one)
    assert common == jobs.identity(other)
    # adam is the default.
    key = jobs.key(one, {"dropout": 0.5}, common)
    same = jobs.key(other, {"dropout": 0.5, "optimizer": "adam"}, common)
    different = jobs.key(other, {"dropout": 0.5, "optimizer": "sgd"}, common)
    assert key == same != different
    assert re.fullmatch("[0-9a-f]{12}", key)
