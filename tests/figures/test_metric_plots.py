import numpy as np
import pandas as pd

from umsrep import figures
from umsrep.metrics import catalogue


def test_intervals_are_titled_with_the_unit_of_the_task():
    table = pd.DataFrame(
        {"strategy": ["joint"], "mae": [4.2], "mae_ci95": [(3.0, 5.0)]}
    )
    metrics = {"mae": catalogue.metric("mae")}
    figure = figures.metric_intervals(table, metrics, "years")
    (axes,) = figure.axes
    assert axes.get_title("left") == "MAE (years)"


def test_predicted_numbers_are_drawn_over_the_true_ones():
    true, predicted = np.array([20.0, 60.0]), np.array([30.0, 55.0])
    figure = figures.predicted_over_true(
        {"joint": (true, predicted), "untested": ([], [])}, "years"
    )
    (axes,) = figure.axes
    equality, points = axes.lines
    assert (equality.get_xdata() == equality.get_ydata()).all()
    np.testing.assert_array_equal(points.get_xdata(), true)
    np.testing.assert_array_equal(points.get_ydata(), predicted)
    assert axes.get_xlabel() == "true (years)"
    assert axes.get_xlim() == axes.get_ylim()


def test_without_a_value_there_is_no_figure():
    assert figures.predicted_over_true({"joint": ([], [])}) is None
