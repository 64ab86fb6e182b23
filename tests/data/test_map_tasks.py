"""Map tasks from the writer to the batches."""

import cv2
import numpy as np
import pandas as pd
import pytest

from umsrep import data
from umsrep.data import gaze, verification
from umsrep.data.prepared import SourceDescription, TaskSpec, read_header
from umsrep.data.writer import PreparedWriter
from umsrep.errors import UmsrepError

ABOUT = SourceDescription("toy", "", "", "", "toy")
TASKS = [TaskSpec("gaze", "map"), TaskSpec("level", "label", ("low", "high"))]


def picture(folder, number):
    rng = np.random.default_rng(number)
    path = folder / f"{number}.png"
    cv2.imwrite(str(path), rng.integers(0, 255, (60, 80)).astype(np.uint8))
    return path


def looks(number, outside=1):
    """Two people at one place each, and points beside the image."""
    rows = [("a", 10.0 + number, 20.0, 200), ("b", 70.0, 50.0, 100)]
    rows += [("b", -5.0, 20.0, 100)] * outside
    return pd.DataFrame(rows, columns=["observer", "x", "y", "duration_ms"])


def prepare(folder, images=6, **options):
    raw = folder / "raw"
    raw.mkdir()
    options = {"size": (30, 40)} | options
    with PreparedWriter(folder / "set", "toy", TASKS, ABOUT, **options) as out:
        for number in range(images):
            out.add(
                str(number),
                picture(raw, number),
                f"p{number}",
                targets={
                    "level": ("low", "high")[number % 2],
                    "gaze": gaze.Gaze(looks(number)) if number else None,
                },
            )
    return folder / "set"


@pytest.fixture
def folder(tmp_path):
    return prepare(tmp_path)


def test_maps_and_fixations_come_back(folder):
    dataset = data.load(folder)
    assert list(dataset.labelled("gaze")) == [False] + [True] * 5
    assert dataset.map("gaze", 0) is None
    assert dataset.fixations("gaze", 0) is None
    found = dataset.fixations("gaze", 3)
    # Half the size, and the point beside the image has gone.
    assert found[["x", "y"]].to_numpy().tolist() == [[6.5, 10], [35, 25]]
    assert list(found["observer"]) == ["a", "b"]
    values = dataset.map("gaze", 3)
    assert values.dtype == np.float32
    assert values.sum() == pytest.approx(1, abs=1e-5)
    assert np.unravel_index(values.argmax(), values.shape)[1] in (6, 35)


def test_provenance(folder):
    note = read_header(folder)["gaze"]["gaze"]
    assert note["points"] == 10
    assert note["points_outside"] == 5
    assert note["observers"] == 2
    assert note["images"] == 5
    sigma = 75.5 / 3056 * 80
    assert note["sigma_pixels"] == pytest.approx([sigma, sigma], abs=1e-3)
    assert "5 points outside" in read_header(folder)["warnings"][0]


def test_verifies_and_notices_damage(folder):
    assert not [f for f in verification.verify(folder) if f.severity == "error"]
    table = pd.read_csv(folder / "fixations" / "gaze.csv")
    table.loc[0, "x"] = 400
    table.loc[1, "image"] = "images/nobody.png"
    table.to_csv(folder / "fixations" / "gaze.csv", index=False)
    cv2.imwrite(str(folder / "maps/gaze/2.png"), np.zeros((30, 40), np.uint16))
    messages = [f.message for f in verification.verify(folder)]
    assert any("1 fixations lie outside" in m for m in messages)
    assert any("manifest lacks" in m for m in messages)
    assert any("0 everywhere" in m for m in messages)


def test_batches_move_the_map_with_the_image(folder):
    dataset = data.load(folder)
    shift = data.Augmentation(
        geometry=data.GeometricAugmentation(
            rotation=0,
            scale=(1, 1),
            aspect=(1, 1),
            shift=0.3,
            border_probability=0,
        ),
        intensity=None,
        probability=1,
    )
    plain = dataset.batches(6)[0]
    moved = dataset.batches(6, augmentation=shift, seed=3)[0]
    assert list(plain[2]["gaze"]) == [0, 1, 1, 1, 1, 1]
    assert plain[1]["gaze"][0].max() == 0
    for index in range(1, 6):
        before, after = (b[1]["gaze"][index, ..., 0] for b in (plain, moved))
        assert before.sum() == pytest.approx(1, abs=1e-5)
        assert after.sum() == pytest.approx(1, abs=1e-5)
        assert np.abs(before - after).max() > 1e-3
        image = [b[0][index, ..., 0] for b in (plain, moved)]
        # The geometry that moved the image moves the map.
        rng = np.random.default_rng([3, 0, int(dataset.rows[index])])
        drawn = shift.draw(rng)
        np.testing.assert_allclose(
            shift.apply(image[0].astype(np.uint8), None, drawn)[0],
            image[1],
            atol=1e-3,
        )
        want = shift.apply_to_map(before, drawn)
        np.testing.assert_allclose(after, want / want.sum(), atol=1e-6)


def test_a_map_moved_out_of_the_frame_has_weight_0(folder):
    dataset = data.load(folder)

    class Away(data.Augmentation):
        def apply_to_map(self, values, parameters):
            return np.zeros_like(values)

    batch = dataset.batches(6, augmentation=Away.chest())[0]
    assert list(batch[2]["gaze"]) == [0] * 6
    assert list(batch[2]["level"]) == [1] * 6


def test_heat_map_files(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    heat = np.zeros((60, 80), np.uint16)
    heat[10:20, 60:70] = 40000
    for name, values in (
        ("good", heat),
        ("small", heat[:30]),
        ("zero", heat * 0),
    ):
        cv2.imwrite(str(raw / f"heat-{name}.png"), values)
    cv2.imwrite(str(raw / "heat-colour.png"), np.full((60, 80, 3), 9, np.uint8))

    def write(name, out):
        with PreparedWriter(
            tmp_path / out, "toy", TASKS, ABOUT, size=(30, 40)
        ) as writer:
            writer.add(
                "1",
                picture(raw, 1),
                "p",
                targets={
                    "gaze": raw / f"heat-{name}.png",
                },
            )

    write("good", "good")
    values = data.load(tmp_path / "good").map("gaze", 0)
    assert values[5:10, 30:35].sum() == pytest.approx(1, abs=1e-4)
    for name, advice in (
        ("small", "must have its image's size"),
        ("zero", "not 0 everywhere"),
        ("colour", "without a colour scale"),
    ):
        with pytest.raises(UmsrepError, match=advice):
            write(name, name)


def test_gaze_that_never_meets_its_image(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    away = looks(1)
    away["x"] += 1000
    for on_error in ("stop", "skip"):
        writer = PreparedWriter(
            tmp_path / on_error, "toy", TASKS, ABOUT, on_error=on_error
        )
        if on_error == "stop":
            with pytest.raises(UmsrepError, match="pixels of this image"):
                with writer:
                    writer.add(
                        "1",
                        picture(raw, 1),
                        "p",
                        targets={
                            "gaze": gaze.Gaze(away),
                        },
                    )
            continue
        with writer:
            for number, table in enumerate((looks(0), away)):
                writer.add(
                    str(number),
                    picture(raw, number),
                    "p",
                    targets={
                        "gaze": gaze.Gaze(table),
                    },
                )
        assert len(writer.header["skipped"]) == 1
        assert "80 x 60 pixels" in writer.header["skipped"][0]["reason"]
