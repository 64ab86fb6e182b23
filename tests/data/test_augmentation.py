import json

import cv2
import numpy as np
import pytest

from umsrep.data.augmentation import (
    Augmentation,
    GeometricAugmentation,
    IntensityAugmentation,
)
from umsrep.data.shifts import simulated_shifts
from umsrep.errors import UmsrepError

SIZE = 128
GEOMETRY = {
    "angle": 0.0,
    "scale": 1.0,
    "aspect": 1.0,
    "shift": [0.0, 0.0],
    "border": [0.0] * 4,
    "flip": False,
}
SHIFTS = simulated_shifts()
GEOMETRIC_SHIFTS = {
    "borders",
    "stretch_wide",
    "stretch_tall",
    "rotate",
    "zoom_out",
}


def generator(*seed):
    return np.random.default_rng([7, *seed])


@pytest.fixture
def mask():
    """Two lungs of different size, inside the frame."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.ellipse(mask, (40, 64), (16, 36), 5, 0, 360, 255, -1)
    cv2.ellipse(mask, (88, 60), (14, 30), -5, 0, 360, 255, -1)
    return mask


@pytest.fixture
def image(mask):
    smooth = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 3)
    rows = np.linspace(120, 200, SIZE, dtype=np.float32)[:, None]
    return (rows - 0.4 * smooth).astype(np.uint8)


def dice(first, second):
    return 2 * np.sum(first & second) / (np.sum(first) + np.sum(second))


class TestAugmentation:
    def test_replays_exactly_after_json(self, image, mask):
        augmentation = Augmentation.chest()
        seen = set()
        for index in range(20):
            parameters = augmentation.draw(generator(index))
            stored = json.loads(json.dumps(parameters))
            assert stored == parameters
            first = augmentation.apply(image, mask, parameters)
            second = augmentation.apply(image, mask, stored)
            called = augmentation(image, mask, generator(index))
            for one, two, three in zip(first, second, called, strict=True):
                np.testing.assert_array_equal(one, two)
                np.testing.assert_array_equal(one, three)
            seen.add(first[0].tobytes())
        assert len(seen) > 15  # A few are left as they are.

    def test_output_types_ranges_and_untouched_input(self, image, mask):
        before = image.copy(), mask.copy()
        for index in range(30):
            new_image, new_mask = Augmentation.chest(1.5)(
                image, mask, generator(index)
            )
            assert new_image.dtype == np.float32
            assert new_image.shape == image.shape
            assert new_image.min() >= 0
            assert new_image.max() <= 255
            assert new_mask.dtype == np.uint8
            new_image += 1
            new_mask += 1
        np.testing.assert_array_equal(image, before[0])
        np.testing.assert_array_equal(mask, before[1])

    @pytest.mark.parametrize("foreground", [1, 255])
    def test_mask_values_are_kept(self, image, mask, foreground):
        mask = np.where(mask > 0, foreground, 0).astype(np.uint8)
        for index in range(50):
            _, new = Augmentation.chest()(image, mask, generator(index))
            assert set(np.unique(new)) == {0, foreground}

    def test_intensity_never_touches_the_mask(self, image, mask):
        augmentation = Augmentation(
            geometry=None,
            intensity=IntensityAugmentation(probability=1),
            probability=1,
        )
        moved = Augmentation(intensity=None)
        both = Augmentation()
        for index in range(20):
            new_image, new_mask = augmentation(image, mask, generator(index))
            np.testing.assert_array_equal(new_mask, mask)
            assert not np.array_equal(new_image, image)
            # The same geometry with and without intensity.
            np.testing.assert_array_equal(
                moved(image, mask, generator(index))[1],
                both(image, mask, generator(index))[1],
            )

    def test_a_missing_mask_stays_missing(self, image, mask):
        augmentation = Augmentation.chest()
        alone, nothing = augmentation(image, None, generator(1))
        together, _ = augmentation(image, mask, generator(1))
        assert nothing is None
        np.testing.assert_array_equal(alone, together)

    def test_strength_zero_and_probability_zero_are_identity(self, image, mask):
        for augmentation in (
            Augmentation.chest(strength=0),
            Augmentation(probability=0),
            Augmentation(geometry=None, intensity=None),
        ):
            for index in range(10):
                new_image, new_mask = augmentation(
                    image, mask, generator(index)
                )
                np.testing.assert_array_equal(new_image, image)
                np.testing.assert_array_equal(new_mask, mask)

    def test_strength_scales_one_and_the_same_draw(self):
        half = Augmentation.chest(0.5).draw(generator(4))
        full = Augmentation.chest(1.0).draw(generator(4))
        assert full["geometry"] is not None
        assert half["geometry"]["angle"] == pytest.approx(
            full["geometry"]["angle"] / 2
        )
        assert half["geometry"]["scale"] ** 2 == pytest.approx(
            full["geometry"]["scale"]
        )
        assert half["intensity"]["seed"] == full["intensity"]["seed"]

    def test_strength_one_is_the_default(self):
        assert Augmentation.chest() == Augmentation()

    def test_a_strip_is_neither_turned_nor_mirrored(self):
        # Bright and dark halves: time runs to the right, baselines are level.
        right = np.zeros((SIZE, SIZE), np.uint8)
        right[:, SIZE // 2 :] = 1
        below = np.ascontiguousarray(right.T)
        picture = np.full((SIZE, SIZE), 128, np.uint8)
        augmentation = Augmentation.of("doppler", 1.5)
        for index in range(30):
            _, moved = augmentation(picture, right, generator(index))
            rows = moved[moved.any(1)]
            np.testing.assert_array_equal(
                rows, np.broadcast_to(rows[0], rows.shape)
            )
            columns = np.flatnonzero(rows[0])
            assert columns.mean() > SIZE / 2
            _, moved = augmentation(picture, below, generator(index))
            columns = moved[:, moved.any(0)].T
            assert (columns == columns[0]).all()
            assert np.flatnonzero(columns[0]).mean() > SIZE / 2

    def test_an_unknown_kind_lists_those_there_are(self):
        assert Augmentation.of("chest", 0.5) == Augmentation.chest(0.5)
        with pytest.raises(UmsrepError, match="chest, doppler"):
            Augmentation.of("abdomen")

    def test_probability_is_how_often(self):
        augmentation = Augmentation(probability=0.7)
        rng = generator()
        applied = [
            augmentation.draw(rng)["geometry"] is not None for _ in range(1000)
        ]
        assert abs(sum(applied) - 700) < 75  # Five standard errors.

    @pytest.mark.parametrize(
        "augmentation",
        [
            Augmentation.chest(),
            Augmentation.chest(0.3),
            Augmentation(geometry=None, probability=0.5),
            Augmentation(intensity=None),
            Augmentation(
                GeometricAugmentation(rotation=90, flip=True, scale=1),
                IntensityAugmentation(gamma=1, probability=1),
            ),
        ],
        ids=["default", "weak", "intensity", "geometry", "own"],
    )
    def test_round_trip_of_config(self, augmentation):
        config = json.loads(json.dumps(augmentation.get_config()))
        again = Augmentation.from_config(config)
        assert again == augmentation
        assert again.draw(generator(2)) == augmentation.draw(generator(2))

    def test_map_moves_with_the_image(self, image, mask):
        augmentation = Augmentation.chest()
        for index in range(10):
            parameters = augmentation.draw(generator(index))
            heat = (mask / 255).astype(np.float32)
            moved = augmentation.apply_to_map(heat, parameters)
            _, new_mask = augmentation.apply(image, mask, parameters)
            assert moved.dtype == np.float32
            assert dice(moved > 0.5, new_mask > 0) > 0.98


class TestGeometry:
    def test_image_and_mask_share_their_geometry(self, mask):
        geometry = GeometricAugmentation(
            rotation=30, scale=(0.7, 1.3), border_probability=0.5, flip=True
        )
        for index in range(100):
            image, new = geometry.apply(
                mask, mask, geometry.draw(generator(index))
            )
            assert dice(image > 127.5, new > 0) > 0.98

    def test_no_flip_by_default(self):
        # A marker on one side of the frame stays on that side.
        marker = np.zeros((SIZE, SIZE), np.uint8)
        marker[40:80, 10:50] = 255
        augmentation = Augmentation.chest(1.5)
        for index in range(200):
            _, moved = augmentation(marker, marker, generator(index))
            parameters = augmentation.draw(generator(index))["geometry"]
            if parameters is None:
                continue
            left, _, right, _ = parameters["border"]
            # The middle of the moved content.
            middle = (left + (1 - left - right) / 2) * SIZE + (
                parameters["shift"][0] * SIZE * (1 - left - right)
            )
            assert np.nonzero(moved)[1].mean() < middle
            assert not parameters["flip"]

    def test_flip_mirrors_half_of_the_images(self):
        geometry = GeometricAugmentation(flip=True)
        rng = generator()
        flips = [geometry.draw(rng)["flip"] for _ in range(400)]
        assert abs(sum(flips) - 200) < 50
        image = np.arange(SIZE * SIZE, dtype=np.float32).reshape(SIZE, SIZE)
        image = image % 251
        moved, _ = geometry.apply(image, None, {**GEOMETRY, "flip": True})
        np.testing.assert_allclose(moved, image[:, ::-1], atol=1e-3)

    @pytest.mark.parametrize("shape", [(64, 96), (97, 64)])
    def test_quarter_turn_and_whole_shift_are_exact(self, shape):
        image = generator().integers(0, 256, (64, 64)).astype(np.uint8)
        geometry = GeometricAugmentation(rotation=90)
        moved, mask = geometry.apply(image, image, {**GEOMETRY, "angle": 90.0})
        np.testing.assert_allclose(moved, np.rot90(image), atol=1e-2)
        np.testing.assert_array_equal(mask, np.rot90(image))
        image = generator().integers(0, 256, shape).astype(np.uint8)
        shift = [3 / shape[1], -5 / shape[0]]
        moved, mask = geometry.apply(image, image, {**GEOMETRY, "shift": shift})
        expected = np.zeros(shape, np.uint8)
        expected[:-5, 3:] = image[5:, :-3]
        np.testing.assert_allclose(moved, expected, atol=1e-2)
        np.testing.assert_array_equal(mask, expected)

    def test_area_follows_scale_and_shape_follows_aspect(self, mask):
        geometry = GeometricAugmentation()
        _, moved = geometry.apply(mask, mask, {**GEOMETRY, "scale": 0.8})
        ratio = np.sum(moved > 0) / np.sum(mask > 0)
        assert ratio == pytest.approx(0.64, rel=0.03)
        _, moved = geometry.apply(mask, mask, {**GEOMETRY, "aspect": 1.2})
        assert np.sum(moved > 0) == pytest.approx(np.sum(mask > 0), rel=0.03)
        rows, columns = (np.ptp(axis) + 1 for axis in np.nonzero(moved))
        old_rows, old_columns = (np.ptp(a) + 1 for a in np.nonzero(mask))
        assert (columns / rows) / (old_columns / old_rows) == pytest.approx(
            1.2, rel=0.03
        )

    def test_border_is_black_and_shrinks_instead_of_hiding(self, mask):
        image = np.full((SIZE, SIZE), 200, np.uint8)
        border = [0.125, 0.0, 0.25, 0.25]
        moved, new = GeometricAugmentation().apply(
            image, mask, {**GEOMETRY, "border": border}
        )
        inside = np.zeros((SIZE, SIZE), bool)
        inside[:96, 16:96] = True
        assert (moved[~inside] == 0).all()
        assert (new[~inside] == 0).all()
        assert (moved[1:95, 17:95] == 200).all()
        expected = np.sum(mask > 0) * inside.mean()
        assert np.sum(new > 0) == pytest.approx(expected, rel=0.03)

    def test_content_that_sticks_out_does_not_show_in_the_border(self):
        full = np.full((SIZE, SIZE), 255, np.uint8)
        for side in range(4):
            border = [0.25 * (side == other) for other in range(4)]
            parameters = {**GEOMETRY, "scale": 1.4, "border": border}
            moved, new = GeometricAugmentation().apply(full, full, parameters)
            np.testing.assert_array_equal(moved, new)
            assert np.mean(new == 255) == 0.75
            assert (np.rot90(new, side)[:, : SIZE // 4] == 0).all()

    def test_borders_come_as_bands_and_frames(self):
        geometry = GeometricAugmentation(border=0.3, border_probability=0.4)
        rng = generator()
        borders = np.array([geometry.draw(rng)["border"] for _ in range(1000)])
        sides = (borders > 0).sum(axis=1)
        assert abs(np.sum(sides > 0) - 400) < 80
        assert abs(np.sum(sides == 1) - 200) < 65
        assert abs(np.sum(sides == 4) - 200) < 65
        assert (borders[sides == 1] > 0).any(axis=0).all()
        assert borders.max() <= 0.3

    def test_channels(self, image, mask):
        parameters = GeometricAugmentation().draw(generator(4))
        flat, _ = GeometricAugmentation().apply(image, mask, parameters)
        for channels in (1, 3):
            stack, _ = GeometricAugmentation().apply(
                np.dstack([image] * channels), mask, parameters
            )
            assert stack.shape == (SIZE, SIZE, channels)
            np.testing.assert_allclose(stack[..., -1], flat, atol=1e-3)


class TestIntensity:
    NEUTRAL = {
        "gamma": 1.0,
        "contrast": 1.0,
        "brightness": 0.0,
        "blur_sigma": 0.0,
        "noise_std": 0.0,
        "seed": 1,
    }

    def change(self, image, **parameters):
        return IntensityAugmentation().apply(
            image, {**self.NEUTRAL, **parameters}
        )

    def test_each_change_does_what_its_name_says(self, image):
        values = image.astype(np.float32)
        np.testing.assert_array_equal(self.change(image), values)
        np.testing.assert_allclose(
            self.change(image, gamma=1.6),
            255 * (values / 255) ** 1.6,
            rtol=1e-4,
        )
        np.testing.assert_allclose(
            self.change(image, brightness=12.0), values + 12, rtol=1e-5
        )
        low = self.change(image, contrast=0.5)
        assert low.std() == pytest.approx(values.std() / 2, rel=1e-3)
        blurred = self.change(image, blur_sigma=1.5)
        assert np.abs(np.diff(blurred)).sum() < np.abs(np.diff(values)).sum()
        assert blurred.mean() == pytest.approx(values.mean(), rel=0.01)
        noise = self.change(image, noise_std=8.0) - values
        assert noise.std() == pytest.approx(8, rel=0.05)

    def test_uint8_and_float32_agree(self, image):
        intensity = IntensityAugmentation(probability=1)
        for index in range(10):
            parameters = intensity.draw(generator(index))
            np.testing.assert_allclose(
                intensity.apply(image, parameters),
                intensity.apply(image.astype(np.float32), parameters),
                atol=1e-2,
            )

    def test_draws_stay_in_range_and_are_often_neutral(self):
        intensity = IntensityAugmentation(probability=0.5)
        rng = generator()
        drawn = [intensity.draw(rng) for _ in range(400)]
        for name in ("gamma", "contrast", "brightness", "noise_std"):
            values = np.array([parameters[name] for parameters in drawn])
            low, high = getattr(intensity, name)
            neutral = values == self.NEUTRAL[name]
            assert abs(neutral.sum() - 200) < 50
            changed = values[~neutral]
            span = high - low
            assert low <= changed.min() < low + 0.1 * span
            assert high - 0.1 * span < changed.max() <= high


@pytest.mark.parametrize("name", SHIFTS)
class TestSimulatedShifts:
    def test_changes_the_image_and_repeats(self, name, image, mask):
        first = SHIFTS[name].apply(image, mask, generator(1))
        again = SHIFTS[name].apply(image, mask, generator(1))
        for one, two in zip(first, again, strict=True):
            np.testing.assert_array_equal(one, two)
        assert first[0].dtype == np.float32
        assert first[0].shape == image.shape
        assert first[0].min() >= 0
        assert first[0].max() <= 255
        assert np.abs(first[0] - image).mean() > 0.5

    def test_mask_values_and_alignment(self, name, mask):
        blank = np.zeros_like(mask)
        blank[mask > 0] = 200
        image, new = SHIFTS[name].apply(blank, mask, generator(1))
        assert set(np.unique(new)) == {0, 255}
        if name in GEOMETRIC_SHIFTS:
            assert dice(image > 100, new > 0) > 0.98
            assert not np.array_equal(new, mask)
        else:
            np.testing.assert_array_equal(new, mask)

    def test_without_mask_and_with_channels(self, name, image, mask):
        for stack in (image[..., None], np.dstack([image] * 3)):
            new, nothing = SHIFTS[name].apply(stack, None, generator(1))
            assert nothing is None
            assert new.shape == stack.shape


def test_stretches_are_the_two_canvases(mask):
    def shape(name):
        _, new = SHIFTS[name].apply(mask, mask, generator())
        rows, columns = (np.ptp(axis) + 1 for axis in np.nonzero(new))
        return columns / rows

    ratio = shape("stretch_wide") / shape("stretch_tall")
    assert ratio == pytest.approx(1.22**2, rel=0.05)


def test_brightness_order(image):
    def mean(name):
        return SHIFTS[name].apply(image, None, generator())[0].mean()

    assert mean("dark") < image.mean() - 20
    assert mean("bright") > image.mean() + 20
    low, _ = SHIFTS["low_contrast"].apply(image, None, generator())
    assert low.std() == pytest.approx(0.45 * image.std(), rel=0.01)


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (lambda: GeometricAugmentation(rotation=-5), "Change rotation"),
        (lambda: GeometricAugmentation(scale=(0, 1)), "Change scale"),
        (lambda: GeometricAugmentation(aspect=(2, 1)), "increasing pair"),
        (lambda: GeometricAugmentation(shift=0.9), "Change shift"),
        (lambda: GeometricAugmentation(border=0.5), "Change border"),
        (
            lambda: GeometricAugmentation(border_probability=2),
            "Change border_probability",
        ),
        (lambda: IntensityAugmentation(gamma=(0, 1)), "Change gamma"),
        (lambda: IntensityAugmentation(noise_std=-1), "Change noise_std"),
        (lambda: IntensityAugmentation(blur_sigma="1"), "Change blur_sigma"),
        (lambda: Augmentation(probability=1.5), "Change probability"),
        (
            lambda: Augmentation(geometry={"rotation": 5}),
            "Pass geometry=GeometricAugmentation",
        ),
        (lambda: Augmentation.chest(strength=3), "Change strength"),
        (
            lambda: Augmentation.from_config({"geometry": {"angle": 5}}),
            "Remove or rename",
        ),
    ],
)
def test_bad_arguments(make, advice):
    with pytest.raises(UmsrepError, match=advice):
        make()


@pytest.mark.parametrize("strength", [0, 1])
def test_bad_masks(image, mask, strength):
    augmentation = Augmentation.chest(strength)
    for bad, advice in (
        (mask[:-1], "Resize the mask by nearest"),
        (mask > 0, "astype"),
        (mask.astype(np.float32), "astype"),
        (mask.tolist(), "astype"),
    ):
        with pytest.raises(UmsrepError, match=advice):
            augmentation(image, bad, generator())
        with pytest.raises(UmsrepError, match=advice):
            SHIFTS["dark"].apply(image, bad, generator())


def test_bad_images(mask):
    for bad, advice in (
        (np.zeros((2, 8, 8, 1), np.float32), "not a batch"),
        (np.zeros((SIZE, SIZE)), "astype"),
        (np.full((SIZE, SIZE), np.nan, np.float32), "clip it first"),
    ):
        with pytest.raises(UmsrepError, match=advice):
            Augmentation.chest()(bad, None, generator())
