"""OSIE: pictures and a table of fixations."""

import shutil

import numpy as np
import pandas as pd
import pytest

from data_prep.osie import convert
from umsrep import data
from umsrep.data import gaze
from umsrep.data.verification import verify
from umsrep.errors import UmsrepError

SHAPE = (48, 40)  # of the pictures of `layout`
NAMES = [f"{1001 + n}.jpg" for n in range(12)]


def write_table(layout, rows, name="osie/fixations.csv"):
    columns = ["image", "subject", "x", "y", "duration_ms"]
    text = pd.DataFrame(rows, columns=columns).to_csv(index=False)
    return layout.text(name, text)


@pytest.fixture
def rows():
    """Three people, four fixations on each picture, anywhere on it."""
    rng = np.random.default_rng([3])
    return [
        (name, subject, *rng.uniform((0, 0), SHAPE[::-1]).round(2), 100 + k)
        for name in NAMES
        for subject in (1, 2, 15)
        for k in range(4)
    ]


@pytest.fixture
def source(layout, rows):
    for name in NAMES:
        layout.image(f"osie/images/{name}", "RGB")
    write_table(layout, rows)
    return layout.folder


def test_gaze_of_every_picture_is_its_own(source, rows, tmp_path):
    out = tmp_path / "out"
    header = convert(source, out, size=(24, 20))
    assert header["counts"]["images"] == header["counts"]["patients"] == 12
    assert header["gaze"]["gaze"]["observers"] == 3
    assert header["gaze"]["gaze"]["points_outside"] == 0
    assert (header["skipped"], header["warnings"]) == ([], [])
    dataset = data.load(out)
    for name in NAMES:
        number = list(dataset.table["image"]).index(f"images/{name[:-4]}.png")
        found = dataset.fixations("gaze", number)
        mine = [row for row in rows if row[0] == name]
        # Half the size; stored to a thousandth of a pixel.
        np.testing.assert_allclose(
            found[["x", "y"]],
            [(x / 2, y / 2) for _, _, x, y, _ in mine],
            atol=0.001,
        )
        # The rows' order is the scan path.
        assert list(found["duration_ms"]) == [row[-1] for row in mine]
        assert list(found["observer"].astype(str)) == [
            str(row[1]) for row in mine
        ]
    assert not [f for f in verify(out) if f.severity == "error"]


def test_map_peaks_where_people_looked(layout, source, rows, tmp_path):
    rows = [row for row in rows if row[0] != NAMES[0]]
    rows += [(NAMES[0], n, 30.5, 12.5, 200) for n in range(5)]
    write_table(layout, rows)
    convert(source, tmp_path / "out", size=SHAPE)
    dataset = data.load(tmp_path / "out")
    drawn = dataset.map("gaze", 0)
    assert np.unravel_index(drawn.argmax(), SHAPE) == (12, 30)
    assert drawn.sum() == pytest.approx(1, abs=1e-4)


def test_a_degree_is_24_of_800_pixels(source, tmp_path):
    header = convert(
        source, tmp_path / "out", gaze_map=gaze.GazeMap(sigma_degrees=2)
    )
    assert header["gaze"]["gaze"]["sigma_pixels"] == [2 * 24 / 800 * 40] * 2


def test_points_outside_are_dropped_and_counted(layout, source, rows, tmp_path):
    outside = [(NAMES[0], 1, -3.0, 5.0, 90), (NAMES[1], 1, 5.0, 48.0, 90)]
    write_table(layout, [*rows, *outside])
    header = convert(source, tmp_path / "out", size=32)
    assert header["gaze"]["gaze"]["points"] == len(rows)
    assert header["gaze"]["gaze"]["points_outside"] == 2
    assert any("2 points outside" in text for text in header["warnings"])


def no_fixations(layout, rows):
    layout.image("osie/images/2000.jpg")
    return rows


def no_image(layout, rows):
    return [*rows, ("2000.jpg", 1, 5.0, 5.0, 100)]


def truncated(layout, rows):
    path = layout.image("osie/images/2000.jpg")
    path.write_bytes(path.read_bytes()[:-40])
    return [*rows, ("2000.jpg", 1, 5.0, 5.0, 100)]


def all_outside(layout, rows):
    layout.image("osie/images/2000.jpg")
    return [*rows, ("2000.jpg", 1, -5.0, 5.0, 100)]


def beyond(layout, rows):
    layout.image("osie/images/2000.jpg")
    return [*rows, ("2000.jpg", 1, 400.0, 5.0, 100)]


def negative_duration(layout, rows):
    layout.image("osie/images/2000.jpg")
    return [*rows, ("2000.jpg", 1, 4.0, 5.0, -1)]


BAD = {
    no_fixations: "2000.jpg has no row.*move the image away",
    no_image: "1 fixations on 2000.jpg, which is not in.*Get the image",
    truncated: "2000.jpg is truncated.*again",
    all_outside: "No gaze point lies on the image.*leave the image out",
    beyond: "100% of its gaze points lie beyond.*in its original size",
    negative_duration: "lasts -1 ms.*leave out those rows",
}


def test_lost_samples_are_outside(layout, source, rows, tmp_path):
    lost = [(*rows[0][:2], ".", ".", rows[0][4]), *rows[1:]]
    write_table(layout, lost)
    header = convert(source, tmp_path / "out", size=32)
    assert header["gaze"]["gaze"]["points_outside"] == 1
    write_table(layout, [(*rows[0][:2], "left", *rows[0][3:]), *rows[1:]])
    with pytest.raises(UmsrepError, match="line 2 has the x 'left'.*correct"):
        convert(source, tmp_path / "other", size=32)


@pytest.mark.parametrize("spoil", BAD)
def test_what_does_not_fit_stops_or_is_counted(
    layout, source, rows, tmp_path, spoil
):
    write_table(layout, spoil(layout, rows))
    with pytest.raises(UmsrepError, match=BAD[spoil]):
        convert(source, tmp_path / "out", size=32)
    assert not (tmp_path / "out").exists()
    header = convert(source, tmp_path / "out", size=32, on_error="skip")
    assert header["counts"]["images"] == len(NAMES)
    assert [entry["file"] for entry in header["skipped"]] == ["images/2000.jpg"]


@pytest.mark.parametrize(
    ("scale", "advice"),
    [
        ((1 / 40, 1 / 48), "fractions of a screen.*pixels of the image"),
        ((0.4, 0.4), "to smaller images.*scale x and y first"),
    ],
)
def test_positions_of_another_frame_are_refused(
    layout, source, rows, tmp_path, scale, advice
):
    rows = [(n, s, x * scale[0], y * scale[1], d) for n, s, x, y, d in rows]
    write_table(layout, rows)
    for on_error in ("stop", "skip"):
        with pytest.raises(UmsrepError, match=advice):
            convert(source, tmp_path / "out", size=32, on_error=on_error)
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        ("image,subject,x,y\n1001.jpg,1,5,5\n", "no column 'duration_ms'"),
        ("", "not a readable CSV table.*Get the published table again"),
        ('image,subject\n"1001.jpg,1\n', "Get the published table again"),
    ],
)
def test_table_that_is_none_is_refused(
    layout, source, tmp_path, content, advice
):
    layout.text("osie/fixations.csv", content)
    with pytest.raises(UmsrepError, match=advice):
        convert(source, tmp_path / "out", size=32)


def test_two_copies_are_refused(source, tmp_path):
    shutil.copytree(source / "osie", source / "again")
    with pytest.raises(UmsrepError, match="several copies.*Name one of them"):
        convert(source, tmp_path / "out")


@pytest.mark.real_data
def test_the_real_set(real_data, tmp_path):
    header = convert(real_data / "osie", tmp_path / "out", size=(48, 64))
    assert header["counts"]["images"] == 490
    assert header["skipped"] == []
    about = header["gaze"]["gaze"]
    assert (about["observers"], about["fixations"]) == (15, 68891)
    assert about["points_outside"] == 0
    assert not [f for f in verify(tmp_path / "out") if f.severity == "error"]
    dataset = data.load(tmp_path / "out")
    # People look at the middle of photographs.
    mean = np.mean([dataset.map("gaze", n) for n in range(490)], axis=0)
    assert mean[12:36, 16:48].sum() > 0.5
