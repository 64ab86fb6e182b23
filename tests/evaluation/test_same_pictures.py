"""A picture that is there twice, as of two patients."""

import pandas as pd
import pytest

from umsrep.evaluation.subject import _sides

SPLIT = pd.DataFrame(
    {
        "image": ["a.png", "b.png", "c.png", "d.png"],
        "checksum": ["1", "2", "1", "3"],
        "split": ["train", "validation", "test", "test"],
    }
)


class Images:
    def __init__(self, names, checksums, name="set"):
        self.name = name
        self.table = pd.DataFrame({"image": names, "checksum": checksums})


@pytest.mark.parametrize("prefix", ["", "set/"])
def test_each_copy_is_on_its_own_side(prefix):
    images = Images(list(SPLIT["image"])[::-1], list(SPLIT["checksum"])[::-1])
    split = SPLIT.assign(image=prefix + SPLIT["image"])
    sides = _sides(split, images, True)
    assert list(sides) == list(SPLIT["split"])[::-1]


def test_other_pixels_under_the_same_name_are_no_image_of_the_run():
    sides = _sides(SPLIT, Images(["a.png", "d.png"], ["9", "3"]), True)
    assert list(sides.isna()) == [True, False]


def test_of_another_set_a_copy_that_was_learnt_from_counts():
    sides = _sides(SPLIT, Images(["x.png", "y.png"], ["1", "3"]), False)
    assert list(sides) == ["train", "test"]
