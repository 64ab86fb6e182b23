"""A table of scales in a user's own folder."""

import numpy as np
import pytest
from PIL import Image

from data_prep.folder import convert
from umsrep import data
from umsrep.data import AxisScale, Scale
from umsrep.data.verification import verify
from umsrep.errors import UmsrepError

LABELS = "image,patient\na,A\nb,B\nc,C\n"
SCALES = """image,axis,unit,per_pixel,zero,start,stop
a.png,y,cm/s,2,24.5,10,40
a,x,s,0.01,,,
images/B.png,Y,cm/s,1.5,,,
"""


@pytest.fixture
def own(layout, tmp_path):
    """Writes the folder with a table of scales and prepares it at 24 x 40."""
    for stem in "abc":
        layout.image(f"images/{stem}.png")
    layout.text("labels.csv", LABELS)

    def prepare(table, **options):
        layout.text("scales.csv", table)
        out = tmp_path / "out"
        header = convert(layout.folder, out, size=(24, 40), **options)
        return data.load(out), header

    return prepare


def test_scales_follow_their_images(own, tmp_path):
    loaded, header = own(SCALES)
    assert loaded.scale(0) == Scale(
        AxisScale("cm/s", 4.0, 12.0, 5.0, 20.0), AxisScale("s", 0.01)
    )
    assert loaded.scale(1) == Scale(AxisScale("cm/s", 3.0))
    assert loaded.scale(2) is None
    assert header["scales"] == {"x": "s", "y": "cm/s"}
    assert "Images without a row in scales.csv: 1;" in header["warnings"][-1]
    assert [f for f in verify(tmp_path / "out") if f.severity == "error"] == []


def test_columns_that_may_be_missing(own):
    loaded, _ = own("axis;image;per_pixel;unit\nx;c;0,5;s\n".replace(",", "."))
    assert loaded.scale(2) == Scale(x=AxisScale("s", 0.5))


def replaced(old, new):
    assert old in SCALES
    return SCALES.replace(old, new)


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize(
    ("table", "advice"),
    [
        (replaced("unit,", "units,"), "no column 'unit'.*rename or add"),
        (replaced(",zero", ",baseline"), "unknown column 'baseline'.*rename"),
        (replaced("image,", "file,"), "no column 'image'.*rename"),
        (replaced("a,x", "a,z"), "line 3 has the axis 'z'.*or x.*correct it"),
        (replaced("a,x", "a,"), "line 3 has the axis ''.*correct it"),
        (replaced(",2,", ",-2,"), "line 2: .*above 0; give the cm/s of one"),
        (replaced(",2,", ",0,"), "line 2: .*above 0; give the cm/s of one"),
        (replaced(",2,", ",two,"), "line 2: .*='two'.*correct it"),
        (replaced(",2,", ",,"), "line 2: .*per_pixel=None.*correct it"),
        (replaced(",2,", ",nan,"), "line 2: .*per_pixel=nan.*correct it"),
        (replaced("24.5", "mid"), "line 2: .*zero='mid'.*leave it out"),
        (replaced("a,x,s", "a,x,"), "line 3: .*give one such as"),
        (replaced("10,40", "40,10"), "line 2: .*0 <= start < stop.*correct"),
        (replaced("a,x,s,0.01,,,", "a,x"), "line 3 has 2 cells.*quotation"),
    ],
)
def test_a_table_that_cannot_be_understood_stops(own, table, advice, on_error):
    with pytest.raises(UmsrepError, match=f"scales.csv.*{advice}"):
        own(table, on_error=on_error)


@pytest.mark.parametrize(
    ("table", "advice", "skipped", "left"),
    [
        (
            SCALES + "d,y,cm/s,1,,,\n",
            "line 5: there is no image 'd'.*correct it",
            "public/scales.csv",
            3,
        ),
        (
            SCALES + "a,y,cm/s,1,,,\n",
            r"2 y scales for a.png \(lines 2 and 5\).*keep the right one",
            "images/a.png",
            2,
        ),
        (
            replaced("10,40", "10,49"),
            "a.png: Its y scale.*image has 48 rows.*original size",
            "images/a.png",
            2,
        ),
        (
            replaced("Y,cm/s", "Y,m/s"),
            "b.png has a y scale in m/s, but .*a.png.*convert one",
            "images/b.png",
            2,
        ),
    ],
    ids=["no-image", "repeated", "beyond", "other-unit"],
)
def test_a_bad_row_stops_or_is_counted(own, table, advice, skipped, left):
    with pytest.raises(UmsrepError, match=advice):
        own(table)
    loaded, header = own(table, on_error="skip")
    assert [entry["file"] for entry in header["skipped"]] == [skipped]
    assert len(loaded) == left
    assert loaded.scale_units["y"] == "cm/s"


def test_a_scale_agrees_with_the_picture(layout, tmp_path):
    """Two lines drawn at known values are found there again."""
    pixels = np.full((60, 50), 40, np.uint8)
    pixels[10], pixels[40] = 255, 255
    layout.folder.mkdir()
    (layout.folder / "images").mkdir()
    Image.fromarray(pixels).save(layout.folder / "images/a.png")
    layout.text("scales.csv", "image,axis,unit,per_pixel,zero\na,y,mm,0.2,10\n")
    convert(layout.folder, tmp_path / "out", size=180, fit="pad")
    loaded = data.load(tmp_path / "out")
    scale = loaded.scale(0).y
    column = loaded.image(0)[:, 90].astype(float)
    brightest = [
        int(column[part].argmax()) + part.start
        for part in (slice(0, 90), slice(90, 180))
    ]
    found = [(row - scale.zero) * scale.per_pixel for row in brightest]
    np.testing.assert_allclose(found, [0, 6], atol=1e-9)
