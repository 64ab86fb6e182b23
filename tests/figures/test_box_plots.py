import numpy as np

from umsrep import figures

PLAIN, SUPERVISED = [0.70, 0.72, 0.75], [0.76, 0.78, float("nan")]


def test_a_point_for_each_training_and_the_p_of_the_pair():
    figure = figures.box_plots(
        {"AUC": {"unet": PLAIN, "unet GG-CAM": SUPERVISED}, "none": {}},
        {"AUC": [("unet", "unet GG-CAM", "p = 0.012")]},
        "n = 3",
    )
    # A metric without a value has no panel.
    (axes,) = figure.axes
    assert axes.get_title("left") == "AUC"
    texts = [label.get_text() for label in axes.get_yticklabels()]
    assert texts == ["unet", "unet GG-CAM"]
    points = [
        line.get_xdata()
        for line in axes.lines
        if line.get_marker() in ("o", "s")
    ]
    np.testing.assert_array_equal(points[0], PLAIN)
    # What is undefined is not drawn.
    np.testing.assert_array_equal(points[1], SUPERVISED[:2])
    assert [text.get_text() for text in axes.texts] == ["p = 0.012"]
    assert figure.get_supxlabel() == "n = 3"


def test_two_trainings_are_points_without_a_box():
    def lines(values):
        figure = figures.box_plots({"AUC": {"unet": values}})
        return len(figure.axes[0].lines)

    assert lines(PLAIN[:2]) == 1
    # Box, median, two whiskers and their caps.
    assert lines(PLAIN) == 7


def test_without_a_value_there_is_no_box_plot():
    assert figures.box_plots({"AUC": {"unet": [float("nan")]}}) is None
