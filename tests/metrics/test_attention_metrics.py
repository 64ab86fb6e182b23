import cv2
import numpy as np
import pytest

from umsrep import Cells
from umsrep.errors import UmsrepError
from umsrep.metrics import attention


def square(shape=(64, 64), rows=slice(16, 32), columns=slice(16, 32)):
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return mask


def peak(shape, *at):
    found = np.zeros(shape)
    for place in at:
        found[place] = 1
    return found


class TestPeakInMask:
    # Cells of 16 pixels: the square is exactly cell (1, 1).
    @pytest.mark.parametrize(
        ("cell", "distance"), [((1, 1), 0), ((0, 0), 1), ((1, 2), 1),
                               ((3, 1), 2), ((3, 3), 2)]
    )  # fmt: skip
    def test_tolerance_is_in_cells(self, cell, distance):
        grid = peak((4, 4), cell)
        for tolerance in range(3):
            hit = attention.peak_in_mask(grid, square(), tolerance)
            assert hit == float(distance <= tolerance)

    def test_a_cell_counts_if_any_part_of_it_is_in_the_mask(self):
        mask = square(rows=slice(15, 16), columns=slice(16, 17))
        assert attention.peak_in_mask(peak((4, 4), (0, 1)), mask) == 1
        assert attention.peak_in_mask(peak((4, 4), (1, 1)), mask) == 0

    def test_one_cell_is_the_authors_neighbourhood(self):
        # Their rule: any pixel of the 3x3 around the peak lies in the mask.
        rng = np.random.default_rng(0)
        for _ in range(50):
            cells = rng.random((6, 5)) < 0.1
            if not cells.any():
                continue
            grid = rng.random((6, 5))
            row, column = np.unravel_index(grid.argmax(), grid.shape)
            around = cells[
                max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2
            ]
            mask = np.kron(cells, np.ones((8, 8))).astype(bool)
            assert attention.peak_in_mask(grid, mask, 1) == around.any()

    def test_sign_and_scale_do_not_matter(self):
        grid = np.random.default_rng(1).normal(size=(4, 4)) - 10
        mask = square()
        assert attention.peak_in_mask(grid, mask) == attention.peak_in_mask(
            np.exp(grid), mask
        )

    def test_ties_share_and_a_constant_map_scores_a_guess(self):
        grid = peak((4, 4), (1, 1), (3, 3), (0, 3), (2, 0))
        assert attention.peak_in_mask(grid, square()) == 0.25
        for tolerance, cells in ((0, 1), (1, 9)):
            got = attention.peak_in_mask(np.ones((4, 4)), square(), tolerance)
            assert got == cells / 16


class TestCells:
    # Of three "same" convolutions of stride 2: centres at 7, 15, 23, ...
    CELLS = Cells((8, 8), (64, 64), (8, 8), (7, 7))

    def test_strict_is_the_pixel_and_lenient_any_pixel_of_the_cell(self):
        grid = peak((8, 8), (2, 2))
        for pixel, strict in ((23, 1), (22, 0), (20, 0), (26, 0)):
            mask = square(rows=slice(pixel, pixel + 1), columns=slice(23, 24))
            assert attention.peak_in_mask(grid, mask, cells=self.CELLS) == 1
            got = attention.pointing_game(grid, mask, cells=self.CELLS)
            assert got == strict
        beyond = square(rows=slice(28, 29), columns=slice(23, 24))
        assert attention.peak_in_mask(grid, beyond, cells=self.CELLS) == 0
        near = attention.pointing_game(grid, beyond, 5, self.CELLS)
        assert near == 1

    def test_the_enlarged_map_has_its_maximum_there(self):
        rng = np.random.default_rng(0)
        for _ in range(20):
            grid, mask = rng.random((8, 8)), rng.random((64, 64)) < 0.3
            # A peak at the upper or left border is a plateau at full size.
            grid[0] = grid[:, 0] = 0
            assert attention.pointing_game(
                grid, mask, cells=self.CELLS
            ) == attention.pointing_game(self.CELLS.enlarge(grid), mask)

    def test_a_guess_scores_the_share_of_centres(self):
        mask = square()
        centres = self.CELLS.centres(0).astype(int)
        want = mask[np.ix_(centres, centres)].mean()
        nothing = np.zeros((8, 8))
        got = attention.pointing_game(nothing, mask, cells=self.CELLS)
        assert got == pytest.approx(want)
        lenient = attention.peak_in_mask(nothing, mask, cells=self.CELLS)
        assert lenient > got

    def test_cells_of_another_map(self):
        for metric in (attention.peak_in_mask, attention.pointing_game):
            with pytest.raises(UmsrepError, match="the cells of this map"):
                metric(np.ones((4, 4)), square(), cells=self.CELLS)


class TestFullSize:
    def test_pointing_game(self):
        mask = square()
        assert attention.pointing_game(peak((64, 64), (20, 20)), mask) == 1
        out = peak((64, 64), (20, 36))
        assert attention.pointing_game(out, mask) == 0
        assert attention.pointing_game(out, mask, tolerance=4) == 0
        assert attention.pointing_game(out, mask, tolerance=5) == 1

    def test_energy_is_the_share_of_positive_mass(self):
        mask = square()
        full = np.where(mask, 2.0, 0.5)
        full[0] = -9
        inside, outside = 2.0 * 256, 0.5 * (63 * 64 - 256)
        got = attention.energy_in_mask(full, mask)
        assert got == pytest.approx(inside / (inside + outside))
        assert attention.energy_in_mask(full, mask) + attention.energy_in_mask(
            full, ~mask
        ) == pytest.approx(1)

    @pytest.mark.parametrize("level", [-1.0, 0.0, 3.0])
    def test_constant_maps_score_the_share_of_the_mask(self, level):
        mask = square()
        share = attention.mask_share(mask)
        assert share == 256 / 4096
        constant = np.full((64, 64), level)
        assert attention.energy_in_mask(constant, mask) == pytest.approx(share)
        assert attention.pointing_game(constant, mask) == pytest.approx(share)

    def test_masks_of_0_and_255(self):
        mask = square()
        full = cv2.GaussianBlur(mask.astype(float), (0, 0), 9)
        assert attention.energy_in_mask(full, mask) == attention.energy_in_mask(
            full, mask.astype(np.uint8)[..., None] * 255
        )


EVERY = [
    attention.peak_in_mask,
    attention.pointing_game,
    attention.energy_in_mask,
]


@pytest.mark.parametrize("metric", EVERY)
@pytest.mark.parametrize(
    ("grid", "mask", "advice"),
    [
        (np.ones((8, 8)), np.zeros((8, 8)), "Leave the image out"),
        (np.full((8, 8), np.nan), np.ones((8, 8)), "of finite numbers"),
        (np.ones((2, 8, 8)), np.ones((8, 8)), "map of one image"),
        (np.ones((8, 8)), np.ones((2, 8, 8)), "mask of one image"),
        (np.ones((8, 8)), np.full((8, 8), 0.3), "Threshold probabilities"),
        (np.ones((8, 8)), np.ones((4, 8)), "resolution|Enlarge the map"),
    ],
)
def test_bad_input(metric, grid, mask, advice):
    with pytest.raises(UmsrepError, match=advice):
        metric(grid, mask)


@pytest.mark.parametrize("tolerance", [-1, 0.5])
def test_bad_tolerance(tolerance):
    with pytest.raises(UmsrepError, match="whole number of cells"):
        attention.peak_in_mask(np.ones((4, 4)), square(), tolerance)
    with pytest.raises(UmsrepError, match="0 or more"):
        attention.pointing_game(np.ones((64, 64)), square(), -1)


class TestArea:
    """What a picture covers of its image; the rest is padding."""

    @pytest.fixture
    def bars(self):
        area = np.zeros((64, 64), bool)
        area[:, 16:48] = True
        return area

    @pytest.mark.parametrize("seed", range(5))
    def test_it_is_as_if_the_padding_had_never_been(self, bars, seed):
        rng = np.random.default_rng(seed)
        full_map, mask = rng.normal(size=(64, 64)), rng.random((64, 64)) < 0.2
        mask &= bars
        inner = (slice(None), slice(16, 48))
        for function in (attention.energy_in_mask, attention.pointing_game):
            assert function(full_map, mask, area=bars) == pytest.approx(
                function(full_map[inner], mask[inner])
            )
        assert attention.mask_share(mask, bars) == mask[inner].mean()
        # Columns of cells 1 and 2 are the picture.
        grid = rng.normal(size=(4, 4))
        for tolerance in (0, 1):
            assert attention.peak_in_mask(
                grid, mask, tolerance, area=bars
            ) == attention.peak_in_mask(grid[:, 1:3], mask[inner], tolerance)

    def test_a_map_that_says_nothing_scores_chance(self, bars):
        mask = square(rows=slice(16, 32), columns=slice(16, 24))
        nothing = np.zeros((64, 64))
        share = attention.mask_share(mask, bars)
        assert share == 2 * attention.mask_share(mask)
        assert attention.energy_in_mask(nothing, mask, bars) == share
        assert attention.pointing_game(nothing, mask, area=bars) == share
        cells = Cells.tiling((4, 4), (64, 64))
        for function in (attention.peak_in_mask, attention.pointing_game):
            found = function(np.zeros((4, 4)), mask, cells=cells, area=bars)
            assert found in (1 / 8, 1 / 16, 0)

    def test_a_picture_narrower_than_a_cell_still_has_one(self):
        area = square(columns=slice(33, 35), rows=slice(None))
        mask = square(columns=slice(33, 35), rows=slice(0, 16))
        cells = Cells.tiling((4, 4), (64, 64))
        for function in (attention.peak_in_mask, attention.pointing_game):
            found = function(np.zeros((4, 4)), mask, cells=cells, area=area)
            assert 0 <= found <= 1

    def test_an_area_of_another_size_is_refused(self, bars):
        with pytest.raises(UmsrepError, match="at the image's size"):
            attention.mask_share(square(), bars[:32])
