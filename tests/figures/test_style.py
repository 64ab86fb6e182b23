"""What every figure shares."""

import io

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from umsrep import figures
from umsrep.data.images import write_png

HISTORY = pd.DataFrame({"epoch": [1, 2, 3], "lung_loss": [0.9, 0.5, 0.4]})


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_equal_figures_give_equal_files(tmp_path, kind):
    contents = set()
    for name in "ab":
        path = tmp_path / f"{name}.{kind}"
        figures.save(figures.training_curves(HISTORY), path)
        contents.add(path.read_bytes())
    assert len(contents) == 1
    assert {path.suffix for path in tmp_path.iterdir()} == {f".{kind}"}


def test_a_figure_keeps_its_style_whatever_is_set_when_it_is_drawn():
    drawn = []
    for settings in ({}, {"font.size": 20, "xtick.color": "red"}):
        figure = figures.training_curves(HISTORY)
        stream = io.BytesIO()
        with matplotlib.rc_context(settings):
            figure.savefig(stream, format="png")
        drawn.append(stream.getvalue())
    assert drawn[0] == drawn[1]


def test_written_pictures_are_rgb(tmp_path):
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[..., 0] = 200
    write_png(tmp_path / "red.png", picture)
    with Image.open(tmp_path / "red.png") as image:
        assert image.getpixel((0, 0)) == (200, 0, 0)


def test_strips_have_titles_outlines_and_empty_places():
    image = np.full((8, 12), 90, np.uint8)
    mask = np.zeros((8, 12), bool)
    mask[2:5, 3:9] = True
    rows = [
        [("MV", image, mask, None), ("MV again", image, mask, mask)],
        [("TR", image, None, ~np.zeros_like(mask))],
    ]
    figure = figures.doppler_strips(rows, "below")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["MV", "MV again", "TR", ""]
    # A mask that is nowhere or everywhere has no outline.
    assert [len(axes.collections) for axes in figure.axes] == [1, 2, 0, 0]
    assert [axes.axison for axes in figure.axes] == [True, True, True, False]


def test_rounds_that_failed_end_at_a_cross():
    rounds = [
        ({"rate": "0.1", "width": "8"}, 0.2),
        ({"rate": "0.01", "width": "8"}, 0.4),
        ({"rate": "1", "width": "8"}, None),
    ]
    settings = {"rate": ["0.01", "0.1", "1"], "width": ["8"]}
    figure = figures.parallel_coordinates(
        rounds, settings, "validation loss", True, "toy"
    )
    (axes,) = figure.axes
    # Only what varies has an axis.
    assert [t.get_text() for t in axes.get_xticklabels()] == [
        "rate",
        "validation\nloss",
    ]
    assert len(axes.patches) == 3
    assert sum(line.get_marker() == "x" for line in axes.lines) == 1
    assert figure.get_suptitle() == "toy: 2 rounds, 1 failed; best 0.2"
