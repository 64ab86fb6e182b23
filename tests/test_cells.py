import cv2
import numpy as np
import pytest

from umsrep import Cells
from umsrep.errors import UmsrepError

# As of three "same" convolutions of stride 2.
SHIFTED = Cells((5, 4), (40, 32), (8, 8), (7, 7))


def noise(*shape):
    return np.random.default_rng(0).random(shape).astype("float32")


class TestTiling:
    @pytest.mark.parametrize("grid", [(6, 5), (7, 3), (48, 40), (1, 1)])
    def test_enlarging_is_bilinear_resizing(self, grid):
        maps = noise(*grid)
        want = cv2.resize(maps, (40, 48), interpolation=cv2.INTER_LINEAR)
        got = Cells.tiling(grid, (48, 40)).enlarge(maps)
        np.testing.assert_allclose(got, want, atol=1e-5)

    @pytest.mark.parametrize("grid", [(6, 5), (7, 3), (48, 40), (1, 1)])
    def test_averaging_is_by_area(self, grid):
        picture = noise(48, 40)
        want = cv2.resize(picture, grid[::-1], interpolation=cv2.INTER_AREA)
        got = Cells.tiling(grid, (48, 40)).average(picture)
        np.testing.assert_allclose(got, want, atol=2e-3)


class TestShifted:
    def test_a_cell_stands_at_its_centre(self):
        for row, column in np.ndindex(SHIFTED.grid):
            maps = np.zeros(SHIFTED.grid)
            maps[row, column] = 1
            full = SHIFTED.enlarge(maps)
            centre = (
                int(SHIFTED.centres(0)[row]),
                int(SHIFTED.centres(1)[column]),
            )
            assert centre == (7 + 8 * row, 7 + 8 * column)
            assert full[centre] == full.max() == 1
            # And its picture belongs to it again.
            point = np.zeros(SHIFTED.image_size)
            point[centre] = 1
            for back in (SHIFTED.average(point), SHIFTED.at_centres(point)):
                assert np.argwhere(back).tolist() == [[row, column]]

    def test_every_pixel_belongs_to_one_cell(self):
        # Rows -0.5 to 11 are the first cell's, 35 to 39.5 the last one's.
        rows = np.zeros(SHIFTED.image_size)
        rows[:3] = 1
        np.testing.assert_allclose(
            SHIFTED.average(rows)[:, 0], [3 / 11.5, 0, 0, 0, 0], rtol=1e-5
        )
        ones = SHIFTED.average(np.ones(SHIFTED.image_size))
        np.testing.assert_allclose(ones, 1, rtol=1e-6)

    def test_maps_and_pictures_may_be_several(self):
        maps = noise(2, 3, 5, 4)
        full = SHIFTED.enlarge(maps)
        assert full.shape == (2, 3, 40, 32)
        np.testing.assert_allclose(
            full[1, 2], SHIFTED.enlarge(maps[1, 2]), rtol=1e-6
        )

    def test_a_centre_outside_has_the_border(self):
        far = Cells((3, 3), (8, 8), (8, 8), (-9, 3.5))
        picture = noise(8, 8)
        np.testing.assert_array_equal(far.centres(0), [-9, -1, 7])
        middle = far.at_centres(picture)[:, 0]
        for row, pixel in enumerate((0, 0, 7)):
            want = picture[pixel, 3:5].mean()
            assert middle[row] == pytest.approx(want, rel=1e-5)
        assert np.isfinite(far.average(picture)).all()


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"grid": (0, 4)}, "grid=.*positive numbers, of rows"),
        ({"stride": (8, 0)}, "stride=.*positive numbers"),
        ({"offset": (1,)}, "offset=.*such as"),
    ],
)
def test_bad_cells(changes, advice):
    arguments = {
        "grid": (5, 4),
        "image_size": (40, 32),
        "stride": (8, 8),
        "offset": (7, 7),
    }
    with pytest.raises(UmsrepError, match=advice):
        Cells(**{**arguments, **changes})


def test_arrays_of_other_cells():
    with pytest.raises(UmsrepError, match=r"5, 4\) cells. Pass what belongs"):
        SHIFTED.enlarge(np.ones((4, 5)))
    for average in (SHIFTED.average, SHIFTED.at_centres):
        with pytest.raises(UmsrepError, match=r"40, 32\) pixels"):
            average(np.ones((32, 32)))
