import numpy as np
import pandas as pd
import pytest
from tensors import array

from umsrep import MultiTaskModel, derived
from umsrep.data.prepared import TaskSpec
from umsrep.derived import DerivedTask, Recommendation
from umsrep.errors import UmsrepError
from umsrep.heads import ClassificationHead, SegmentationHead
from umsrep.representations import DilatedCNN

FLOWS = ("MA", "MV", "TR")


@pytest.fixture
def model():
    return MultiTaskModel(
        DilatedCNN((32, 32, 1), filters=(4, 4, 4, 6, 6, 8)),
        [
            ClassificationHead(3, "flow"),
            ClassificationHead(2, "quality"),
            SegmentationHead("envelope", features="bottleneck"),
        ],
    )


def images(n=5):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (n, 32, 32, 1)).astype("float32")


CASES = [
    # flow probabilities, P(good), settings, reasons
    ((0.1, 0.1, 0.8), 0.9, {}, ()),
    ((0.1, 0.1, 0.8), 0.3, {}, ("low quality",)),
    ((0.3, 0.3, 0.4), 0.9, {}, ("uncertain flow",)),
    ((0.3, 0.3, 0.4), 0.3, {}, ("low quality", "uncertain flow")),
    ((0.3, 0.3, 0.4), 0.9, {"flow_threshold": 0.35}, ()),
    ((0.1, 0.1, 0.8), 0.6, {"quality_threshold": 0.7}, ("low quality",)),
    ((0.8, 0.1, 0.1), 0.9, {"wanted": ("TR", "MV")}, ("other flow",)),
    # What echocardiographers do: only poor TR images are left out.
    ((0.1, 0.8, 0.1), 0.1, {"quality_of": ("TR",)}, ()),
    ((0.1, 0.1, 0.8), 0.1, {"quality_of": ("TR",)}, ("low quality",)),
]


@pytest.mark.parametrize(("flow", "good", "settings", "reasons"), CASES)
def test_reasons(flow, good, settings, reasons):
    one = Recommendation(**settings).of(flow, (1 - good, good))
    assert one.reasons == reasons
    assert one.keep is (not reasons)
    assert one.flow == FLOWS[int(np.argmax(flow))]
    assert one.flow_probability == max(flow)
    assert one.quality_probability == good
    threshold = settings.get("quality_threshold", 0.5)
    assert one.quality == ("good" if good >= threshold else "low")


@pytest.mark.parametrize(("flow", "good", "settings", "reasons"), CASES)
def test_cells_say_the_same(flow, good, settings, reasons):
    # The classes come from the model's tasks, in its order.
    specs = {
        "view": TaskSpec("view", "label", FLOWS[::-1]),
        "quality": TaskSpec("quality", "label", ("good", "low")),
    }
    made = Recommendation.for_tasks(specs, flow="view", **settings)
    assert made.reads == ("view", "quality")
    cells = made.cells({"view": flow[::-1], "quality": (good, 1 - good)})
    assert cells == {
        "keep": "no" if reasons else "yes",
        "reasons": ", ".join(reasons),
    }


@pytest.mark.parametrize("classes", [("low", "good"), ("good", "low")])
def test_quality_is_decided_as_the_model_decides_it(classes):
    specs = {"quality": TaskSpec("quality", "label", classes)}
    made = Recommendation.for_tasks(specs, {"quality": 0.3})
    # The model's threshold is that of its last class.
    expected = 0.3 if classes[1] == "good" else 0.7
    assert made.quality_threshold == pytest.approx(expected)
    given = Recommendation.for_tasks(
        specs, {"quality": 0.3}, quality_threshold=0.9
    )
    assert given.quality_threshold == 0.9


def test_two_flows_are_decided_as_the_model_decides_them():
    specs = {
        "flow": TaskSpec("flow", "label", ("MV", "TR")),
        "quality": TaskSpec("quality", "label", ("low", "good")),
    }
    thresholds = {"flow": 0.3, "quality": 0.5}
    made = Recommendation.for_tasks(
        specs, thresholds, wanted="TR", flow_threshold=0
    )
    # TR from 0.3 on, though MV is likelier.
    for share, keep in ((0.4, "yes"), (0.2, "no")):
        outputs = {"flow": (1 - share, share), "quality": (0, 1)}
        assert made.cells(outputs)["keep"] == keep
        assert made.of(*outputs.values()).flow == (
            "TR" if keep == "yes" else "MV"
        )


def test_a_task_without_cells_says_so():
    with pytest.raises(UmsrepError, match="Implement reads, columns and cells"):
        DerivedTask().cells({})


def test_the_order_of_the_classes_is_told():
    swapped = Recommendation(quality_classes=("good", "low"))
    one = swapped.of((0.1, 0.1, 0.8), (0.9, 0.1))
    assert (one.keep, one.quality, one.quality_probability) == (
        True,
        "good",
        0.9,
    )


def test_from_the_model_s_outputs(model):
    x = images()
    outputs = {task: array(value) for task, value in model(x).items()}
    found = Recommendation(batch_size=2)(model, x)
    assert len(found) == len(x)
    for number, one in enumerate(found):
        flow, quality = outputs["flow"][number], outputs["quality"][number]
        assert one.flow == FLOWS[flow.argmax()]
        assert one.flow_probability == pytest.approx(flow.max(), abs=1e-5)
        assert one.quality_probability == pytest.approx(quality[1], abs=1e-5)


def test_stricter_thresholds_keep_no_more(model):
    x = images(8)
    kept = [
        {
            number
            for number, one in enumerate(
                Recommendation(flow_threshold=0.0, quality_threshold=threshold)(
                    model, x
                )
            )
            if one.keep
        }
        for threshold in (0.0, 0.3, 0.5, 0.7, 1.0)
    ]
    assert kept[0] == set(range(8))
    assert kept[-1] == set()
    assert all(b <= a for a, b in zip(kept, kept[1:], strict=False))


def test_a_table_of_them(model):
    table = pd.DataFrame(Recommendation()(model, images()))
    assert list(table) == [
        "keep",
        "reasons",
        "flow",
        "flow_probability",
        "quality",
        "quality_probability",
    ]


def test_a_derived_task_of_one_s_own(model, monkeypatch):
    known = dict(derived.registry.items())
    monkeypatch.setattr(derived.registry, "_classes", known)

    # As in a notebook: a class that combines outputs; nothing is trained.
    @derived.registry.register("area_of_kept")
    class AreaOfKept(DerivedTask):
        """Share of the image inside the envelope, of kept images."""

        def __call__(self, model, images):
            keep = Recommendation(quality_threshold=0.0, flow_threshold=0.0)
            masks = derived.predictions(model, ["envelope"], images, 32)
            return [
                float((mask > 0.5).mean()) if one.keep else None
                for one, mask in zip(
                    keep(model, images), masks["envelope"], strict=True
                )
            ]

    before = [w.copy() for w in model.get_weights()]
    areas = derived.registry.get("area_of_kept")()(model, images())
    expected = (array(model(images())["envelope"]) > 0.5).mean((1, 2, 3))
    np.testing.assert_allclose(areas, expected, atol=1e-3)
    for one, two in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"good": "fine"}, "which of them is the good one"),
        ({"quality_classes": ("low", "good", "best")}, "one of two classes"),
        ({"flow_threshold": 1.2}, "expected a probability"),
        ({"quality_threshold": -0.1}, "from 0 \\(never a reason\\)"),
        ({"wanted": ("AV",)}, "'AV' is not one of flow_classes.*their names"),
        ({"quality_of": ("AV",)}, "quality_of.*Use their names"),
    ],
)
def test_bad_arguments(settings, advice):
    with pytest.raises(UmsrepError, match=advice):
        Recommendation(**settings)


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"flow_classes": ("MV", "TR")}, "has 3 classes, but 2 were named"),
        ({"quality": "grade"}, "model's tasks: flow, quality"),
        ({"quality": "envelope"}, "Pass flow_classes= and quality_classes="),
    ],
)
def test_a_model_that_does_not_fit(model, settings, advice):
    with pytest.raises(UmsrepError, match=advice):
        Recommendation(**settings)(model, images())
