import numpy as np
import pytest
from scipy import ndimage, signal
from skimage import data

from umsrep.errors import UmsrepError
from umsrep.metrics import image_quality as iq


def picture(side, seed=0):
    noise = np.random.default_rng([seed]).normal(size=(side, side))
    smooth = ndimage.gaussian_filter(noise, 4)
    return (smooth - smooth.min()) / np.ptp(smooth)


def noisy(clean, std, seed=1):
    noise = np.random.default_rng([seed]).normal(0, std, clean.shape)
    return np.clip(clean + noise, 0, 1)


def window():
    line = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    kernel = np.outer(line, line)
    return kernel / kernel.sum()


def similarity(a, b):
    """Mean luminance-and-structure and mean structure (Wang et al. 2004)."""

    def blur(x):
        return signal.convolve2d(x, window(), mode="valid")

    c1, c2 = 0.01**2, 0.03**2
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    cov = blur(a * b) - mean_a * mean_b
    structure = (2 * cov + c2) / (var_a + var_b + c2)
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return (luminance * structure).mean(), structure.mean()


def multiscale(a, b, exponents):
    product = 1
    for level, exponent in enumerate(exponents):
        full, structure = similarity(a, b)
        last = level == len(exponents) - 1
        product *= max(full if last else structure, 0) ** exponent
        if last:
            return product
        a, b = (x.reshape(len(x) // 2, 2, -1, 2).mean((1, 3)) for x in (a, b))


def test_psnr_by_definition():
    clean = picture(32)
    image = np.clip(clean + 0.1, 0, 2)
    assert iq.psnr(clean, image) == pytest.approx(20)
    assert iq.psnr(clean, clean) == np.inf


def test_ssim_by_definition():
    clean = picture(48)
    image = noisy(clean, 0.1)
    # scikit-image leaves out a border of half a window: 'valid'.
    assert iq.ssim(clean, image) == pytest.approx(
        similarity(clean, image)[0], abs=1e-6
    )


@pytest.mark.parametrize(("side", "scales"), [(176, 5), (96, 4), (48, 3)])
def test_ms_ssim_by_definition(side, scales):
    clean = picture(side)
    image = noisy(clean, 0.15)
    exponents = np.array(iq.MS_SSIM_EXPONENTS[:scales])
    if scales < 5:
        exponents = exponents / exponents.sum()
    assert iq.ms_ssim_scales(side, side) == scales
    assert iq.ms_ssim(clean, image) == pytest.approx(
        multiscale(clean, image, exponents), abs=1e-4
    )


@pytest.mark.parametrize("measure", [iq.psnr, iq.ssim, iq.ms_ssim])
def test_more_noise_is_worse_and_none_is_best(measure):
    clean = data.camera()[::4, ::4] / 255
    values = [measure(clean, noisy(clean, std)) for std in (0, 0.05, 0.1, 0.2)]
    assert all(a > b for a, b in zip(values, values[1:], strict=False))
    assert measure(clean, clean) == pytest.approx(
        np.inf if measure is iq.psnr else 1
    )


@pytest.mark.parametrize("measure", [iq.psnr, iq.ssim, iq.ms_ssim])
def test_a_batch_gives_one_value_per_image(measure):
    clean = np.stack([picture(40, seed) for seed in range(18)])[..., None]
    image = noisy(clean, 0.1)
    together = measure(clean, image)
    alone = [measure(*pair) for pair in zip(clean, image, strict=True)]
    assert together.shape == (18,)
    assert isinstance(alone[0], float)
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert alone[0] == pytest.approx(
        measure(clean[0, ..., 0], image[0, ..., 0])
    )


def test_equal_channels_change_nothing():
    clean = picture(40)
    image = noisy(clean, 0.1)
    for measure in (iq.psnr, iq.ssim, iq.ms_ssim):
        grey = measure(clean, image)
        assert measure(
            np.dstack([clean] * 3), np.dstack([image] * 3)
        ) == pytest.approx(grey, abs=1e-6)


@pytest.mark.parametrize(
    ("clean", "image", "advice"),
    [
        (np.zeros((20, 20)), np.zeros((20, 21)), "Crop or resize"),
        (np.full((20, 20), 200.0), np.zeros((20, 20)), "Divide 8-bit images"),
        (np.zeros((20, 20)), np.full((20, 20), np.nan), "diverged model"),
    ],
)
@pytest.mark.parametrize("measure", [iq.psnr, iq.ssim, iq.ms_ssim])
def test_bad_input(measure, clean, image, advice):
    with pytest.raises(UmsrepError, match=advice):
        measure(clean, image)


@pytest.mark.parametrize("measure", [iq.ssim, iq.ms_ssim])
def test_smaller_than_the_window(measure):
    with pytest.raises(UmsrepError, match="at least 11 x 11"):
        measure(np.zeros((10, 30)), np.zeros((10, 30)))
