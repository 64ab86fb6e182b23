"""The folder of synthetic Doppler strips, and what `prepare folder` makes."""

import collections
import csv
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from data_prep.folder import convert
from umsrep import data
from umsrep.data.verification import verify
from umsrep.derived import PeakVelocity, velocity_scale
from umsrep.errors import UmsrepError
from umsrep.phantoms import write_echo
from umsrep.phantoms.echo.folder import plan

COUNT, SIZE, SEED = 60, 128, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("echo") / "doppler"
    write_echo(out, COUNT, SEED, SIZE)
    return out


@pytest.fixture(scope="module")
def truth(folder):
    return json.loads((folder / "phantom.json").read_text())["images"]


@pytest.fixture(scope="module")
def table(folder):
    with open(folder / "labels.csv", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def prepared(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "doppler"
    header = convert(folder, out, size=256)
    return out, header


def grey(path):
    return np.asarray(Image.open(path))


def test_layout(folder, table, truth):
    assert list(table[0]) == ["image", "patient", "flow", "quality"]
    assert len(table) == len(truth) == COUNT
    for below in ("images", "masks/envelope"):
        names = sorted(path.stem for path in (folder / below).iterdir())
        assert names == [row["image"] for row in table]
    for row, entry in zip(table, truth, strict=True):
        image, mask = grey(folder / entry["file"]), entry["masks"][0]
        mask = grey(folder / mask)
        assert image.dtype == mask.dtype == np.uint8
        assert image.shape == mask.shape
        assert image.shape[0] == SIZE
        assert 1.15 * SIZE - 1 <= image.shape[1] <= 1.6 * SIZE + 1
        assert set(np.unique(mask)) == {0, 255}
        assert row["flow"] == entry["flow"]
        assert row["patient"] == entry["patient"]
        told = entry["quality"] if entry["quality_labelled"] else ""
        assert row["quality"] == told


def test_classes_are_those_of_the_paper(table):
    flows = collections.Counter(row["flow"] for row in table)
    assert flows == {"MV": 21, "MA": 12, "TR": 27}  # 35, 20 and 45 %
    qualities = collections.Counter(row["quality"] for row in table)
    assert qualities == {"": 40, "good": 12, "low": 8}


def test_quality_does_not_follow_flow():
    images = plan(600, 1)
    for flow in ("MV", "MA", "TR"):
        these = [image for image in images if image.flow == flow]
        assert 0.3 < np.mean([i.quality == "low" for i in these]) < 0.5
        assert 0.25 < np.mean([i.labelled for i in these]) < 0.42


def test_patients_have_one_to_three_images(table):
    images = collections.defaultdict(list)
    for row in table:
        images[row["patient"]].append(row["flow"])
    counts = collections.Counter(len(flows) for flows in images.values())
    assert set(counts) == {1, 2, 3}
    several = [flows for flows in images.values() if len(flows) > 1]
    assert any(len(set(flows)) > 1 for flows in several)
    assert any(len(set(flows)) < len(flows) for flows in several)


def test_images_of_a_patient_are_of_one_heart(truth):
    hearts = collections.defaultdict(set)
    for entry in truth:
        heart = entry["parameters"]["physiology"]
        hearts[entry["patient"]].add((heart["age"], heart["tricuspid"]))
    assert {len(found) for found in hearts.values()} == {1}
    assert len({h for found in hearts.values() for h in found}) == len(hearts)


def test_the_same_seed_writes_the_same_files(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_echo(tmp_path / name, 12, seed, 64)

    def content(name):
        return {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*.*")
            if path.is_file()
        }

    first, second, other = (content(name) for name in "abc")
    assert first == second
    same = {path.name for path in first if first[path] == other[path]}
    # What is to be learnt does not depend on the draw.
    assert same == {"tasks.yaml"}


def test_prepare_and_verify_accept_the_folder(prepared, table):
    out, header = prepared
    assert [f for f in verify(out) if f.severity == "error"] == []
    assert header["tasks"] == {
        "envelope": {"kind": "mask"},
        "flow": {"kind": "label", "classes": ["MA", "MV", "TR"]},
        "quality": {"kind": "label", "classes": ["good", "low"]},
    }
    assert header["skipped"] == []
    assert header["counts"]["tasks"]["envelope"]["labelled"] == COUNT
    assert header["counts"]["tasks"]["quality"]["labelled"] == 20
    manifest = pd.read_csv(out / "manifest.csv", dtype=str).fillna("")
    for column in ("patient", "flow", "quality"):
        told = [row[column] for row in table]
        assert manifest[column].tolist() == told
    dataset = data.load(out)
    assert np.bincount(dataset.labels("flow")).tolist() == [12, 21, 27]


def test_the_smallest_set_can_be_prepared(tmp_path):
    write_echo(tmp_path / "set", 12, 3, 64)
    header = convert(tmp_path / "set", tmp_path / "out", size=64)
    assert set(header["tasks"]) == {"envelope", "flow", "quality"}


def test_scales_are_the_truth(folder, truth):
    with open(folder / "scales.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2 * COUNT
    for entry in truth:
        name = entry["file"].split("/")[-1].removesuffix(".png")
        y, x = (row for row in rows if row["image"] == name)
        assert (y["axis"], y["unit"]) == ("y", "cm/s")
        assert (x["axis"], x["unit"]) == ("x", "s")
        velocity, time = entry["velocity"], entry["time"]
        step = float(y["per_pixel"])
        assert step == velocity["cm_s_per_pixel"]
        assert float(y["zero"]) == velocity["baseline_row"]
        # The strip's edges show the highest and the lowest velocity.
        edges = [float(y["zero"]) + 0.5 - int(y[k]) for k in ("start", "stop")]
        assert edges[0] * step == pytest.approx(velocity["highest"])
        assert edges[1] * step == pytest.approx(velocity["lowest"])
        assert int(x["start"]) == time["first_column"]
        assert float(x["per_pixel"]) == time["s_per_pixel"]
        seconds = (int(x["stop"]) - int(x["start"])) * time["s_per_pixel"]
        recording = entry["parameters"]["recording"]
        assert seconds == pytest.approx(recording["duration"])
        assert float(x["zero"]) == int(x["start"]) - 0.5


@pytest.fixture(scope="module")
def strips(folder, truth, tmp_path_factory):
    """Per strip: truth, scale and measured velocities, all at 128 pixels."""
    out = tmp_path_factory.mktemp("small") / "doppler"
    convert(folder, out, size=128)
    dataset = data.load(out)
    told = {entry["file"]: entry for entry in truth}
    found = []
    for number, image in enumerate(dataset.table["image"]):
        scale, mask = dataset.scale(number), dataset.mask("envelope", number)
        found.append(
            (
                told[image],
                scale,
                PeakVelocity.measure(mask, *velocity_scale(scale, mask.shape)),
            )
        )
    return found


def test_speeds_of_prepared_masks_are_the_truth(strips):
    """A row at most: these waves are many columns wide."""
    checked = 0
    for entry, scale, found in strips:
        for name, value in (
            ("TR_Vmax_cm_s", found.tr_vmax),
            ("s_cm_s", found.s_prime),
        ):
            if name in entry["measurements"]:
                told = entry["measurements"][name]
                assert abs(value - told) <= scale.y.per_pixel
                checked += 1
    assert checked == 27 + 12


def test_every_wave_of_prepared_masks_has_its_speed_and_time(strips):
    """Too low at most by what a wave falls within a column of its peak."""
    checked = 0
    for entry, scale, found in strips:
        step, second = scale.y.per_pixel, entry["time"]["s_per_pixel"]
        for wave in entry["waves"]:
            if not wave["whole"] or entry["aliased"]:
                continue
            column = wave["column"] - entry["time"]["first_column"] + 0.5
            side = found.above if wave["velocity"] > 0 else found.below
            times = [
                (w.column - scale.x.zero) * scale.x.per_pixel for w in side
            ]
            away = np.abs(np.array(times) - column * second)
            nearest = side[away.argmin()]
            assert away.min() < 1.5 * scale.x.per_pixel
            told, width = abs(wave["velocity"]), nearest.stop - nearest.start
            fall = told * (1 - np.cos(np.pi / width))
            assert -step - fall <= nearest.velocity - told <= step
            checked += 1
    assert checked > 200


def test_bad_arguments_are_explained(tmp_path):
    with pytest.raises(UmsrepError, match="at least 12.*Ask for more"):
        write_echo(tmp_path / "out", 11, 0)
    with pytest.raises(UmsrepError, match="Choose a larger size"):
        write_echo(tmp_path / "out", 12, 0, 63)
    with pytest.raises(UmsrepError, match="Give a non-negative integer"):
        write_echo(tmp_path / "out", 12, -1)
    assert not list(tmp_path.iterdir())
