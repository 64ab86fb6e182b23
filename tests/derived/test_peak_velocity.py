"""Velocities from envelopes drawn by hand, whose truth is known."""

import math

import keras
import numpy as np
import pytest

from umsrep import MultiTaskModel
from umsrep.data import AxisScale, Scale
from umsrep.data.prepared import TaskSpec
from umsrep.derived import (
    PeakVelocity,
    early_and_late,
    find_waves,
    velocity_scale,
)
from umsrep.errors import UmsrepError
from umsrep.heads import ClassificationHead, SegmentationHead
from umsrep.representations import DilatedCNN

SHAPE = (128, 256)
BASELINE = 63.5
SCALE = 1.5

# Half sines: (first column, columns, speed in cm/s, above or below).
MITRAL = [
    (start + shift, width, speed, 1)
    for start in (20, 100, 180)
    for shift, width, speed in ((0, 25, 80.0), (30, 15, 50.0))
]


def draw(waves, shape=SHAPE, scale=SCALE, baseline=BASELINE):
    """Every pixel whose centre lies between the baseline and the curve."""
    columns = np.arange(shape[1])
    speed = (baseline - np.arange(shape[0]))[:, None] * scale
    mask = np.zeros(shape, bool)
    for start, width, peak, side in waves:
        inside = (columns >= start) & (columns < start + width)
        phase = (columns - start + 0.5) / width
        curve = np.where(inside, peak * np.sin(np.pi * phase), 0)
        mask |= (side * speed > 0) & (side * speed <= curve)
    return mask


def measure(waves, **options):
    return PeakVelocity.measure(draw(waves), SCALE, BASELINE, **options)


class TestMitral:
    def test_e_and_a(self):
        found = measure(MITRAL)
        assert found.e == pytest.approx(80, abs=SCALE / 2)
        assert found.a == pytest.approx(50, abs=SCALE / 2)
        assert found.e_a_ratio == found.e / found.a
        assert [len(found.above), len(found.pairs_above)] == [6, 3]
        assert found.below == ()
        assert math.isnan(found.peak_below)

    @pytest.mark.parametrize("speed", [70.2, 70.9, 71.4, 72.3])
    def test_half_a_pixel_at_most(self, speed):
        # A flat top, so that no column misses the peak.
        mask = np.zeros(SHAPE, bool)
        rows = (BASELINE - np.arange(SHAPE[0])) * SCALE
        mask[(rows > 0) & (rows <= speed), 40:60] = True
        found = PeakVelocity.measure(mask, SCALE, BASELINE)
        assert found.peak_above == pytest.approx(speed, abs=SCALE / 2 + 1e-9)

    def test_scales_with_the_scale(self):
        mask = draw(MITRAL)
        one, two = (
            PeakVelocity.measure(mask, scale, BASELINE).row("MV")
            for scale in (1.0, 2.0)
        )
        assert two["e"] == pytest.approx(2 * one["e"])
        assert two["e_a_ratio"] == pytest.approx(one["e_a_ratio"])

    def test_touching_waves(self):
        # A begins before E has ended.
        waves = [
            (start + shift, width, speed, 1)
            for start in (20, 100, 180)
            for shift, width, speed in ((0, 26, 80.0), (22, 16, 50.0))
        ]
        found = measure(waves)
        assert len(found.pairs_above) == 3
        assert found.e == pytest.approx(80, abs=SCALE / 2)
        assert found.a == pytest.approx(50, abs=SCALE / 2)
        early, late = found.pairs_above[0]
        assert early.stop == late.start

    def test_a_higher_than_e(self):
        waves = [
            (start, width, {80.0: 45.0, 50.0: 90.0}[speed], side)
            for start, width, speed, side in MITRAL
        ]
        found = measure(waves)
        assert found.e_a_ratio == pytest.approx(0.5, abs=0.02)

    def test_mean_over_beats(self):
        speeds = [76.0, 80.0, 84.0]
        waves = list(MITRAL)
        for number, speed in enumerate(speeds):
            waves[2 * number] = (*waves[2 * number][:2], speed, 1)
        found = measure(waves)
        assert found.e == pytest.approx(80, abs=SCALE / 2)
        assert found.peak_above == pytest.approx(84, abs=SCALE / 2)


class TestOtherFlows:
    def test_annulus(self):
        waves = [
            (start + shift, width, speed, side)
            for start in (10, 90, 170)
            for shift, width, speed, side in (
                (0, 20, 30.0, 1),
                (28, 14, 40.0, -1),
                (50, 12, 24.0, -1),
            )
        ]
        found = measure(waves).row("MA")
        expected = {"s_prime": 30, "e_prime": 40, "a_prime": 24}
        assert list(found) == list(expected)
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, abs=SCALE)

    def test_tricuspid_regurgitation(self):
        # Equal gaps: these are single waves, no early and late ones.
        waves = [(10 + 60 * beat, 40, 88.0, -1) for beat in range(4)]
        found = measure(waves)
        assert found.tr_vmax == pytest.approx(88, abs=SCALE / 2)
        assert found.pairs_below == ()
        assert math.isnan(found.e_prime)
        assert list(found.row("TR")) == ["tr_vmax"]
        assert found.row() == {
            "peak_above": pytest.approx(np.nan, nan_ok=True),
            "peak_below": found.peak_below,
        }

    def test_upside_down(self):
        flipped = draw(MITRAL)[::-1]
        found = PeakVelocity.measure(flipped, SCALE, 127 - BASELINE)
        assert found.above == ()
        assert found.e_prime == pytest.approx(measure(MITRAL).e)


class TestBorders:
    def test_empty(self):
        found = PeakVelocity.measure(np.zeros(SHAPE, bool), SCALE, BASELINE)
        assert (found.above, found.below) == ((), ())
        for flow in ("MV", "MA", "TR", None):
            assert all(map(math.isnan, found.row(flow).values()))

    @pytest.mark.parametrize("start", [-12, 241])
    def test_a_wave_that_the_border_cuts(self, start):
        # The highest of all, so it would be seen in the result.
        found = measure([*MITRAL, (start, 25, 90.0, 1)])
        assert len(found.above) == 7
        assert [wave.whole for wave in found.above].count(False) == 1
        assert found.peak_above == pytest.approx(80, abs=SCALE / 2)
        assert found.e == pytest.approx(80, abs=SCALE / 2)

    def test_a_beat_of_which_a_wave_is_cut(self):
        # The last beat has its E, but only half of its A.
        waves = [*MITRAL[:4], (215, 25, 90.0, 1), (245, 15, 50.0, 1)]
        found = measure(waves)
        assert len(found.pairs_above) == 2
        assert found.e == pytest.approx(80, abs=SCALE / 2)

    def test_a_wave_beyond_the_scale(self):
        found = measure([*MITRAL[:4], (180, 25, 120.0, 1)])
        assert [wave.whole for wave in found.above][-1] is False
        assert found.peak_above == pytest.approx(80, abs=SCALE / 2)

    def test_the_strip_s_own_border(self):
        # Columns are the image's, and its first wave is cut by the strip.
        inside = measure(MITRAL, frame=(0, 128, 30, 250))
        whole = measure(MITRAL)
        assert inside.above[0].whole is False
        assert inside.above[1:] == whole.above[1:]

    def test_specks_are_no_waves(self):
        mask = draw(MITRAL)
        mask[2:4, 88:91] = True
        found = PeakVelocity.measure(mask, SCALE, BASELINE)
        assert found == measure(MITRAL)

    def test_holes_do_not_matter(self):
        mask = draw(MITRAL)
        mask[56:60] = False
        found = PeakVelocity.measure(mask, SCALE, BASELINE)
        assert found.row("MV") == measure(MITRAL).row("MV")


class TestBeats:
    def test_a_missing_wave_is_no_pair(self):
        # The second beat has no A; its E stays alone.
        found = measure([w for i, w in enumerate(MITRAL) if i != 3])
        columns = [early.column for early, _ in found.pairs_above]
        assert len(found.above) == 5
        assert all(abs(column - 112) > 5 for column in columns)
        assert found.e_a_ratio == pytest.approx(1.6, abs=0.03)

    def test_merged_waves_have_no_ratio(self):
        found = measure([(10 + 60 * beat, 40, 80.0, 1) for beat in range(4)])
        assert found.peak_above == pytest.approx(80, abs=SCALE / 2)
        assert math.isnan(found.e_a_ratio)

    @pytest.mark.parametrize(("gap", "pairs"), [(8, 1), (60, 0)])
    def test_two_waves_in_all(self, gap, pairs):
        waves = [(40, 25, 80.0, 1), (65 + gap, 15, 50.0, 1)]
        assert len(measure(waves).pairs_above) == pairs

    def test_the_ecg_decides_at_slow_rates(self):
        # The pause before A is longer than systole.
        waves = [
            (start + shift, width, speed, 1)
            for start in (20, 120)
            for shift, width, speed in ((0, 20, 80.0), (58, 14, 50.0))
        ]
        assert measure(waves).e_a_ratio != pytest.approx(1.6, abs=0.03)
        found = measure(waves, beats=[95, 195])
        assert len(found.pairs_above) == 2
        assert found.e_a_ratio == pytest.approx(1.6, abs=0.03)

    def test_beats_without_exactly_two_waves(self):
        waves = find_waves(draw(MITRAL), SCALE, BASELINE, 1)
        assert early_and_late(waves, beats=[]) == []
        assert len(early_and_late(waves, beats=[85, 165])) == 3


class TestBadInput:
    @pytest.mark.parametrize(
        ("change", "advice"),
        [
            ({"mask": np.full(SHAPE, 255)}, "mask > 127 of a picture"),
            ({"mask": np.zeros((*SHAPE, 1))}, "expected \\(height, width\\)"),
            ({"per_pixel": 0.0}, "cm/s per pixel, above 0"),
            ({"per_pixel": np.nan}, "cm/s per pixel, above 0"),
            ({"baseline": np.inf}, "the row of velocity 0"),
            ({"frame": (0, 200, 0, 10)}, "within an image of 128x256"),
            ({"frame": (0, 10, 5, 5)}, "None is the whole"),
            ({"frame": (0, 10)}, "expected \\(top, bottom, left, right\\)"),
        ],
    )
    def test_measure(self, change, advice):
        given = {
            "mask": draw(MITRAL),
            "per_pixel": SCALE,
            "baseline": BASELINE,
        }
        with pytest.raises(UmsrepError, match=advice):
            PeakVelocity.measure(**{**given, **change})

    def test_flow(self):
        with pytest.raises(UmsrepError, match="Choose one of MV, MA, TR"):
            measure(MITRAL).row("AV")


@keras.saving.register_keras_serializable("test")
class Bright(SegmentationHead):
    """The mask of what is white, so that the truth is known."""

    def call(self, features, training=None):
        return keras.ops.sigmoid(features[0][..., :1] - 1.0)


@pytest.fixture
def model():
    representation = DilatedCNN(
        (*SHAPE, 1), filters=(1,) * 6, strides=(1, 1, 1), normalization="none"
    )
    # Every convolution hands its input on, so white is 255 / 127.5 - 1 or so.
    for layer in representation.part("encoder"):
        kernel, bias = (np.zeros_like(w) for w in layer.get_weights())
        kernel[1, 1] = 4.0
        layer.set_weights([kernel, bias])
    return MultiTaskModel(
        representation,
        [Bright("envelope", features="stage1"), ClassificationHead(3, "flow")],
    )


class TestOnAModel:
    def images(self):
        masks = [draw(MITRAL), draw([]), draw([(40, 60, 80.0, -1)])]
        return np.stack(masks).astype("float32")[..., None] * 255

    def test_each_image_with_its_scale(self, model):
        found = PeakVelocity(batch_size=2)(
            model,
            self.images(),
            per_pixel=[SCALE, SCALE, 2 * SCALE],
            baseline=BASELINE,
        )
        assert len(found) == 3
        assert found[0] == measure(MITRAL)
        assert found[1].above == ()
        assert found[2].tr_vmax == pytest.approx(160, abs=SCALE)

    def test_frames_and_beats_of_each_image(self, model):
        frames = [(0, 128, 0, 256), (0, 128, 0, 256), (0, 128, 50, 256)]
        found = PeakVelocity()(
            model,
            self.images(),
            SCALE,
            BASELINE,
            frame=frames,
            beats=[[85, 165], [], []],
        )
        assert len(found[0].pairs_above) == 3
        assert [wave.whole for wave in found[2].below] == [False]

    @pytest.mark.parametrize(
        ("change", "advice"),
        [
            ({"per_pixel": None}, "pixels alone give no velocity"),
            ({"per_pixel": [1.0, 2.0]}, "one for each image"),
            ({"frame": [(0, 1, 0, 1)] * 2}, "one such row for each"),
            ({"images": np.zeros(SHAPE)}, "Pass image\\[None\\]"),
        ],
    )
    def test_bad_call(self, model, change, advice):
        given = {
            "images": self.images(),
            "per_pixel": SCALE,
            "baseline": BASELINE,
        }
        with pytest.raises(UmsrepError, match=advice):
            PeakVelocity()(model, **{**given, **change})

    def test_a_task_without_masks(self, model):
        with pytest.raises(UmsrepError, match="not a mask task"):
            PeakVelocity("flow")(model, self.images(), SCALE, BASELINE)


class TestScales:
    def test_in_metres_and_within_the_strip(self):
        y = AxisScale("m/s", SCALE / 100, BASELINE, 3.6, 120.5)
        x = AxisScale("s", 0.01, None, 30)
        scale, baseline, frame = velocity_scale(Scale(y, x), SHAPE)
        assert scale == pytest.approx(SCALE)
        assert baseline == BASELINE
        # Row 4 has its centre at 4.5, row 3 lies outside.
        assert frame == (4, 120, 30, 256)

    @pytest.mark.parametrize(
        ("scale", "advice"),
        [
            (None, "No scale of the rows.*add it to scales.csv"),
            (Scale(x=AxisScale("s", 1.0)), "No scale of the rows.*scales.csv"),
            (Scale(AxisScale("mm", 1.0, 3)), "in mm; .*cm/s or m/s.*convert"),
            (Scale(AxisScale("cm/s", 1.0)), "fill in 'zero' in scales.csv"),
            (
                Scale(AxisScale("cm/s", 1.0, 3, 5, 200)),
                "rows 5 to 200 of 128.*image of this size",
            ),
        ],
    )
    def test_without_velocities(self, scale, advice):
        with pytest.raises(UmsrepError, match=advice):
            velocity_scale(scale, SHAPE)

    def test_on_a_model(self, model):
        images = TestOnAModel().images()
        scales = [
            Scale(
                AxisScale("cm/s", SCALE * factor, BASELINE),
                AxisScale("s", 0.01, None, start, 256),
            )
            for factor, start in ((1, 0), (1, 0), (2, 50))
        ]
        beats = [[85, 165]] * 3
        found = PeakVelocity()(model, images, scales=scales, beats=beats)
        assert found == PeakVelocity()(
            model,
            images,
            per_pixel=[SCALE, SCALE, 2 * SCALE],
            baseline=BASELINE,
            frame=[(0, 128, 0, 256)] * 2 + [(0, 128, 50, 256)],
            beats=beats,
        )
        assert found[0] == measure(MITRAL, beats=[85, 165])
        assert [wave.whole for wave in found[2].below] == [False]

    def test_bad_call(self, model):
        images = TestOnAModel().images()
        scale = Scale(AxisScale("cm/s", SCALE, BASELINE))
        for given, advice in (
            ([scale] * 2, "2 scales for 3 images.*one for each"),
            ([scale, None, scale], "Image number 1: .*Leave the image out"),
        ):
            with pytest.raises(UmsrepError, match=advice):
                PeakVelocity()(model, images, scales=given)
        with pytest.raises(UmsrepError, match="leave the others out"):
            PeakVelocity()(model, images, SCALE, scales=[scale] * 3)


class TestCells:
    """Of a table, by the flow that the model finds."""

    SPECS = {
        "envelope": TaskSpec("envelope", "mask"),
        "flow": TaskSpec("flow", "label", ("TR", "MV")),
    }
    SCALE = Scale(AxisScale("cm/s", SCALE, BASELINE))

    def outputs(self, tricuspid):
        return {
            "envelope": draw(MITRAL).astype("float32"),
            "flow": np.array([tricuspid, 1 - tricuspid]),
        }

    def test_what_is_measured_in_the_likeliest_flow(self):
        made = PeakVelocity.for_tasks(self.SPECS)
        assert made.reads == ("envelope", "flow")
        assert made.columns == ("tr_vmax_cm_s", "e_cm_s", "a_cm_s", "e_a_ratio")
        cells = made.cells(self.outputs(0.2), self.SCALE)
        row = measure(MITRAL).row("MV")
        assert cells == {
            "tr_vmax_cm_s": None,
            "e_cm_s": pytest.approx(row["e"], abs=1e-3),
            "a_cm_s": pytest.approx(row["a"], abs=1e-3),
            "e_a_ratio": pytest.approx(row["e_a_ratio"], abs=1e-3),
        }
        # No jet below the baseline: an empty cell, not a number.
        cells = made.cells(self.outputs(0.8), self.SCALE)
        assert set(cells.values()) == {None}

    def test_highest_speeds_where_no_flow_is_known(self):
        made = PeakVelocity.for_tasks({"envelope": self.SPECS["envelope"]})
        assert made.reads == ("envelope",)
        cells = made.cells(self.outputs(0.2), self.SCALE)
        highest = measure(MITRAL).peak_above
        assert cells == {
            "peak_above_cm_s": pytest.approx(highest, abs=1e-3),
            "peak_below_cm_s": None,
        }

    def test_without_a_scale(self):
        made = PeakVelocity.for_tasks(self.SPECS)
        with pytest.raises(UmsrepError, match="No scale of the rows is known"):
            made.cells(self.outputs(0.2))

    def test_two_flows_are_decided_as_the_model_decides_them(self):
        made = PeakVelocity.for_tasks(self.SPECS, {"flow": 0.3})
        # The last class, MV, from 0.3 on.
        assert made.cells(self.outputs(0.6), self.SCALE)["e_cm_s"] is not None
        assert made.cells(self.outputs(0.8), self.SCALE)["e_cm_s"] is None

    def test_classes_that_are_no_flows(self):
        specs = {**self.SPECS, "flow": TaskSpec("flow", "label", ("TR", "x"))}
        with pytest.raises(UmsrepError, match="has the class 'x'.*flow=None"):
            PeakVelocity.for_tasks(specs)
        assert PeakVelocity.for_tasks(specs, flow=None).flow is None
