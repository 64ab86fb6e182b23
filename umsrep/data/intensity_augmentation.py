"""Changes of grey levels: tone, blur and noise."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from umsrep.data.parameters import (
    Configured,
    Parameters,
    Range,
    as_number,
    as_range,
    draw_log_uniform,
    draw_seed,
)
from umsrep.data.pixels import Floats, add_gaussian_noise, as_float_image


@dataclass(frozen=True)
class IntensityAugmentation(Configured):
    """Gamma, contrast, brightness, blur and noise; never touches a mask.

    Args:
        gamma: Range of the exponent on [0, 1], log-uniform; above 1 darkens.
        contrast: Range of the factor about mid-grey, log-uniform.
        brightness: Range of the added grey levels.
        blur_sigma: Range of the Gaussian blur's sigma in pixels.
        noise_std: Range of the Gaussian noise in grey levels of 255.
        probability: How often each of the five is applied, independently.
    """

    gamma: Range = (0.6, 1.6)
    contrast: Range = (0.7, 1.4)
    brightness: Range = (-25.0, 25.0)
    blur_sigma: Range = (0.0, 1.5)
    noise_std: Range = (0.0, 12.0)
    probability: float = 0.5

    def __post_init__(self) -> None:
        self._set("gamma", as_range(self.gamma, "gamma", 0.1, 10))
        self._set("contrast", as_range(self.contrast, "contrast", 0.1, 10))
        self._set(
            "brightness", as_range(self.brightness, "brightness", -255, 255)
        )
        self._set("blur_sigma", as_range(self.blur_sigma, "blur_sigma", 0, 50))
        self._set("noise_std", as_range(self.noise_std, "noise_std", 0, 255))
        self._set(
            "probability", as_number(self.probability, "probability", 0, 1)
        )

    def draw(self, rng: np.random.Generator) -> Parameters:
        """The parameters; always the same number of draws."""
        drawn = {
            "gamma": draw_log_uniform(rng, self.gamma),
            "contrast": draw_log_uniform(rng, self.contrast),
            "brightness": float(rng.uniform(*self.brightness)),
            "blur_sigma": float(rng.uniform(*self.blur_sigma)),
            "noise_std": float(rng.uniform(*self.noise_std)),
        }
        neutral = {"gamma": 1.0, "contrast": 1.0}
        applied = rng.random(len(drawn)) < self.probability
        parameters = {
            name: value if use else neutral.get(name, 0.0)
            for (name, value), use in zip(drawn.items(), applied, strict=True)
        }
        return {**parameters, "seed": draw_seed(rng)}

    def apply(self, image: NDArray, parameters: Parameters) -> Floats:
        """The changed image, clipped to [0, 255]."""
        tone = [parameters[key] for key in ("gamma", "contrast", "brightness")]
        if tone == [1, 1, 0]:
            image = as_float_image(image)
        elif isinstance(image, np.ndarray) and image.dtype == np.uint8:
            table = _tone(np.arange(256, dtype=np.float32), *tone)
            shape = image.shape
            image = cv2.LUT(image, table).reshape(shape)
        else:
            image = _tone(as_float_image(image), *tone)
        if parameters["blur_sigma"] > 0:
            image = cv2.GaussianBlur(
                image, (0, 0), parameters["blur_sigma"]
            ).reshape(image.shape)
            np.clip(image, 0, 255, out=image)  # Blurring rounds past 255.
        return add_gaussian_noise(
            image, parameters["noise_std"], parameters["seed"]
        )


def _tone(
    values: Floats, gamma: float, contrast: float, brightness: float
) -> Floats:
    """Gamma, then contrast about mid-grey, then brightness, clipped."""
    if gamma != 1:
        shape = values.shape
        values = cv2.pow(values / 255, gamma).reshape(shape) * 255
    values = (values - 127.5) * contrast + (127.5 + brightness)
    return np.clip(values, 0, 255).astype(np.float32)
