"""A file that predicts something else is refused."""

import copy

import numpy as np
import pytest

from umsrep import data
from umsrep.errors import UmsrepError
from umsrep.export import export_run, parity, reference
from umsrep.export.serving import Source


@pytest.fixture(scope="module")
def source(separate_run):
    return Source(separate_run)


@pytest.fixture(scope="module")
def batches(export_work):
    whole = data.load(export_work / "stretched")
    return parity.batches_of(whole.subset(np.arange(3)))


@pytest.fixture(scope="module")
def right(source, batches):
    """What a perfect file would answer."""
    answers = []
    for batch in batches:
        grey = reference.prepared(source, batch).astype(np.float32)
        clean = np.rint(reference.denoised(source.denoiser, grey))
        results = reference.results(source, source.networks, clean, batch)
        results = {task: np.stack(list(r)) for task, r in results.items()}
        answers.append((results, {"prepared": grey, "denoised": clean}))
    return answers


def figures(source, batches, answers):
    return parity.differences(source, batches, answers)


def test_a_perfect_file(source, batches, right):
    found = figures(source, batches, right)
    parity.check("onnx", found, None)
    assert found["prepared"]["rounded_otherwise"] == 0
    assert found["tasks"]["blob"]["max_difference"] == 0
    # The run's own networks compute in bfloat16, its denoiser, too: half a
    # grey level, at the steep border of a mask.
    assert 1e-5 < found["tasks"]["blob"]["end_to_end"] < 0.15


@pytest.mark.parametrize("task", ["blob", "level"])
def test_results_off_by_twice_the_tolerance(source, batches, right, task):
    wrong = copy.deepcopy(right)
    wrong[1][0][task].flat[0] += 2e-4
    with pytest.raises(UmsrepError, match=f"'{task}'.*choose another"):
        parity.check("onnx", figures(source, batches, wrong), None)
    # A quantised file may differ.
    parity.check("litert", figures(source, batches, wrong), "int8")


def test_not_a_number_is_a_difference(source, batches, right):
    wrong = copy.deepcopy(right)
    wrong[0][0]["level"][0, 0] = np.nan
    with pytest.raises(UmsrepError, match="not finite.*choose another"):
        figures(source, batches, wrong)


@pytest.mark.parametrize("part", ["prepared", "denoised"])
def test_a_grey_level_that_rounding_does_not_explain(
    source, batches, right, part
):
    wrong = copy.deepcopy(right)
    wrong[2][1][part][0, 5, 5, 0] += 1
    with pytest.raises(UmsrepError, match=f"{part} image.*choose another"):
        parity.check("onnx", figures(source, batches, wrong), None)


def test_a_grey_level_rounded_to_the_other_side(source, batches, right):
    # 127.4999 and 127.5001 are one value for two correct programs.
    number = len(batches) - 1
    values = reference.unrounded(source, batches[number])
    away = np.abs(values - np.floor(values) - 0.5)
    where = np.unravel_index(away.argmin(), away.shape)
    assert away[where] < 0.002
    other = copy.deepcopy(right)
    grey = other[number][1]["prepared"]
    grey[where] += 1 if values[where] > grey[where] else -1
    clean = np.rint(reference.denoised(source.denoiser, grey))
    other[number][1]["denoised"] = clean
    results = reference.results(source, source.networks, clean, batches[number])
    other[number] = (
        {task: np.stack(list(r)) for task, r in results.items()},
        other[number][1],
    )
    found = figures(source, batches, other)
    parity.check("onnx", found, None)
    assert found["prepared"]["rounded_otherwise"] == 1


def test_outputs_of_other_names(source, batches, right):
    wrong = copy.deepcopy(right)
    wrong[0][0]["blobs"] = wrong[0][0].pop("blob")
    with pytest.raises(UmsrepError, match="expected.*choose another"):
        figures(source, batches, wrong)


def test_nothing_is_left_of_a_refused_file(joint_run, tmp_path, monkeypatch):
    monkeypatch.setattr(parity, "TOLERANCE", 0.0)
    # In this process: a new one takes seconds, and is tested elsewhere.
    monkeypatch.setattr(parity, "FRESH", ())
    out = tmp_path / "out" / "a.keras"
    with pytest.raises(UmsrepError, match="not below 0.*choose another"):
        export_run(joint_run, out, "keras", ["level"], progress=False)
    assert not list((tmp_path / "out").iterdir())


def test_a_map_is_compared_with_its_maximum(joint_run, export_work):
    source = Source(joint_run, ["look"])
    whole = data.load(export_work / "padded")
    batch = whole.image(0)[None]
    grey = reference.prepared(source, batch).astype(np.float32)
    look = reference.results(source, source.networks, grey, batch)["look"]
    # A uniform map is everywhere within 0.01 of this one.
    flat = np.full_like(look[0], 1 / look[0].size)
    answer = [({"look": flat[None]}, {"prepared": grey})]
    found = parity.differences(source, [batch], answer)
    assert np.abs(flat - look[0]).max() < 0.01
    with pytest.raises(UmsrepError, match="'look' differs"):
        parity.check("onnx", found, None)
