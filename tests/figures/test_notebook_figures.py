"""Figures for notebooks."""

import io

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from umsrep import data
from umsrep import figures as plotting
from umsrep.data.prepared import SourceDescription, TaskSpec
from umsrep.data.writer import PreparedWriter
from umsrep.errors import UmsrepError
from umsrep.figures import overlays

SIDE = 32


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """Four grey images; a square mask and a map for all but the last."""
    folder = tmp_path_factory.mktemp("squares")
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[8:24, 8:24] = 1
    heat = np.zeros((SIDE, SIDE))
    heat[4, 4] = 1.0
    with PreparedWriter(
        folder / "prepared",
        name="squares",
        tasks=[
            TaskSpec("square", "mask"),
            TaskSpec("gaze", "map"),
            TaskSpec("side", "label", ("left", "right", "top")),
        ],
        size=(SIDE, SIDE),
        description=SourceDescription("squares", "", "", "", "toy"),
    ) as writer:
        for number in range(4):
            file = folder / f"{number}.png"
            grey = np.full((SIDE, SIDE), 90 + number, np.uint8)
            grey[0] = 100  # a constant image shows nothing
            cv2.imwrite(str(file), grey)
            labelled = number < 3
            writer.add(
                f"{number}",
                file,
                patient=f"p{number}",
                targets={"side": ("right", "left")[number % 2]}
                | ({"square": mask} if labelled else {})
                | ({"gaze": _heat_file(folder, heat)} if labelled else {}),
            )
    return data.load(folder / "prepared")


def _heat_file(folder, heat):
    file = folder / "heat.png"
    cv2.imwrite(str(file), (255 * heat).astype(np.uint8))
    return file


def coloured(picture):
    """Where a picture is not grey."""
    picture = np.asarray(picture, int)
    return np.abs(picture - picture.mean(-1, keepdims=True)).max(-1) > 20


def test_figures_show_themselves_at_a_size_for_a_page():
    figure = plotting.panels(
        {"a": np.zeros((2, 20, 10)), "b": [np.ones((5, 5))] * 2}
    )
    shown = Image.open(io.BytesIO(figure._repr_jpeg_()))
    assert shown.format == "JPEG"
    assert 100 < shown.width < 800
    history = pd.DataFrame(
        {"epoch": [1, 2], "lung_loss": [2.0, 1.0], "val_lung_loss": [2.0, 1.5]}
    )
    curves = Image.open(
        io.BytesIO(plotting.training_curves(history)._repr_png_())
    )
    assert curves.format == "PNG"


def test_grey_levels_are_shown_as_they_are():
    grey = np.full((40, 40, 1), 200, np.uint8)
    figure = plotting.panels({"image": [grey]})
    (image,) = figure.axes[0].images
    assert image.get_array().shape == (40, 40)
    assert image.get_clim() == (0, 255)


def test_the_reference_is_blue_and_the_prediction_orange(squares):
    predicted = np.zeros((4, SIDE, SIDE, 1))
    predicted[:, 4:12, 4:12] = 1.0
    both = plotting.mask_overlays(squares, "square", predicted)
    alone = plotting.mask_overlays(squares, "square")
    red, _, blue = (np.asarray(alone[0], int)[coloured(alone[0])]).T
    assert (blue > red).all()
    red, _, blue = (np.asarray(both[3], int)[coloured(both[3])]).T
    assert (red > blue).all()  # no reference
    assert not coloured(alone[3]).any()
    assert coloured(both[0]).sum() > coloured(alone[0]).sum()


def test_a_colour_bar_has_the_colours_of_the_maps():
    colours = cv2.COLORMAP_VIRIDIS
    strip = plotting.colour_strip(colours)
    grey = np.full((1, 1), strip[0, 0, 0], np.uint8)
    assert (strip[0, 0] == strip[0, 0, 0]).all()
    for place in (0, 128, 255):
        heat = np.full((1, 1), place / 255, np.float32)
        want = overlays.heat_overlay(
            grey, heat, overlays.MAP_OPACITY, colours, side=1
        )
        np.testing.assert_array_equal(strip[8, place], want[0, 0])
    # Below all pictures, from 0 to 1.
    one = np.zeros((8, 8), np.uint8)
    columns = {"a": [one, one], "b": [one, one]}
    figure = plotting.panels(columns, bar=(strip, "share"))
    assert len(figure.axes) == 5
    texts = [t.get_text() for t in figure.axes[-1].get_xticklabels()]
    assert texts == ["0", "1"]
    assert figure.axes[-1].get_xlabel() == "share"


def test_maps_are_hot_where_they_are_high(squares):
    pictures = plotting.heat_overlays(squares, "gaze")
    rows, columns = np.nonzero(coloured(pictures[0]))
    scale = len(pictures[0]) / SIDE
    assert rows.max() < 12 * scale
    assert columns.max() < 12 * scale
    assert not coloured(pictures[3]).any()  # unlabelled
    given = [squares.map("gaze", i) for i in range(4)]
    np.testing.assert_array_equal(
        pictures[0], plotting.heat_overlays(squares, given)[0]
    )
    assert coloured(plotting.heat_overlays(squares, "square")[0]).any()


def test_agreement_shows_every_pair_of_numbers():
    figure = plotting.agreement(
        [1.0, 2.0, np.nan, 4.0], [1.5, np.nan, 3.0, 4.0], list("abba"), "(cm)"
    )
    (axes,) = figure.axes
    line, *points = axes.lines
    np.testing.assert_array_equal(line.get_xdata(), [1.0, 4.0])
    np.testing.assert_array_equal(line.get_ydata(), [1.0, 4.0])
    assert [one.get_label() for one in points] == ["a"]
    np.testing.assert_array_equal(points[0].get_xydata(), [[1, 1.5], [4, 4]])
    assert axes.get_xlabel() == "reference (cm)"
    with pytest.raises(UmsrepError, match="Pass columns of one table"):
        plotting.agreement([1.0], [1.0, 2.0])
    with pytest.raises(UmsrepError, match="Look at the masks"):
        plotting.agreement([1.0], [np.nan])


def test_what_does_not_fit_says_what_would(squares):
    with pytest.raises(UmsrepError, match="Choose the same images for all"):
        plotting.panels({"a": np.zeros((2, 9, 9)), "b": np.zeros((3, 9, 9))})
    with pytest.raises(UmsrepError, match="Choose the same images for all"):
        plotting.panels({})
    with pytest.raises(UmsrepError, match=r"expected \(height, width\)"):
        plotting.panels({"a": [np.zeros((9, 9, 2))]})
    with pytest.raises(UmsrepError, match="Predict the same images"):
        plotting.mask_overlays(squares, "square", np.zeros((3, SIDE, SIDE)))
    with pytest.raises(UmsrepError, match="Name a mask task"):
        plotting.mask_overlays(squares, "gaze")
    with pytest.raises(UmsrepError, match="Name a map or mask task"):
        plotting.heat_overlays(squares, "side")
    with pytest.raises(UmsrepError, match="Pass the table that fit returned"):
        plotting.training_curves(pd.DataFrame({"epoch": [1]}))


def test_examples_are_the_first_of_each_class(squares):
    found = squares.examples("side")
    assert list(found.table["side"]) == ["left", "right"]
    assert list(found.table["image"].str[-5]) == ["1", "0"]
    found = squares.examples("side", 5, ["right"])
    assert list(found.table["side"]) == ["right"] * 2
    with pytest.raises(UmsrepError, match="Name some of its classes"):
        squares.examples("side", classes=["below"])
    with pytest.raises(UmsrepError, match="another label task"):
        squares.examples("square")


def test_summary_counts_what_is_labelled(squares):
    table = squares.summary().set_index("task")
    assert list(table["labelled"]) == [3, 3, 4]
    assert table["classes"]["side"] == "left (2), right (2), top (0)"
    twice = squares.subset([0, 0, 1])
    assert twice.summary()["patients"].tolist() == [2, 2, 2]
