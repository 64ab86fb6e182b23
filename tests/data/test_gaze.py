import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from umsrep.data import gaze
from umsrep.data.frame import Frame
from umsrep.errors import UmsrepError


def points(*rows):
    return pd.DataFrame(rows, columns=["x", "y", "duration_ms"])


class TestInside:
    def test_keeps_what_is_on_the_image_and_counts_the_rest(self):
        table = points(
            (0, 0, 1), (9.99, 4.99, 1), (10, 2, 1), (-0.01, 2, 1), (3, 5, 1)
        )
        table.loc[5] = [np.nan, 2, 1]
        kept, dropped = gaze.inside(table, (5, 10))
        assert list(kept["x"]) == [0, 9.99]
        assert dropped == 4

    def test_columns_and_durations(self):
        with pytest.raises(UmsrepError, match="Rename the columns"):
            gaze.inside(pd.DataFrame({"x": [1]}), (5, 5))
        with pytest.raises(UmsrepError, match="correct or leave out"):
            gaze.inside(points((1, 1, -5)), (5, 5))


class TestDensity:
    def test_sums_to_one_wherever_people_looked(self):
        for x, y in ((0, 0), (39.5, 29.5), (20, 15)):
            drawn = gaze.density(points((x, y, 1)), (30, 40), 6)
            assert drawn.sum() == pytest.approx(1, abs=1e-5)
            assert drawn.min() >= 0

    def test_peak_is_where_the_point_is(self):
        drawn = gaze.density(points((12.7, 4.2, 1)), (30, 40), 2)
        assert np.unravel_index(drawn.argmax(), drawn.shape) == (4, 12)

    def test_blur_is_scipys(self):
        rng = np.random.default_rng(0)
        table = points(*[(*rng.uniform(0, 30, 2), 1) for _ in range(20)])
        drawn = gaze.density(table, (30, 30), 3)
        dots = gaze.density(table, (30, 30), 0)
        want = gaussian_filter(
            dots.astype(float), 3, mode="reflect", truncate=4
        )
        np.testing.assert_allclose(drawn, want, atol=1e-7)

    def test_weights(self):
        table = points((5, 5, 300), (25, 5, 100), (25, 5, 100))
        counted = gaze.density(table, (10, 30), 0)
        timed = gaze.density(table, (10, 30), 0, "duration")
        assert counted[5, 25] == pytest.approx(2 / 3)
        assert timed[5, 25] == pytest.approx(2 / 5)

    def test_same_map_from_samples_as_from_durations(self):
        fixations = points((5, 5, 300), (25, 5, 100))
        samples = points(*[(5, 5, None)] * 3, (25, 5, None))
        np.testing.assert_allclose(
            gaze.density(fixations, (10, 30), 2, "duration"),
            gaze.density(samples, (10, 30), 2),
        )

    def test_bad_input(self):
        with pytest.raises(UmsrepError, match="leave the image out"):
            gaze.density(points(), (5, 5), 1)
        with pytest.raises(UmsrepError, match="weight='count'"):
            gaze.density(points((1, 1, None)), (5, 5), 1, "duration")


class TestGazeMap:
    def test_sigma_of_the_paper(self):
        # OpenCV's rule for a kernel of 501.
        assert gaze.SIGMA_OF_MT_UNET == pytest.approx(0.3 * (250 - 1) + 0.8)
        assert gaze.GazeMap().pixels((3056, 2544)) == pytest.approx(75.5)

    def test_degrees_need_to_know_the_screen(self):
        one = gaze.GazeMap(sigma_degrees=1.5)
        assert one.pixels((100, 100), pixels_per_degree=30) == 45
        with pytest.raises(UmsrepError, match="Give sigma in pixels"):
            one.pixels((100, 100))

    @pytest.mark.parametrize(
        ("options", "advice"),
        [
            ({"weight": "time"}, "count, duration"),
            ({"sigma": 1, "sigma_degrees": 1}, "Leave the others out"),
            ({"sigma": 0}, "above 0"),
            ({"sigma_share": float("nan")}, "above 0"),
        ],
    )
    def test_bad_settings(self, options, advice):
        with pytest.raises(UmsrepError, match=advice):
            gaze.GazeMap(**options)


class TestMaps:
    @pytest.mark.parametrize("size", [(10, 20), (7, 9), (60, 80)])
    def test_resizing_keeps_the_sum_and_the_place(self, size):
        drawn = gaze.density(points((30, 8, 1)), (40, 40), 3)
        small = gaze.resize_map(drawn, size)
        assert small.sum() == pytest.approx(1, abs=1e-5)
        row, column = np.unravel_index(small.argmax(), small.shape)
        assert abs((row + 0.5) / size[0] - 8 / 40) <= 1 / size[0]
        assert abs((column + 0.5) / size[1] - 30 / 40) <= 1 / size[1]

    @pytest.mark.parametrize(
        "values", [[[0.0, 0.0]], [[-1.0, 2.0]], [[np.nan, 1.0]]]
    )
    def test_what_is_no_density(self, values):
        with pytest.raises(UmsrepError, match="leave the image out"):
            gaze.normalized(values)


class TestFrame:
    def test_pad_keeps_the_aspect_ratio_of_image_map_and_points(self):
        frame = Frame((100, 50), (64, 64), "pad")
        assert frame.inner == (64, 32)
        assert frame.offset == (0, 16)
        image = np.full((100, 50), 200, np.uint8)
        image[:10] = 20
        padded = frame.image(image)
        assert padded[:, :16].max() == 0
        assert padded[:, 48:].max() == 0
        assert padded[40, 16:48].min() == 200
        drawn = gaze.density(points((25, 80, 1)), (100, 50), 4)
        moved = frame.points(points((25, 80, 1), (49.999, 99.999, 1)))
        assert tuple(moved.loc[0, ["x", "y"]]) == (32, 51.2)
        assert moved["x"].max() < 48
        peak = np.unravel_index(frame.map(drawn).argmax(), (64, 64))
        assert abs(peak[0] - 51) <= 1
        assert abs(peak[1] - 32) <= 1

    def test_stretch_fills_the_frame(self):
        frame = Frame((100, 50), (64, 64))
        assert frame.inner == (64, 64)
        moved = frame.points(points((25, 50, 1)))
        assert tuple(moved.loc[0, ["x", "y"]]) == (32, 32)

    def test_unknown_fit(self):
        with pytest.raises(UmsrepError, match="stretch, pad"):
            Frame((10, 10), (10, 10), "crop")
