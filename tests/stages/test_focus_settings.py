"""What each of the two trainings of a focus gets of the settings."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.stages import FinetuneSettings
from umsrep.stages.focusing import stage_settings, with_focus

CLASSES = ("low", "high")
SPECS = {
    spec.name: spec
    for spec in (
        TaskSpec("lung", "mask"),
        TaskSpec("heart", "mask"),
        TaskSpec("level", "label", CLASSES),
        TaskSpec("view", "label", CLASSES),
        TaskSpec("age", "number"),
    )
}
DATASET = SimpleNamespace(name="toy", tasks=SPECS, task=SPECS.__getitem__)
FOCUS = FinetuneSettings(strategy="joint", focus="lung")


def test_the_mask_is_trained_without_a_balance():
    settings = replace(FOCUS, class_balance="weights", class_balance_beta=0.9)
    masks = stage_settings(settings, DATASET, ["lung", "heart"])
    assert masks.class_balance == "none"
    assert masks.class_balance_beta is None
    labels = stage_settings(settings, DATASET, ["age", "level"])
    assert labels == settings


def test_a_balance_of_no_classes_is_refused():
    settings = replace(FOCUS, class_balance="sampling")
    assert with_focus(DATASET, ["level"], settings) == ("level", "lung")
    with pytest.raises(UmsrepError, match="none of age, lung.*Leave it out"):
        with_focus(DATASET, ["age"], settings)


def test_each_training_gets_its_own_weights():
    weights = {"lung": 2.0, "level": 3.0, "view": 0.5}
    settings = replace(FOCUS, weighting=weights)
    with_focus(DATASET, None, settings)
    masks = stage_settings(settings, DATASET, ["lung", "heart"])
    labels = stage_settings(settings, DATASET, ["level", "view", "age"])
    assert masks.weighting == {"lung": 2.0}
    assert labels.weighting == {"level": 3.0, "view": 0.5}
    del weights["lung"]
    settings = replace(FOCUS, weighting=weights)
    masks = stage_settings(settings, DATASET, ["lung", "heart"])
    assert masks.weighting == "equal"


@pytest.mark.parametrize(
    ("tasks", "weighting", "advice"),
    [
        (["level"], "uncertainty", "Leave the weights or --focus out"),
        (["level"], {"level": 2.0}, "Leave the weights or --focus out"),
        (["lung", "level"], {"lung": 2.0}, "Leave the weights or --focus out"),
        (["heart", "level"], {"level": 2.0}, "learnt together: heart, lung"),
        (["level", "view"], {"lung": 2.0}, "learnt together: level, view"),
        (None, {"knee": 2.0}, "'knee'.*Weigh only tasks"),
    ],
)
def test_weights_that_would_change_nothing(tasks, weighting, advice):
    settings = replace(FOCUS, weighting=weighting)
    with pytest.raises(UmsrepError, match=advice):
        with_focus(DATASET, tasks, settings)


def test_a_weighting_that_one_training_can_use():
    for tasks in (["heart", "level"], ["level", "view"]):
        with_focus(DATASET, tasks, replace(FOCUS, weighting="uncertainty"))
