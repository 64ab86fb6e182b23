"""How close a restored image is to the clean one.

Images are floats in [0, 1] of shape `(height, width)` or
`(height, width, channels)`, giving a float; a batch
`(images, height, width, channels)` gives an array `(images,)`. More is
better everywhere.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage import metrics

from umsrep.errors import UmsrepError

# Wang, Simoncelli & Bovik 2003, section 3.2, finest scale first.
MS_SSIM_EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Side and standard deviation of the Gaussian window, in pixels.
WINDOW_SIZE = 11
WINDOW_SIGMA = 1.5

Floats = NDArray[np.float64]
# Of one image, or one per image of a batch.
Value = float | Floats


def psnr(clean: ArrayLike, image: ArrayLike) -> Value:
    """Peak signal-to-noise ratio in dB; infinite for equal images."""
    clean, image, batch = _pair(clean, image)
    with np.errstate(divide="ignore"):
        values = [
            metrics.peak_signal_noise_ratio(*pair, data_range=1)
            for pair in zip(clean, image, strict=True)
        ]
    return _result(values, batch)


def ssim(clean: ArrayLike, image: ArrayLike) -> Value:
    """Structural similarity in [-1, 1] (Wang et al. 2004).

    Computed by scikit-image with the paper's Gaussian window (11 pixels, sigma
    1.5) and population covariance; the mean over the channels.

    Raises:
        UmsrepError: an image is smaller than the window.
    """
    clean, image, batch = _pair(clean, image)
    _check_size(clean, "SSIM")
    values = [
        metrics.structural_similarity(
            *pair,
            gaussian_weights=True,
            sigma=WINDOW_SIGMA,
            use_sample_covariance=False,
            data_range=1,
            channel_axis=-1,
        )
        for pair in zip(clean, image, strict=True)
    ]
    return _result(values, batch)


def ms_ssim(clean: ArrayLike, image: ArrayLike) -> Value:
    """Multi-scale structural similarity in [0, 1] (Wang et al. 2003, Eq. 7).

    Computed by TensorFlow with the paper's five scales and exponents, which
    need 176 pixels (the window of 11 after four halvings). A smaller image
    gets as many scales as fit, their exponents scaled to sum to 1: comparable
    among images of one size, not with images of another size.

    Raises:
        UmsrepError: an image is smaller than the window.
    """
    # The only metric that needs TensorFlow; the others load in a moment.
    import tensorflow as tf

    clean, image, batch = _pair(clean, image)
    _check_size(clean, "MS-SSIM")
    exponents = np.array(MS_SSIM_EXPONENTS)
    scales = ms_ssim_scales(*clean.shape[1:3])
    if scales < len(exponents):
        exponents = exponents[:scales] / exponents[:scales].sum()
    values = [
        tf.image.ssim_multiscale(
            tf.constant(clean[start : start + 16], tf.float32),
            tf.constant(image[start : start + 16], tf.float32),
            max_val=1.0,
            power_factors=exponents.tolist(),
            filter_size=WINDOW_SIZE,
            filter_sigma=WINDOW_SIGMA,
        ).numpy()
        for start in range(0, len(clean), 16)
    ]
    return _result(np.concatenate(values), batch)


def ms_ssim_scales(height: int, width: int) -> int:
    """Number of scales, 1 to 5, at which the window still fits."""
    scales = 1
    while (
        scales < len(MS_SSIM_EXPONENTS)
        and min(height, width) // 2**scales >= WINDOW_SIZE
    ):
        scales += 1
    return scales


def _result(values: ArrayLike, batch: bool) -> Value:
    values = np.asarray(values, float)
    return values if batch else values.item()


def _pair(clean: ArrayLike, image: ArrayLike) -> tuple[Floats, Floats, bool]:
    """Both as `(images, height, width, channels)`, and if they were batches."""
    clean, image = np.asarray(clean, float), np.asarray(image, float)
    if clean.shape != image.shape or clean.ndim not in (2, 3, 4):
        raise UmsrepError(
            f"Got images of shapes {clean.shape} and {image.shape}; expected "
            "the same (height, width[, channels]), or a batch (images, "
            "height, width, channels). Crop or resize one to the other."
        )
    if clean.size == 0 or clean.min() < 0 or clean.max() > 1:
        raise UmsrepError(
            "Got a clean image that is empty or not in [0, 1]. Divide 8-bit "
            "images by 255."
        )
    if not np.isfinite(image).all() or np.isnan(clean).any():
        raise UmsrepError(
            "Got an image with nan or infinite pixels. Look for a diverged "
            "model or a damaged image file."
        )
    batch = clean.ndim == 4
    if clean.ndim == 2:
        clean, image = clean[..., None], image[..., None]
    if not batch:
        clean, image = clean[None], image[None]
    return clean, image, batch


def _check_size(images: Floats, name: str) -> None:
    height, width = images.shape[1:3]
    if min(height, width) < WINDOW_SIZE:
        raise UmsrepError(
            f"Got an image of {height} x {width} pixels; {name} needs at "
            f"least {WINDOW_SIZE} x {WINDOW_SIZE}, the size of its window. "
            "Use larger images, or PSNR only."
        )
