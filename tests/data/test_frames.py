"""Which part of a prepared image its picture covers."""

import cv2
import numpy as np
import pytest

import umsrep
from umsrep.data.frame import Frame
from umsrep.data.prepared import SourceDescription, TaskSpec
from umsrep.data.writer import PreparedWriter

SHAPES = [(40, 20), (20, 40), (32, 32), (31, 17)]
ABOUT = SourceDescription("Toy", "", "", "", "photograph")


def write(folder, fit):
    raw = folder / "raw"
    raw.mkdir(exist_ok=True)
    with PreparedWriter(
        folder / fit,
        "toy",
        [TaskSpec("ill", "label", ("no", "yes"))],
        ABOUT,
        32,
        fit=fit,
    ) as writer:
        for number, shape in enumerate(SHAPES):
            # No black, so that black is padding.
            rng = np.random.default_rng(number)
            pixels = rng.integers(90, 255, shape).astype(np.uint8)
            cv2.imwrite(str(raw / f"{number}.png"), pixels)
            writer.add(
                str(number),
                raw / f"{number}.png",
                number,
                targets={"ill": "no"},
            )
    return folder / fit


def test_a_padded_set_knows_where_its_pictures_lie(tmp_path):
    whole = umsrep.data.load(write(tmp_path, "pad"))
    # Any subset knows it of its own images.
    one = whole.subset([3, 1, 0, 2])
    for index in range(4):
        content = np.zeros((32, 32), bool)
        content[one.frame(index).content] = True
        np.testing.assert_array_equal(content, one.image(index) > 0)
    joined = umsrep.data.concatenate(
        [
            whole,
            umsrep.data.Dataset(
                "b",
                whole.tasks,
                whole.table.drop(columns="source_frame"),
                whole.store,
            ),
        ]
    )
    assert joined.frame(0).inner == (32, 16)
    assert joined.frame(4).inner == (32, 32)


def test_without_the_sizes_of_the_sources_it_is_the_whole_image(tmp_path):
    folder = write(tmp_path, "pad")
    (folder / "sources.csv").unlink()
    older = umsrep.data.load(folder)
    assert {older.frame(n).inner for n in range(4)} == {(32, 32)}


def test_a_stretched_set_has_no_padding(tmp_path):
    one = umsrep.data.load(write(tmp_path, "stretch"))
    assert {one.frame(n).inner for n in range(4)} == {(32, 32)}


def test_cutting_and_padding_are_inverse():
    frame = Frame((31, 17), (32, 32), "pad")
    inner = np.random.default_rng(0).random(frame.inner)
    padded = frame.pad(inner)
    np.testing.assert_array_equal(padded[frame.content], inner)
    assert padded.sum() == pytest.approx(inner.sum())
