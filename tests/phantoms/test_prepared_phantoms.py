"""Synthetic data sets in one step."""

import pytest

from umsrep import data
from umsrep.errors import UmsrepError
from umsrep.phantoms import Difficulty, phantom_data


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("phantoms")


def test_chests_are_ready_to_load_and_used_again(out):
    folder = phantom_data("shenzhen", out, images=8, size=32)
    dataset = data.load(folder)
    assert len(dataset) == 8
    assert dataset.image_size == (32, 32)
    assert set(dataset.tasks) == {"lung", "abnormality"}
    before = (folder / "dataset.json").stat().st_mtime_ns
    assert phantom_data("shenzhen", out, images=8, size=32) == folder
    assert (folder / "dataset.json").stat().st_mtime_ns == before


def test_other_arguments_give_another_data_set(out):
    first = phantom_data("shenzhen", out, images=8, size=32)
    other = phantom_data("shenzhen", out, images=8, size=32, seed=1)
    assert first != other
    assert (data.load(first).images != data.load(other).images).any()


def test_another_difficulty_is_another_data_set(out):
    easy, usual, custom = (
        phantom_data("shenzhen", out, 8, 32, difficulty=level)
        for level in ("easy", "usual", Difficulty(contrast=0.5))
    )
    assert usual == phantom_data("shenzhen", out, 8, 32)
    assert len({easy, usual, custom}) == 3
    assert "contrast-0.5" in custom.parent.name
    assert (data.load(easy).images != data.load(usual).images).any()


def test_strips_have_no_difficulty(out):
    with pytest.raises(UmsrepError, match="Leave it out, or choose a layout"):
        phantom_data("echo", out, images=12, size=32, difficulty="easy")


def test_strips_keep_their_tasks_and_scales(out):
    dataset = data.load(phantom_data("echo", out, images=12, size=32))
    assert {"envelope", "flow", "quality", "tr_mv"} <= set(dataset.tasks)
    assert dataset.task("quality").classes == ("low", "good")
    assert dataset.scale(0).y.unit == "cm/s"


def test_an_unknown_name_lists_those_there_are(out):
    with pytest.raises(UmsrepError, match="Choose one of shenzhen.*echo"):
        phantom_data("knee", out, images=8)
