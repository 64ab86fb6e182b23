"""Training curves; as SVG, whose comments hold the text."""

import io
import re

import numpy as np
import pandas as pd
import pytest

from umsrep.errors import UmsrepError
from umsrep.figures import curves, style


def words(history):
    stream = io.BytesIO()
    figure = curves.training_curves(pd.DataFrame(history))
    style.render(figure, stream, "svg")
    return re.findall("<!-- (.*) -->", stream.getvalue().decode())


@pytest.mark.parametrize(
    ("last", "expected"), [(0.01, ["0.01", "0.1", "1"]), (1e-6, ["1e-06", "1"])]
)
def test_wide_losses_have_plain_numbers_on_a_logarithmic_axis(last, expected):
    found = words({"lung_loss": np.geomspace(1.2, last, 9)})
    assert set(expected) <= set(found)
    assert not any("$" in word for word in found)


def test_narrow_losses_have_a_linear_axis():
    found = words({"lung_loss": np.linspace(0.9, 0.5, 9)})
    # Equal steps, which a logarithmic axis would not label.
    assert {"0.5", "0.6", "0.7", "0.8", "0.9"} <= set(found)


def test_names_are_not_formulas():
    assert "$x_1$" in words({"$x_1$_loss": [0.5, 0.4]})


def test_a_table_without_losses_has_no_curves():
    history = pd.DataFrame({"epoch": [1, 2], "sigma_lung": [1.0, 0.9]})
    assert not curves.has_losses(history)
    with pytest.raises(UmsrepError, match="Pass the table that fit returned"):
        curves.training_curves(history)
