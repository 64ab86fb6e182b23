import numpy as np
import pytest

from umsrep import Cells, data
from umsrep.errors import UmsrepError


class TestToGrid:
    def test_each_cell_is_the_mean_of_its_pixels(self):
        heat = np.random.default_rng(0).random((48, 40)).astype("float32")
        cells = data.to_grid(heat, (6, 5))
        want = heat.reshape(6, 8, 5, 8).mean(axis=(1, 3))
        np.testing.assert_allclose(cells, want, rtol=1e-5)
        assert cells.sum() * 64 == pytest.approx(heat.sum(), rel=1e-5)

    @pytest.mark.parametrize("grid", [(7, 7), (5, 9), (47, 3)])
    def test_mass_is_kept_where_the_grid_does_not_divide(self, grid):
        heat = np.random.default_rng(0).random((48, 40)).astype("float32")
        cells = data.to_grid(heat, grid)
        assert cells.mean() == pytest.approx(heat.mean(), rel=1e-3)
        one = data.to_grid(np.ones((48, 40)), grid)
        np.testing.assert_allclose(one, 1, rtol=1e-5)
        assert one.max() <= 1

    def test_a_thin_peak_is_averaged_not_skipped(self):
        # Every 8th pixel, as in the authors' code, would miss it.
        heat = np.zeros((32, 32))
        heat[13, 21] = 1
        cells = data.to_grid(heat, (4, 4), rescale=True)
        assert np.unravel_index(cells.argmax(), (4, 4)) == (1, 2)
        assert cells.max() == 1
        assert np.count_nonzero(cells) == 1

    def test_rescaling_only_scales(self):
        heat = np.random.default_rng(0).random((32, 32))
        plain = data.to_grid(heat, (4, 4))
        scaled = data.to_grid(heat, (4, 4), rescale=True)
        np.testing.assert_allclose(scaled, plain / plain.max(), rtol=1e-6)

    def test_a_point_goes_to_the_cell_that_sees_it(self):
        # Of three "same" convolutions of stride 2; an even tiling would give
        # pixel 26 to cell 3.
        cells = Cells((8, 8), (64, 64), (8, 8), (7, 7))
        heat = np.zeros((64, 64))
        heat[26, 24] = 1
        target = data.to_grid(heat, cells, rescale=True)
        assert np.argwhere(target).tolist() == [[2, 2]]
        tiled = data.to_grid(heat, (8, 8))
        assert np.argwhere(tiled).tolist() == [[3, 3]]
        # What lies before the first cell's centre is not lost.
        heat[:] = 0
        heat[0, 63] = 1
        target = data.to_grid(heat, cells, rescale=True)
        assert np.argwhere(target).tolist() == [[0, 7]]
        with pytest.raises(UmsrepError, match=r"64, 64\) pixels"):
            data.to_grid(np.ones((32, 32)), cells)

    def test_a_mask_becomes_the_share_covered(self):
        mask = data.box_mask((4, 0, 12, 8), (16, 16))
        np.testing.assert_allclose(
            data.to_grid(mask, (2, 2)), [[0.5, 0.5], [0, 0]]
        )

    @pytest.mark.parametrize(
        ("heat", "grid", "advice"),
        [
            (np.zeros((8, 8)), (2, 2), "without a target instead"),
            (np.ones((8, 8)), (9, 2), "at the image's resolution"),
            (np.ones((8, 8)), (0, 2), "at the image's resolution"),
            (np.ones((2, 8, 8)), (2, 2), "at the image's resolution"),
            (-np.ones((8, 8)), (2, 2), "of at least 0"),
            (np.full((8, 8), np.nan), (2, 2), "of at least 0"),
        ],
    )
    def test_bad_maps(self, heat, grid, advice):
        with pytest.raises(UmsrepError, match=advice):
            data.to_grid(heat, grid)


class TestBoxMask:
    def test_area_and_place(self):
        mask = data.box_mask((3, 1, 7, 6), (10, 12))
        assert mask.shape == (10, 12)
        assert mask.sum() == 4 * 5
        assert mask[1:6, 3:7].all()

    def test_several_boxes_are_their_union_cut_at_the_border(self):
        boxes = [(0, 0, 4, 4), (2, 2, 6, 6), (8, 8, 99, 99)]
        assert data.box_mask(boxes, (10, 10)).sum() == 16 + 16 - 4 + 4

    @pytest.mark.parametrize(
        ("boxes", "advice"),
        [
            ((5, 5, 5, 9), "not a width and height"),
            ((9, 2, 3, 4), "not a width and height"),
            ((20, 20, 30, 30), "not a width and height"),
            ((1, 2, 3), "x1, y1, x2, y2"),
            ([], "x1, y1, x2, y2"),
            ((0, 0, np.nan, 3), "finite pixels"),
        ],
    )
    def test_bad_boxes(self, boxes, advice):
        with pytest.raises(UmsrepError, match=advice):
            data.box_mask(boxes, (10, 10))


class TestAttentionTarget:
    def test_map_in_the_true_channel_and_minus_1_elsewhere(self):
        rng = np.random.default_rng(0)
        maps = [rng.random((3, 4)), None, rng.random((3, 4))]
        target = data.attention_target(maps, [2, 0, -1], 3)
        assert target.shape == (3, 3, 4, 3)
        assert target.dtype == np.float32
        np.testing.assert_allclose(target[0, ..., 2], maps[0], rtol=1e-6)
        assert (target[0, ..., :2] == -1).all()
        assert (target[1:] == -1).all()
        weights = (target >= 0).any(axis=(1, 2, 3))
        np.testing.assert_array_equal(weights, [True, False, False])

    def test_is_what_the_loss_reads(self):
        from umsrep.losses import SelectiveMSE

        maps = [np.full((2, 2), 0.5), None]
        target = data.attention_target(maps, [1, 1], 2)
        predicted = np.zeros((2, 2, 2, 2), "float32")
        predicted[..., 0] = 9
        loss = np.asarray(SelectiveMSE().call(target, predicted))
        np.testing.assert_allclose(loss, [0.25, 0])

    def test_a_batch_without_maps_needs_the_grid(self):
        target = data.attention_target([None], [1], 2, grid=(3, 4))
        assert target.shape == (1, 3, 4, 2)
        with pytest.raises(UmsrepError, match="Pass grid="):
            data.attention_target([None], [1], 2)

    @pytest.mark.parametrize(
        ("maps", "labels", "advice"),
        [
            ([np.ones((2, 2)), np.ones((2, 3))], [0, 1], "with to_grid"),
            ([np.ones((2, 2))], [2], "expected 0 to 1"),
            ([np.ones((2, 2))], [-2], "expected 0 to 1"),
            ([np.ones((2, 2))], [0, 1], "a label per map"),
            ([np.full((2, 2), 1.5)], [0], "rescale=True"),
            ([np.full((2, 2), np.nan)], [0], "rescale=True"),
        ],
    )
    def test_bad_input(self, maps, labels, advice):
        with pytest.raises(UmsrepError, match=advice):
            data.attention_target(maps, labels, 2)
