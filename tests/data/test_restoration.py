"""What restoration, masks and lost detail do to an image, and leave alone."""

import numpy as np
import pytest

from umsrep import data
from umsrep.data.corruption import GaussianNoise, RandomChoice
from umsrep.data.restoration import (
    Chain,
    Downscale,
    InPainting,
    LocalShuffling,
    NonLinearIntensity,
    OutPainting,
    PatchMask,
    Sometimes,
    models_genesis,
)
from umsrep.errors import UmsrepError


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def image(rng):
    return rng.uniform(0, 255, (50, 64)).astype("float32")


class TestNonLinearIntensity:
    def test_order_of_grey_levels_stays_or_turns_round(self, rng):
        levels = np.arange(256, dtype="float32")[None]
        turned = 0
        for _ in range(40):
            corruption = NonLinearIntensity()
            parameters = corruption.draw(rng)
            steps = np.diff(corruption.apply(levels, parameters)[0])
            assert (
                (steps <= 0).all()
                if parameters["falling"]
                else (steps >= 0).all()
            )
            turned += parameters["falling"]
        assert 8 <= turned <= 32

    def test_black_and_white_stay_at_the_ends(self, rng):
        ends = np.array([[0, 255]], "float32")
        rising = NonLinearIntensity(falling=0.0)(ends, rng)
        np.testing.assert_allclose(rising, [[0, 255]], atol=1e-4)
        falling = NonLinearIntensity(falling=1.0)(ends, rng)
        np.testing.assert_allclose(falling, [[255, 0]], atol=1e-4)

    def test_straight_curve_is_identity(self, image):
        # Control points on the diagonal: the Bezier curve is y = x.
        straight = {"x": [0.2, 0.7], "y": [0.2, 0.7], "falling": False}
        found = NonLinearIntensity().apply(image, straight)
        # The table has steps of a tenth of a grey level.
        np.testing.assert_allclose(found, image, atol=0.06)


class TestLocalShuffling:
    def test_pixels_keep_their_values_and_their_neighbourhood(self, image, rng):
        corruption = LocalShuffling(side=0.2, share=1.0)
        found = corruption(image, rng)
        assert not np.array_equal(found, image)
        np.testing.assert_array_equal(
            np.sort(found, None), np.sort(image, None)
        )
        # Values are unique: where has each gone to?
        before, after = np.argsort(image, None), np.argsort(found, None)
        width = image.shape[1]
        rows = np.abs(before // width - after // width)
        columns = np.abs(before % width - after % width)
        longest = int(0.2 * min(image.shape))
        assert max(rows.max(), columns.max()) < longest

    def test_share_of_the_windows(self, image, rng):
        assert np.array_equal(LocalShuffling(share=0.0)(image, rng), image)
        changed = [
            (LocalShuffling(side=0.2, share=0.5)(image, rng) != image).mean()
            for _ in range(30)
        ]
        assert 0.2 < np.mean(changed) < 0.6


class TestPainting:
    @pytest.mark.parametrize("corruption", [InPainting(), OutPainting()])
    def test_lost_pixels_say_nothing_and_others_stay(
        self, image, corruption, rng
    ):
        parameters = corruption.draw(rng)
        lost = corruption.hidden(image.shape, parameters)
        assert 0 < lost.mean() < 1
        found = corruption.apply(image, parameters)
        np.testing.assert_array_equal(found[~lost], image[~lost])
        other = np.where(lost, 255 - image, image)
        np.testing.assert_array_equal(
            corruption.apply(other, parameters), found
        )

    def test_boxes_inside_and_outside(self, image, rng):
        inside, outside = (
            np.mean(
                [c.hidden(image.shape, c.draw(rng)).mean() for _ in range(50)]
            )
            for c in (InPainting(), OutPainting())
        )
        assert inside < 0.4
        # Five boxes of about a quarter of the image overlap.
        assert 0.2 < outside < 0.75

    def test_one_of_them_at_most(self, rng):
        corruption = models_genesis()
        painting = corruption.corruptions[-1]
        drawn = [painting.draw(rng)["parameters"] for _ in range(300)]
        chosen = [entry["choice"] for entry in drawn if entry]
        # 90 % of the images, 80 % of these by out-painting.
        assert 245 < len(chosen) < 292
        assert 0.7 < np.mean(np.array(chosen) == 0) < 0.9


class TestDownscale:
    def test_what_has_no_detail_stays(self, rng):
        flat = np.full((30, 41), 77, "float32")
        np.testing.assert_allclose(Downscale()(flat, rng), flat, atol=1e-3)

    def test_detail_is_lost_and_the_mean_is_not(self, rng):
        board = (np.indices((48, 48)).sum(0) % 2 * 200).astype("float32")
        found = Downscale((2,))(board, rng)
        np.testing.assert_allclose(found, 100, atol=1e-3)
        smooth = np.tile(np.linspace(20, 200, 48, dtype="float32"), (48, 1))
        kept = Downscale((2,))(smooth, rng)
        assert np.abs(kept - smooth)[:, 4:-4].max() < 2

    def test_factors_are_drawn(self, rng):
        drawn = {Downscale((2, 3, 4)).draw(rng)["factor"] for _ in range(60)}
        assert drawn == {2, 3, 4}
        with pytest.raises(UmsrepError, match="such as \\(2, 3, 4\\)"):
            Downscale((2, 0))


class TestPatchMask:
    def test_nothing_of_a_hidden_pixel_is_left(self, image, rng):
        corruption = PatchMask(8, 0.6)
        parameters = corruption.draw(rng)
        hidden = corruption.learnt(image.shape, parameters)
        other = np.where(hidden, rng.uniform(0, 255, image.shape), image)
        found = corruption.apply(image, parameters)
        np.testing.assert_array_equal(
            corruption.apply(other.astype("float32"), parameters), found
        )
        np.testing.assert_array_equal(found[~hidden], image[~hidden])

    def test_whole_patches_of_the_share(self, rng):
        corruption = PatchMask(8, 0.6)
        for _ in range(10):
            hidden = corruption.learnt((64, 64), corruption.draw(rng))
            cells = hidden.reshape(8, 8, 8, 8).mean(axis=(1, 3))
            assert set(np.unique(cells)) == {0, 1}
            assert cells.sum() == round(0.6 * 64)

    def test_something_is_visible_and_something_hidden(self, rng):
        for ratio in (0.0, 1.0):
            corruption = PatchMask(32, ratio)
            hidden = corruption.learnt((64, 64), corruption.draw(rng))
            assert 0 < hidden.mean() < 1
        with pytest.raises(UmsrepError, match="smaller patch.*--mask-patch 16"):
            PatchMask(64)(np.zeros((64, 64), "float32"), rng)

    def test_batches_say_what_is_learnt(self, dataset):
        images, targets, _ = dataset.batches(
            4, corruption=PatchMask(8), reconstruction="unmasked"
        )[0]
        target = targets["unmasked"]
        hidden = target >= 0
        assert 0.4 < hidden.mean() < 0.8
        assert (target[~hidden] == -1).all()
        clean = dataset.images[:4].reshape(target.shape) / 255.0
        np.testing.assert_allclose(target[hidden], clean[hidden], atol=1e-6)
        np.testing.assert_allclose(
            images[~hidden] / 255, clean[~hidden], atol=1e-6
        )


def test_a_chain_applies_all_and_sometimes_some(image, rng):
    chain = Chain([Downscale((4,)), GaussianNoise(10)])
    parameters = chain.draw(rng)
    one, two = parameters["parameters"]
    np.testing.assert_array_equal(
        chain.apply(image, parameters),
        GaussianNoise(10).apply(Downscale((4,)).apply(image, one), two),
    )
    never = Sometimes(GaussianNoise(10), 0.0)
    np.testing.assert_array_equal(never(image, rng), image)
    with pytest.raises(UmsrepError, match="Pass for example"):
        Chain([])


@pytest.mark.parametrize(
    ("wrapped", "drawn"),
    [
        (Chain([GaussianNoise(10), PatchMask(8)]), True),
        (Sometimes(PatchMask(8), 1.0), True),
        (RandomChoice((PatchMask(8),)), True),
        (Chain([Sometimes(RandomChoice((PatchMask(8),)), 1.0)]), True),
        (Sometimes(PatchMask(8), 0.0), False),
        (Chain([GaussianNoise(10), Downscale()]), False),
    ],
)
def test_what_is_learnt_of_a_corruption_inside(wrapped, drawn, image, rng):
    """The hidden pixels alone, as of the corruption that hides them."""
    parameters = wrapped.draw(rng)
    learnt = wrapped.learnt(image.shape, parameters)
    if not drawn:
        assert learnt is None
        return
    inner = parameters
    while "seed" not in inner:
        inner = inner["parameters"]
        inner = inner[-1] if isinstance(inner, list) else inner
    expected = PatchMask(8).learnt(image.shape, inner)
    assert expected.any()
    np.testing.assert_array_equal(learnt, expected)


def test_two_masks_are_learnt_together(image, rng):
    chain = Chain([PatchMask(8, 0.3), PatchMask(4, 0.3)])
    parameters = chain.draw(rng)
    parts = [
        each.learnt(image.shape, drawn)
        for each, drawn in zip(
            chain.corruptions, parameters["parameters"], strict=True
        )
    ]
    found = chain.learnt(image.shape, parameters)
    np.testing.assert_array_equal(found, parts[0] | parts[1])


class TestPairs:
    def test_two_views_of_each_image(self, dataset):
        augmentation = data.Augmentation.of("chest", 0.5)
        pairs = data.Pairs(dataset, "views", augmentation, 4, seed=3)
        images, targets, weights = pairs[0]
        assert images.shape == (8, 32, 32, 1)
        assert targets["views"].shape == (8, 1)
        assert weights["views"].shape == (8,)
        one, two = images[0::2], images[1::2]
        assert (np.abs(one - two).mean(axis=(1, 2, 3)) > 0).all()
        # Of one image each, which other draws show in the same order.
        clean, _, _ = dataset.batches(4, tasks=(), shuffle=True, seed=3)[0]
        for view in (one, two):
            distances = np.abs(view[:, None] - clean[None]).mean((2, 3, 4))
            assert (distances.argmin(axis=1) == np.arange(4)).mean() > 0.5

    def test_follow_from_seed_and_epoch(self, dataset):
        augmentation = data.Augmentation.of("chest")

        def batch(epoch):
            pairs = data.Pairs(dataset, "views", augmentation, 4, seed=3)
            pairs.set_epoch(epoch)
            return pairs[1][0]

        np.testing.assert_array_equal(batch(2), batch(2))
        assert not np.array_equal(batch(2), batch(3))

    def test_one_image_is_too_few(self, dataset):
        with pytest.raises(UmsrepError, match="larger --batch-size"):
            data.Pairs(dataset, "views", data.Augmentation(), batch_size=1)
