"""Scales: through the resizing, the manifest, and parts of a data set."""

import json
import re
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest

from umsrep import data
from umsrep.data import AxisScale, Scale
from umsrep.data.frame import Frame
from umsrep.data.prepared import SourceDescription, TaskSpec
from umsrep.data.storage import sha256
from umsrep.data.verification import verify
from umsrep.data.writer import PreparedWriter
from umsrep.errors import UmsrepError

SHAPE = (60, 40)
VELOCITY = AxisScale("cm/s", 2.0, 24.5, 10, 50)
SCALES = [
    Scale(VELOCITY, AxisScale("s", 0.01)),
    None,
    Scale(x=AxisScale("s", 0.02, zero=-3, stop=40)),
    Scale(y=AxisScale("cm/s", 1 / 3)),
]


def write(folder, scales, name="toy", **options):
    """A prepared data set with an image per scale."""
    rng = np.random.default_rng([3])
    folder.mkdir(parents=True, exist_ok=True)
    about = SourceDescription("t", "u", "c", "l", "toy")
    task = TaskSpec("finding", "label", ("normal", "nodule"))
    with PreparedWriter(
        folder / name, name, [task], about, **{"size": (30, 80), **options}
    ) as writer:
        for number, scale in enumerate(scales):
            file = folder / f"{number}.png"
            cv2.imwrite(str(file), rng.integers(0, 256, SHAPE, np.uint8))
            labels = {"finding": ("normal", "nodule")[number % 2]}
            writer.add(
                f"i{number}", file, f"p{number}", targets=labels, scale=scale
            )
    return folder / name


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return write(tmp_path_factory.mktemp("scales"), SCALES)


class TestScale:
    @pytest.mark.parametrize(
        ("arguments", "advice"),
        [
            ((" ", 1.0), "give one such as 'cm/s'"),
            ((None, 1.0), "give one such as 'cm/s'"),
            (("s", 0), "number above 0; give the s of one pixel"),
            (("s", -2.0), "without sign"),
            (("s", None), "per_pixel=None.*correct it\\."),
            (("s", "fast"), "per_pixel='fast'.*a finite number"),
            (("s", float("nan")), "per_pixel=nan.*a finite number"),
            (("s", 1.0, float("inf")), "zero=inf.*or leave it out"),
            (("s", 1.0, True), "zero=True.*or leave it out"),
            (("s", 1.0, None, -1, 4), "0 <= start < stop.*leave both out"),
            (("s", 1.0, None, 4, 4), "0 <= start < stop.*leave both out"),
            (("s", 1.0, None, None, 0), "0 <= start < stop.*leave both out"),
        ],
    )
    def test_bad_axis(self, arguments, advice):
        with pytest.raises(UmsrepError, match=advice):
            AxisScale(*arguments)

    def test_bad_scale(self):
        with pytest.raises(UmsrepError, match="pass None instead"):
            Scale()
        with pytest.raises(UmsrepError, match="Pass AxisScale"):
            Scale(y=2.0)


class TestFrame:
    """A scale says the same of a picture before and after resizing."""

    @pytest.mark.parametrize("fit", ["stretch", "pad"])
    @pytest.mark.parametrize("size", [(120, 160), (30, 80), (40, 31)])
    def test_values_stay_at_their_place(self, fit, size):
        frame = Frame(SHAPE, size, fit)
        source = Scale(VELOCITY, AxisScale("s", 0.01, -0.5, 5, 35))
        moved = frame.scale(source)
        # Points are in continuous pixels, whose centres are at halves.
        places = np.linspace(0, 39, 7)
        points = pd.DataFrame({"y": places, "x": places})
        for axis, old in source.axes.items():
            new = moved.axes[axis]
            there = frame.points(points)[axis] - 0.5
            np.testing.assert_allclose(
                (there - new.zero) * new.per_pixel,
                (places - 0.5 - old.zero) * old.per_pixel,
            )
            assert new.unit == old.unit

    def test_the_region_is_that_of_a_mask(self):
        """A mask of the region fills, resized, the resized region."""
        mask = np.zeros(SHAPE, bool)
        mask[10:50, 7:31] = True
        source = Scale(VELOCITY, AxisScale("s", 0.01, None, 7, 31))
        for fit in ("stretch", "pad"):
            for size in ((120, 160), (45, 64), (31, 33)):
                frame = Frame(SHAPE, size, fit)
                inside = []
                for axis, length in zip("yx", size, strict=True):
                    scale = frame.scale(source).axes[axis]
                    centres = np.arange(length) + 0.5
                    inside.append(
                        (centres >= scale.start) & (centres < scale.stop)
                    )
                np.testing.assert_array_equal(
                    frame.mask(mask), inside[0][:, None] & inside[1]
                )

    def test_the_whole_image_stays_within_it(self):
        # 0.1 + 0.2 and the like must not carry the end over the border.
        for old in range(30, 400, 7):
            scale = Scale(x=AxisScale("s", 1.0, None, 0, old))
            moved = Frame((40, old), (64, 128)).scale(scale).x
            assert (moved.start, moved.stop) == (0, 128)

    def test_nothing_is_made_up(self):
        moved = Frame(SHAPE, (30, 80)).scale(Scale(x=AxisScale("s", 0.01)))
        assert moved == Scale(x=AxisScale("s", 0.005))

    @pytest.mark.parametrize(("start", "stop"), [(0, 61), (60, None)])
    def test_a_region_beyond_the_image(self, start, stop):
        scale = Scale(y=AxisScale("mm", 1.0, None, start, stop))
        with pytest.raises(UmsrepError, match="60 rows.*its original size"):
            Frame(SHAPE, (30, 80)).scale(scale)


class TestPrepared:
    def test_round_trip(self, prepared):
        loaded = data.load(prepared)
        frame = Frame(SHAPE, (30, 80))
        for number, scale in enumerate(SCALES):
            expected = None if scale is None else frame.scale(scale)
            assert loaded.scale(number) == expected
        assert loaded.scale_units == {"y": "cm/s", "x": "s"}
        assert verify(prepared) == []

    def test_on_the_disk(self, prepared):
        table = pd.read_csv(prepared / "manifest.csv", dtype=str).fillna("")
        first = table.iloc[0]
        assert list(table.columns)[4:] == [
            *(f"y_{name}" for name in ("per_pixel", "zero", "start", "stop")),
            *(f"x_{name}" for name in ("per_pixel", "zero", "start", "stop")),
            "source",
        ]
        # Half as many rows, twice as many columns.
        assert first["y_per_pixel":"x_stop"].tolist() == [
            *("4", "12", "5", "25"),
            *("0.005", "", "", ""),
        ]
        header = json.loads((prepared / "dataset.json").read_text())
        assert header["scales"] == {"x": "s", "y": "cm/s"}
        assert header["format_version"] == 1

    def test_none_leaves_no_trace(self, tmp_path):
        out = write(tmp_path, [None, None])
        table = pd.read_csv(out / "manifest.csv")
        assert list(table.columns) == [
            *("image", "patient", "split", "finding", "source")
        ]
        assert "scales" not in json.loads((out / "dataset.json").read_text())
        assert data.load(out).scale(0) is None
        assert data.load(out).scale_units == {}

    def test_parts_keep_their_scales(self, prepared, tmp_path):
        loaded = data.load(prepared)
        scales = {
            image: loaded.scale(number)
            for number, image in enumerate(loaded.table["image"])
        }
        parts = [
            loaded.subset([3, 0]),
            *loaded.split(fractions=(0.5, 0.25, 0.25), seed=1),
            loaded.with_store(loaded.store),
        ]
        for part in parts:
            for number, image in enumerate(part.table["image"]):
                assert part.scale(number) == scales[image]
        plain = data.load(write(tmp_path, [None, None], "plain"))
        for order in ([loaded, plain], [plain, loaded]):
            joined = data.concatenate(order)
            found = dict(
                zip(
                    joined.table["image"],
                    map(joined.scale, range(len(joined))),
                    strict=True,
                )
            )
            assert found.pop("plain/images/i0.png") is None
            assert found.pop("plain/images/i1.png") is None
            assert found == {f"toy/{k}": v for k, v in scales.items()}

    def test_other_units_are_not_joined(self, prepared, tmp_path):
        scale = Scale(AxisScale("mm", 1.0))
        other = data.load(write(tmp_path, [scale], "other"))
        with pytest.raises(UmsrepError, match="in mm in 'other' and in cm/s"):
            data.concatenate([data.load(prepared), other])

    def test_one_unit_per_axis(self, tmp_path):
        mixed = [SCALES[0], Scale(y=AxisScale("m/s", 0.02))]
        with pytest.raises(
            UmsrepError, match=r"1.png has a y scale in m/s.*0.png has.*cm/s"
        ):
            write(tmp_path / "stop", mixed)
        out = write(tmp_path / "skip", mixed, on_error="skip")
        assert len(data.load(out)) == 1

    def test_a_skipped_image_sets_no_unit(self, tmp_path):
        beyond = Scale(y=AxisScale("m/s", 0.02, stop=99))
        out = write(tmp_path, [beyond, SCALES[0]], on_error="skip")
        assert data.load(out).scale_units["y"] == "cm/s"

    def test_an_image_that_its_scale_does_not_fit_is_named(self, tmp_path):
        beyond = Scale(y=AxisScale("cm/s", 2.0, stop=99))
        with pytest.raises(UmsrepError, match=r"0.png: Its y scale.*60 rows"):
            write(tmp_path, [beyond])
        assert not (tmp_path / "toy").exists()

    @pytest.mark.parametrize("name", ["y_zero", "x_per_pixel", "y_unit"])
    def test_a_task_cannot_have_their_names(self, name):
        with pytest.raises(UmsrepError, match="fixed column.*another name"):
            TaskSpec(name, "mask")


class TestDamage:
    def change(self, prepared, folder, manifest=None, header=None):
        """A copy with other cells or another entry `scales`; sealed again."""
        out = shutil.copytree(prepared, folder / "copy")
        table = pd.read_csv(out / "manifest.csv", dtype=str).fillna("")
        for (row, column), value in (manifest or {}).items():
            if row is None:
                table = table.drop(columns=column)
            else:
                table.loc[row, column] = value
        table.to_csv(out / "manifest.csv", index=False)
        entries = json.loads((out / "dataset.json").read_text())
        entries["checksums"]["manifest.csv"] = sha256(out / "manifest.csv")
        entries |= header or {}
        (out / "dataset.json").write_text(json.dumps(entries))
        return out

    @pytest.mark.parametrize(
        ("cells", "what"),
        [
            ({(0, "y_per_pixel"): "-4"}, "per_pixel=-4.*above 0"),
            ({(0, "y_per_pixel"): ""}, "per_pixel=None"),
            ({(2, "x_zero"): "middle"}, "zero='middle'"),
            ({(0, "y_stop"): "31"}, "holds from pixel 5 to 31.*30 rows"),
            ({(0, "y_start"): "26"}, "from pixel 26.0 to 25.0"),
        ],
    )
    def test_cells(self, prepared, tmp_path, cells, what):
        out = self.change(prepared, tmp_path, cells)
        (finding,) = verify(out)
        number = next(iter(cells))[0]
        assert finding.severity == "error"
        assert finding.file == f"images/i{number}.png"
        assert re.search(what, finding.message)

    def test_a_bad_cell_is_told_when_it_is_asked_for(self, prepared, tmp_path):
        out = self.change(prepared, tmp_path, {(0, "y_zero"): "middle"})
        loaded = data.load(out)
        with pytest.raises(UmsrepError, match="i0.png: .*Run `umsrep verify`"):
            loaded.scale(0)
        assert loaded.scale(3) == data.load(prepared).scale(3)

    def test_a_column_that_is_gone(self, prepared, tmp_path):
        out = self.change(prepared, tmp_path, {(None, "x_stop"): ""})
        assert [f.message for f in verify(out)] == ["lacks the columns x_stop"]
        with pytest.raises(UmsrepError, match="no column 'x_stop'"):
            data.load(out)

    def test_units_that_are_gone(self, prepared, tmp_path):
        out = self.change(prepared, tmp_path, header={"scales": {"y": "cm/s"}})
        found = verify(out)
        assert [f.file for f in found] == ["images/i0.png", "images/i2.png"]
        assert all("A x scale has no unit" in f.message for f in found)

    @pytest.mark.parametrize("units", [[], {"z": "mm"}, {"y": ""}, {"y": 3}])
    def test_units_that_are_none(self, prepared, tmp_path, units):
        out = self.change(prepared, tmp_path, header={"scales": units})
        with pytest.raises(UmsrepError, match="entry 'scales'.*again"):
            data.load(out)
