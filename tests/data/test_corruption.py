import json

import numpy as np
import pytest

from umsrep.data.corruption import (
    TABLE_2_LEVELS,
    Corruption,
    GaussianNoise,
    PoissonNoise,
    RandomChoice,
)
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

ALL = [
    GaussianNoise(),
    GaussianNoise(12.5, clip=False),
    PoissonNoise(),
    PoissonNoise(40),
    RandomChoice([GaussianNoise((5, 25)), PoissonNoise((30, 90))]),
    RandomChoice([GaussianNoise(3), PoissonNoise()], weights=(1, 3)),
    NonLinearIntensity(),
    LocalShuffling(side=0.2, share=0.8),
    InPainting(),
    OutPainting(side=(0.3, 0.5), most=2),
    PatchMask(8, 0.5),
    Chain([Downscale((3,)), GaussianNoise(4)]),
    Sometimes(InPainting(), 1.0),
    models_genesis(GaussianNoise(5)),
]


def generator(*seed):
    return np.random.default_rng([0, *seed])


@pytest.fixture
def image():
    ramp = np.linspace(0, 255, 96, dtype=np.float32)
    return np.tile(ramp, (64, 1))


@pytest.mark.parametrize("corruption", ALL, ids=repr)
class TestEveryCorruption:
    def test_replays_exactly_after_json(self, corruption, image):
        parameters = corruption.draw(generator(1))
        stored = json.loads(json.dumps(parameters))
        assert stored == parameters
        first = corruption.apply(image, parameters)
        np.testing.assert_array_equal(first, corruption.apply(image, stored))
        np.testing.assert_array_equal(first, corruption(image, generator(1)))
        assert not np.array_equal(first, corruption(image, generator(2)))

    def test_round_trip_of_config(self, corruption):
        config = json.loads(json.dumps(corruption.get_config()))
        again = Corruption.from_config(config)
        assert again == corruption
        assert again.draw(generator(5)) == corruption.draw(generator(5))

    def test_keeps_shape_type_and_input(self, corruption, image):
        for given in (image, np.dstack([image] * 3), image[..., None]):
            before = given.copy()
            noisy = corruption(given, generator(3))
            assert noisy.shape == given.shape
            assert noisy.dtype == np.float32
            np.testing.assert_array_equal(given, before)

    def test_uint8_equals_float32(self, corruption, image):
        grey = image.astype(np.uint8)
        np.testing.assert_array_equal(
            corruption(grey, generator(4)),
            corruption(grey.astype(np.float32), generator(4)),
        )


@pytest.mark.parametrize("std", [10, 25])
def test_gaussian_std_is_in_grey_levels(std):
    clean = np.full((200, 200), 128, np.float32)
    noise = GaussianNoise(std)(clean, generator()) - clean
    error = std / np.sqrt(noise.size)
    assert abs(noise.mean()) < 5 * error
    # The standard error of a standard deviation is std / sqrt(2 n).
    assert abs(noise.std() - std) < 5 * error / np.sqrt(2)
    neighbours = np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())
    assert abs(neighbours[0, 1]) < 5 / np.sqrt(noise.size)


def test_zero_std_is_identity(image):
    np.testing.assert_array_equal(GaussianNoise(0)(image, generator()), image)


@pytest.mark.parametrize("peak", [20.0, 200.0])
@pytest.mark.parametrize("grey", [30.0, 160.0])
def test_poisson_keeps_mean_and_variance_follows_it(peak, grey):
    clean = np.full((300, 300), grey, np.float32)
    noisy = PoissonNoise(peak, clip=False)(clean, generator())
    variance = grey * 255 / peak
    assert abs(noisy.mean() - grey) < 5 * np.sqrt(variance / noisy.size)
    assert noisy.var() == pytest.approx(variance, rel=0.05)
    # Values are whole photons.
    photons = noisy * peak / 255
    np.testing.assert_allclose(photons, photons.round(), atol=1e-3)


def test_poisson_leaves_black_alone():
    black = np.zeros((16, 16), np.float32)
    np.testing.assert_array_equal(PoissonNoise(20)(black, generator()), black)


@pytest.mark.parametrize("cls", [GaussianNoise, PoissonNoise])
def test_clip(cls, image):
    clipped = cls(50)(image, generator())
    free = cls(50, clip=False)(image, generator())
    assert free.max() > 255
    np.testing.assert_array_equal(clipped, np.clip(free, 0, 255))


def test_drawn_levels_fill_their_range():
    rng = generator()
    stds = [GaussianNoise((5, 50)).draw(rng)["std"] for _ in range(400)]
    assert 5 <= min(stds) < 7
    assert 48 < max(stds) <= 50
    assert np.median(stds) == pytest.approx(27.5, abs=4)
    peaks = [PoissonNoise((10, 1000)).draw(rng)["peak"] for _ in range(400)]
    assert 10 <= min(peaks) < 12
    assert 850 < max(peaks) <= 1000
    # Log-uniform: the median is the geometric mean.
    assert np.log10(np.median(peaks)) == pytest.approx(2, abs=0.15)
    assert PoissonNoise(37).draw(rng)["peak"] == 37


def test_seeds_differ_between_draws():
    rng = generator()
    seeds = {GaussianNoise(10).draw(rng)["seed"] for _ in range(100)}
    assert len(seeds) == 100


def test_choice_follows_its_weights(image):
    noise = [GaussianNoise(10), PoissonNoise(50)]
    rng = generator()

    def counts(choice):
        drawn = [choice.draw(rng)["choice"] for _ in range(1000)]
        return np.bincount(drawn, minlength=2)

    # Five standard errors of 1000 draws.
    assert abs(counts(RandomChoice(noise))[1] - 500) < 80
    assert abs(counts(RandomChoice(noise, (1, 4)))[1] - 800) < 65
    assert counts(RandomChoice(noise, (1, 0)))[1] == 0


def test_choice_is_the_chosen_corruption(image):
    choice = RandomChoice([GaussianNoise(10), PoissonNoise(50)], (0, 1))
    parameters = choice.draw(generator())
    np.testing.assert_array_equal(
        choice.apply(image, parameters),
        PoissonNoise(50).apply(image, parameters["parameters"]),
    )


def test_table_2_levels_get_noisier_and_poisson_lies_between(image):
    def psnr(name):
        clean = np.clip(image, 40, 220)
        noisy = TABLE_2_LEVELS[name](clean, generator())
        return 10 * np.log10(255**2 / np.mean((noisy - clean) ** 2))

    gaussian = [psnr(f"gaussian_{std}") for std in (10, 15, 25, 35, 50)]
    assert gaussian == sorted(gaussian, reverse=True)
    assert gaussian[0] == pytest.approx(20 * np.log10(25.5), abs=0.3)
    assert gaussian[2] < psnr("poisson") < gaussian[1]


def test_names_are_listed():
    with pytest.raises(UmsrepError, match="Known names: .*gaussian, .*poisson"):
        Corruption.from_config({"name": "speckle"})
    with pytest.raises(UmsrepError, match="Remove or rename"):
        Corruption.from_config({"name": "gaussian", "sigma": 3})


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (lambda: GaussianNoise(-1), "Change std"),
        (lambda: GaussianNoise((20, 10)), "increasing pair"),
        (lambda: GaussianNoise((1, 2, 3)), "increasing pair"),
        (lambda: GaussianNoise("10"), "Change std"),
        (lambda: GaussianNoise(float("nan")), "Change std"),
        (lambda: GaussianNoise(True), "Change std"),
        (lambda: PoissonNoise(0), "Change peak"),
        (lambda: RandomChoice([]), "Pass for example"),
        (lambda: RandomChoice(GaussianNoise()), "Pass for example"),
        (lambda: RandomChoice([GaussianNoise()], (1, 2)), "Change weights"),
        (lambda: RandomChoice([GaussianNoise()], (0,)), "Change weights"),
        (lambda: RandomChoice([GaussianNoise()], (-1,)), "Change weights"),
        (lambda: RandomChoice([GaussianNoise()], 1), "Change weights"),
    ],
)
def test_bad_arguments(make, advice):
    with pytest.raises(UmsrepError, match=advice):
        make()


@pytest.mark.parametrize(
    ("bad", "advice"),
    [
        (np.zeros((2, 8, 8, 1), np.float32), "not a batch"),
        (np.zeros((8, 8), np.float64), "astype"),
        (np.full((8, 8), 300, np.float32), "clip it first"),
        (np.full((8, 8), np.nan, np.float32), "clip it first"),
        ([[1, 2]], "not a batch"),
    ],
)
@pytest.mark.parametrize("corruption", [GaussianNoise(5), PoissonNoise(50)])
def test_bad_images(corruption, bad, advice):
    with pytest.raises(UmsrepError, match=advice):
        corruption(bad, generator())
