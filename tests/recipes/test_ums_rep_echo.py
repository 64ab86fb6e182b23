from dataclasses import asdict

import pytest

from umsrep import data
from umsrep.errors import UmsrepError
from umsrep.recipes import ums_rep_echo as recipe


class Strips:
    """A data set's names and tasks; nothing more is asked of it here."""

    name = "strips"

    def __init__(self, **tasks):
        self.tasks = {
            name: data.TaskSpec(name, "label", classes)
            if classes
            else data.TaskSpec(name, "mask")
            for name, classes in tasks.items()
        }

    def task(self, name):
        return self.tasks[name]


FLOWS = ("MA", "MV", "TR")
STRIPS = Strips(
    envelope=(),
    flow=FLOWS,
    quality=("low", "good"),
    tr_mv=("MV", "TR"),
    mv_ma=("MA", "MV"),
)


def test_pairs_of_flows_are_the_homogeneous_tasks():
    tasks = recipe.Tasks.of(STRIPS)
    assert tasks.heterogeneous == ("envelope", "quality", "flow")
    assert tasks.homogeneous == ("tr_mv", "mv_ma")


def test_flow_alone_is_not_enough():
    with pytest.raises(UmsrepError, match="add masks or a column"):
        recipe.Tasks.of(Strips(flow=FLOWS, tr_mv=("MV", "TR")))
    with pytest.raises(UmsrepError, match="name it with --flow"):
        recipe.Tasks.of(STRIPS, "envelope")


def test_only_the_strategy_differs_and_the_baseline_starts_anew():
    preset = recipe.PRESETS["small"]
    sets = recipe.candidates(recipe.Tasks.of(STRIPS), preset, STRIPS.tasks)
    assert list(sets) == ["heterogeneous", "homogeneous"]
    for group in sets.values():
        assert list(group) == [
            "independent",
            "alternating",
            "joint",
            "separate",
        ]
        settings = [asdict(one.settings) for one in group.values()]
        assert [one.pop("strategy") for one in settings] == list(group)
        assert all(one == settings[0] for one in settings)
        starts = [one.constructed for one in group.values()]
        assert starts == [True, True, True, False]


def test_a_strategy_that_is_none():
    tasks = recipe.Tasks.of(STRIPS)
    given = tasks, recipe.PRESETS["small"], STRIPS.tasks
    some = recipe.candidates(*given, ("joint",))
    assert list(some["homogeneous"]) == ["joint", "separate"]
    with pytest.raises(UmsrepError, match="always trained beside them"):
        recipe.candidates(*given, ("separate",))


def test_masks_and_classifiers_have_optimizers_of_their_own():
    """Adam for the envelope, SGD for the classifiers (Section 4.2.2)."""
    sets = recipe.candidates(
        recipe.Tasks.of(STRIPS), recipe.PRESETS["paper"], STRIPS.tasks
    )
    found = {
        strategy: one.settings.optimizer
        for strategy, one in sets["heterogeneous"].items()
    }
    apart = {"envelope": "adam", "quality": "sgd", "flow": "sgd"}
    assert found == {
        "independent": apart,
        "alternating": apart,
        "joint": "adam",
        "separate": apart,
    }


def test_folds_are_the_presets_unless_given():
    folds = [
        recipe.preset(name, folds=given).folds
        for name, given in (
            ("paper", None),
            ("paper", 0),
            ("small", None),
            ("small", 4),
        )
    ]
    assert folds == [10, None, None, 4]


def test_the_target_tasks_share_20_and_10_of_the_30_per_cent():
    train, validation, test = recipe.TARGET.fractions
    left = 1 - sum(recipe.CONSTRUCTION.fractions[:2])
    assert left * (train + validation) == pytest.approx(0.2, abs=0.005)
    assert left * test == pytest.approx(0.1, abs=0.005)


def test_changes_reach_both_stages_where_both_have_them():
    chosen = recipe.preset(
        "small", epochs=3, construction_epochs=2, batch_size=8, dropout=0.3
    )
    assert (chosen.construction.epochs, chosen.target.epochs) == (2, 3)
    assert (chosen.construction.batch_size, chosen.target.batch_size) == (8, 8)
    assert chosen.target.dropout == 0.3
    with pytest.raises(UmsrepError, match="Choose one of paper, small"):
        recipe.preset("large")
