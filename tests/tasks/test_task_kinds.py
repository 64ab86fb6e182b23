"""Every registered kind states what the rest of the toolkit asks of it."""

import numpy as np
import pandas as pd
import pytest

from umsrep import heads, tasks
from umsrep.data import AxisScale, Scale, TaskSpec
from umsrep.errors import UmsrepError
from umsrep.evaluation import table_metrics
from umsrep.figures.example_pictures import COLOURS
from umsrep.inference.outputs import OUTPUTS
from umsrep.metrics import catalogue
from umsrep.report.results import FIGURES

FIELDS = {"label": {"classes": ("low", "high")}}


@pytest.mark.parametrize("name", tasks.names())
class TestKind:
    @pytest.fixture
    def kind(self, name):
        return tasks.of(TaskSpec("task", name, **FIELDS.get(name, {})))

    def test_its_metrics_are_in_the_catalogue(self, kind):
        metrics = [*kind.metric_names(), *kind.columns, kind.main]
        metrics += [test.column for test in kind.paired]
        for metric in metrics:
            assert catalogue.metric(metric).heading
        assert kind.main in kind.metric_names()
        assert catalogue.metric(kind.main).better

    def test_its_head_learns_it(self, kind):
        assert heads.registry.get(kind.head).kind == kind.name

    def test_what_it_names_exists(self, kind):
        assert kind.form in OUTPUTS
        assert kind.figure in FIGURES
        assert kind.picture in (*COLOURS, "explanation", "value")

    def test_its_spec_is_stored_and_read_again(self, kind):
        entry = kind.spec.to_json()
        assert TaskSpec.from_json("task", entry) == kind.spec


def test_a_spec_of_an_earlier_version_opens():
    spec = TaskSpec.from_json("lung", {"kind": "mask"})
    assert spec == TaskSpec("lung", "mask")
    spec = TaskSpec.from_json("f", {"kind": "label", "classes": ["a", "b"]})
    assert spec.classes == ("a", "b")


@pytest.mark.parametrize(
    ("fields", "advice"),
    [
        ({"kind": "mask", "unit": "years"}, "Leave unit out.*'number'"),
        ({"kind": "number", "classes": ("a", "b")}, "classes.*'label'"),
        ({"kind": "number", "limits": (3, 1)}, r"such as \[0, 120\]"),
        ({"kind": "number", "unit": 5}, "Expected text, such as years"),
        ({"kind": "weight"}, "one of label, map, mask, number"),
    ],
)
def test_fields_that_do_not_fit_the_kind_are_refused(fields, advice):
    with pytest.raises(UmsrepError, match=advice):
        TaskSpec("task", **fields)


def test_numbers_are_stratified_by_quarters_of_their_range():
    kind = tasks.of(TaskSpec("age", "number"))
    cells = [*map(str, range(8)), ""]
    strata = kind.strata(cells)
    assert [list(strata).count(f"part {n}") for n in range(4)] == [2, 2, 2, 2]
    assert strata[-1] == ""


def test_a_missing_number_has_no_value_and_any_target():
    kind = tasks.of(TaskSpec("age", "number"))
    values = kind.parse(["61.5", "", "-2e1"])
    assert list(kind.known(values)) == [True, False, True]
    np.testing.assert_array_equal(kind.batch(values), [[61.5], [0], [-20]])


def test_less_error_is_the_better_image():
    spec = TaskSpec("age", "number", unit="years")
    table = pd.DataFrame(
        {
            "image": ["a", "b", "c"],
            "patient": ["1", "2", "3"],
            "age_true": [10.0, 20.0, np.nan],
            "age_pred": [13.0, 19.0, 5.0],
            "age_absolute_error": [3.0, 1.0, np.nan],
        }
    )
    values, name, lower_is_better = tasks.of(spec).ranking(
        table_metrics.labelled(table, spec)
    )
    assert (list(values), name, lower_is_better) == (
        [3.0, 1.0],
        "absolute error",
        True,
    )
    entry = table_metrics.all_metrics(table, [spec], bootstrap=0)["age"]
    assert (entry["images"], entry["mae"], entry["bias"]) == (2, 2.0, 1.0)


class TestCatalogue:
    def test_a_miss_lists_what_exists(self):
        with pytest.raises(UmsrepError, match="Known: accuracy, .*dice"):
            catalogue.metric("dyce")

    def test_the_area_of_a_class_is_an_area(self):
        assert catalogue.metric("auc_pneumonia").better == "higher"

    def test_a_duplicate_that_differs_is_refused(self):
        with pytest.raises(UmsrepError, match="Choose another name"):
            catalogue.add(catalogue.Metric("dice", "Other"))

    def test_the_best_goes_by_the_direction(self):
        values = pd.Series([1.0, 3.0, 2.0])
        assert catalogue.metric("dice").best(values) == 3
        assert catalogue.metric("mae").best(values) == 1
        assert np.isnan(catalogue.metric("bias").best(values))
        assert catalogue.metric("mae").titled("years") == "MAE (years)"


def test_masks_are_measured_in_millimetres_where_the_scale_is_known():
    class Two:
        tasks = {"lung": None}
        table = pd.DataFrame({"image": ["a", "b"]})

        def __len__(self):
            return 2

        def target(self, task, index):
            return np.eye(8, dtype=np.uint8)

        def fixations(self, task, index):
            return None

        def scale(self, index):
            length = AxisScale("cm", 0.2)
            return Scale(length, length) if index == 0 else None

    outputs = np.roll(np.eye(8), 1, axis=1)[None].repeat(2, 0)
    found = tasks.of(TaskSpec("lung", "mask")).predictions(
        outputs, Two(), None, None
    )
    first, second = found["lung_hausdorff95_mm"]
    assert first == pytest.approx(2 * found["lung_hausdorff95"][0])
    assert second is None
