import numpy as np
import pytest

from umsrep import figures


def test_densities_have_the_area_1_and_the_same_bins():
    rng = np.random.default_rng(0)
    sets = {
        "plain": rng.normal(0, 1, (3, 20, 8)),
        "GG-CAM": rng.normal(5, 0.1, 300),
    }
    figure = figures.log_densities({"unet": sets}, "element", "n = 20")
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    assert axes.get_title("left") == "unet"
    steps = [patch.get_data() for patch in axes.patches]
    assert len(steps) == 2
    for step in steps:
        np.testing.assert_array_equal(step.edges, steps[0].edges)
        area = np.nansum(step.values * np.diff(step.edges))
        assert area == pytest.approx(1)
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts[0].startswith("plain: ")
    median = np.median(sets["GG-CAM"])
    assert texts[1].startswith(f"GG-CAM: {median:.2g} (")


def test_equal_values_are_drawn_too():
    figure = figures.log_densities({"unet": {"plain": np.zeros(9)}}, "element")
    assert np.nanmax(figure.axes[0].patches[0].get_data().values) > 0


def test_without_a_value_there_are_no_densities():
    assert figures.log_densities({"unet": {"plain": []}}, "element") is None
