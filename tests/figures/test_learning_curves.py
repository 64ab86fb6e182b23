import pandas as pd
import pytest

from umsrep.figures import learning_curves

SIZES = (10, 20, 40)


def summary(**means):
    return pd.DataFrame(
        [
            {
                "candidate": name,
                "patients": size,
                "data": "home",
                "task": "finding",
                "metric": "auc",
                "mean": mean,
                "low": mean - 0.3,
                "high": mean + 0.1,
            }
            for name, values in means.items()
            for size, mean in zip(SIZES, values, strict=True)
        ]
    )


def panel(table):
    figure = learning_curves(table, [("home", "finding", "auc")])
    return figure, figure.axes[0]


def test_a_line_goes_through_the_means_over_the_logarithm_of_patients():
    _, axes = panel(summary(plain=(0.6, 0.7, 0.8), other=(0.7, 0.75, 0.8)))
    assert axes.get_xscale() == "log"
    plain, other = axes.lines
    assert list(plain.get_xdata()) == list(SIZES)
    assert list(other.get_ydata()) == [0.7, 0.75, 0.8]
    ticks = [text.get_text() for text in axes.get_xticklabels()]
    assert ticks == ["10", "20", "40"]
    # Told apart without colour, too.
    assert plain.get_marker() != other.get_marker()
    assert plain.get_linestyle() != other.get_linestyle()


def test_names_of_lines_that_meet_do_not_overlap():
    figure, axes = panel(
        summary(one=(0.6, 0.7, 0.8), two=(0.6, 0.7, 0.8), three=(0.5, 0.7, 0.8))
    )
    figure.draw_without_rendering()
    boxes = sorted(
        (text.get_window_extent() for text in axes.texts), key=lambda b: b.y0
    )
    assert len(boxes) == 3
    for below, above in zip(boxes, boxes[1:], strict=False):
        assert above.y0 >= below.y1 - 1
    for box in boxes:
        assert box.x1 <= figure.bbox.x1
        assert box.x0 >= axes.transData.transform((40, 0.8))[0]


def test_a_wide_band_does_not_flatten_the_lines():
    _, axes = panel(summary(plain=(0.60, 0.61, 0.62)))
    low, high = axes.get_ylim()
    assert high - low < 0.3
    assert low < 0.60
    assert high > 0.62


def test_one_number_of_patients_is_a_point():
    table = summary(plain=(0.6, 0.7, 0.8))
    figure, axes = panel(table[table["patients"] == 20])
    figure.draw_without_rendering()
    assert list(axes.lines[0].get_xdata()) == [20]
    assert axes.get_xlim()[0] < 20 < axes.get_xlim()[1]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_panel_for_each_task_and_set(count):
    table = pd.concat(
        summary(plain=(0.6, 0.7, 0.8)).assign(data=f"set {n}")
        for n in range(count)
    )
    panels = [(f"set {n}", "finding", "auc") for n in range(count)]
    figure = learning_curves(table, panels)
    visible = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in visible] == [
        f"finding, set {n}" for n in range(count)
    ]
