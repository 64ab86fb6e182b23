from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from umsrep.errors import UmsrepError
from umsrep.experiments import strategies
from umsrep.phantoms import phantom_data
from umsrep.recipes import ums_rep_cxr as recipe


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    out = tmp_path_factory.mktemp("cxr")
    places = [
        phantom_data(layout, out, 60, size=32)
        for layout in ("rsna", "shenzhen", "montgomery", "kermany")
    ]
    return recipe.Sets((places[0],), *places[1:])


def test_sets_that_go_together(sets):
    sets.check()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"external": "heterogeneous"}, "Pass another hospital's"),
        ({"external": "homogeneous"}, "the same in both"),
        ({"homogeneous": "heterogeneous"}, "1 label tasks. Expected several"),
    ],
)
def test_sets_that_do_not(sets, changes, words):
    wrong = replace(
        sets, **{name: sets.targets[other] for name, other in changes.items()}
    )
    with pytest.raises(UmsrepError, match=words):
        wrong.check()


def test_sets_of_other_sizes(sets, tmp_path):
    other = phantom_data("rsna", tmp_path, 60, size=64)
    with pytest.raises(UmsrepError, match="Prepare all with one --size"):
        replace(sets, construction=(other,)).check()


def test_only_the_strategy_differs_and_the_baseline_is_denoised():
    group = recipe.candidates("heterogeneous", ["lung"], recipe.TARGET)
    assert list(group) == ["independent", "alternating", "joint", "separate"]
    settings = [asdict(one.settings) for one in group.values()]
    assert [one.pop("strategy") for one in settings] == list(group)
    assert all(one == settings[0] for one in settings)
    given = [list(recipe._sources(one, "run")) for one in group.values()]
    assert given == [["representation"]] * 3 + [["denoise_with"]]
    with pytest.raises(UmsrepError, match="always trained beside them"):
        recipe.candidates("homogeneous", ["a"], recipe.TARGET, ("separate",))


def test_changes_reach_both_stages_where_both_have_them():
    chosen = recipe.preset(
        "small",
        epochs=3,
        construction_epochs=2,
        folds=4,
        batch_size=8,
        arguments={"filters": (4, 8)},
    )
    assert (chosen.construction.epochs, chosen.target.epochs) == (2, 3)
    assert (chosen.construction.batch_size, chosen.target.batch_size) == (8, 8)
    assert chosen.folds == 4
    for settings in (chosen.construction, chosen.target):
        assert settings.arguments == {
            "normalization": "mean",
            "filters": (4, 8),
        }


def test_sums_of_the_costs():
    """The separate denoising model counts in the baseline (Table 4)."""
    group = recipe.candidates(
        "heterogeneous", ("lung", "finding"), recipe.TARGET
    )
    rows = []
    for number, one in enumerate(group.values(), start=1):
        rows += [(one.name, "", "seconds", 100.0 * number)]
        rows += [(one.name, "", "trainable_parameters", 10.0 * number)]
        for task in one.tasks:
            rows += [
                (one.name, task, "training_seconds", 40.0 * number),
                (one.name, task, "training_parameters", 4.0 * number),
            ]
    medians = pd.DataFrame(
        rows, columns=["network", "task", "metric", "median"]
    )
    table = strategies.paper_cost(medians, group, np.array([1000.0, 500.0]))
    parts = table.set_index(["Method", "Part"])["Trained parameters"]
    sums = [
        "Shared source & 2 lightweight heads, independent",
        "3 separate end-to-end models",
    ]
    assert parts["Proposed", sums[0]] == "510"
    assert parts["Baseline", sums[1]] == "540"
    assert parts["Baseline", "Separate denoising model"] == "500"
