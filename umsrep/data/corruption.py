"""Noise for the denoising autoencoder, drawn first and then replayed.

A corruption draws its parameters (`draw`) and applies them (`apply`); the
second step is deterministic, so stored parameters give the same noisy image
again (the sampler + replay of TorchIO, Perez-Garcia et al. 2021). With
`rng = np.random.default_rng([seed, epoch, image_index])` the result depends
neither on the order of the work nor on the number of threads. NumPy may change
its random streams between releases: replay is exact under one NumPy version.

Images are float32 (or uint8) in [0, 255], (height, width) or
(height, width, channels); noise is independent per pixel and channel.
"""

import math
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from umsrep.errors import UmsrepError

# Seeds stay exact as JSON numbers.
_SEEDS = 2**53


def draw_seed(rng):
    """An integer noise seed that survives JSON."""
    return int(rng.integers(_SEEDS))


def draw_log_uniform(rng, limits):
    """A number in [low, high], uniform in its logarithm.

    Consumes one draw even where low equals high, so that changing one range
    leaves what is drawn after it alone.
    """
    low, high = limits
    value = math.exp(rng.uniform(math.log(low), math.log(high)))
    # exp(log(x)) is not always x.
    return float(min(max(value, low), high))


def _is_number(value):
    return (
        isinstance(value, (int, float, np.integer, np.floating))
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def as_number(value, name, low, high):
    """`value` as a float in [low, high], or an error that names it."""
    if not _is_number(value) or not low <= value <= high:
        raise UmsrepError(
            f"{name}={value!r} was received; expected a number from {low:g} "
            f"to {high:g}. Change {name}."
        )
    return float(value)


def as_range(value, name, low, high):
    """A number or (low, high) pair as a pair of floats in [low, high]."""
    pair = (value, value) if _is_number(value) else value
    if (
        not isinstance(pair, (tuple, list))
        or len(pair) != 2
        or not all(_is_number(end) and low <= end <= high for end in pair)
        or pair[0] > pair[1]
    ):
        raise UmsrepError(
            f"{name}={value!r} was received; expected a number or an "
            f"increasing pair (low, high) from {low:g} to {high:g}. "
            f"Change {name}."
        )
    return (float(pair[0]), float(pair[1]))


def as_float_image(image):
    """A new float32 array of an image in [0, 255], checked.

    Raises:
        UmsrepError: Not an array of two or three axes, not uint8 or float32,
            or with values that are outside [0, 255] or not numbers.
    """
    if not isinstance(image, np.ndarray) or image.ndim not in (2, 3):
        raise UmsrepError(
            f"An image of shape {np.shape(image)} was received; expected an "
            "array (height, width) or (height, width, channels). Pass one "
            "image, not a batch."
        )
    if image.dtype == np.uint8:
        return image.astype(np.float32)
    if image.dtype != np.float32:
        raise UmsrepError(
            f"An image of type {image.dtype} was received; expected uint8 or "
            "float32 in [0, 255]. Convert it with .astype('float32')."
        )
    if not (image.min() >= 0 and image.max() <= 255):  # False for NaN too.
        raise UmsrepError(
            f"An image with values from {image.min():g} to {image.max():g} "
            "was received; expected finite numbers in [0, 255]. Rescale or "
            "clip it first."
        )
    return image.copy()


def add_gaussian_noise(image, std, seed, clip=True):
    """`image` (float32, changed in place) plus noise of `std` grey levels."""
    if std:
        noise = np.random.default_rng(seed).standard_normal(
            image.shape, dtype=np.float32
        )
        noise *= np.float32(std)
        image += noise
        if clip:
            np.clip(image, 0, 255, out=image)
    return image


class Corruption:
    """Base of the corruptions: `draw`, `apply`, and a JSON-able config."""

    name: ClassVar[str]

    def draw(self, rng):
        """The parameters of one corruption, a JSON-able dict.

        Args:
            rng: A `numpy.random.Generator`; the only source of randomness.
        """
        raise NotImplementedError

    def apply(self, image, parameters):
        """The corrupted image, float32, of the shape of `image`.

        Args:
            image: In [0, 255], not changed.
            parameters: From `draw`; equal parameters give equal results.

        Raises:
            UmsrepError: `image` is of another type, shape or range.
        """
        raise NotImplementedError

    def __call__(self, image, rng):
        """Draws and applies in one step."""
        return self.apply(image, self.draw(rng))

    def get_config(self):
        """The name and the arguments, JSON-able, for `from_config`."""
        config = {"name": self.name}
        for field in fields(self):
            value = getattr(self, field.name)
            config[field.name] = (
                list(value) if isinstance(value, tuple) else value
            )
        return config

    @staticmethod
    def from_config(config):
        """The corruption that gave `config`, of whichever class.

        Raises:
            UmsrepError: No corruption has the name, or an argument is
                missing or unknown.
        """
        arguments = dict(config)
        name = arguments.pop("name", None)
        if name not in CORRUPTIONS:
            raise UmsrepError(
                f"No corruption is named {name!r}. Known names: "
                f"{', '.join(sorted(CORRUPTIONS))}."
            )
        if "corruptions" in arguments:
            arguments["corruptions"] = [
                Corruption.from_config(item)
                for item in arguments["corruptions"]
            ]
        return build(CORRUPTIONS[name], arguments)


def build(cls, arguments):
    """`cls(**arguments)`, where unknown arguments are a clear error."""
    known = {field.name for field in fields(cls)}
    if unknown := set(arguments) - known:
        raise UmsrepError(
            f"{cls.__name__} got the arguments {sorted(unknown)}; expected "
            f"some of {sorted(known)}. Was the config written by another "
            "version? Remove or rename them."
        )
    return cls(**arguments)


@dataclass(frozen=True)
class GaussianNoise(Corruption):
    """Adds independent Gaussian noise.

    Args:
        std: Standard deviation in grey levels of 255: a number, or a range
            (low, high) that it is drawn from uniformly. 0 changes nothing.
        clip: Whether the result is clipped to [0, 255].
    """

    name: ClassVar[str] = "gaussian"
    std: float | tuple[float, float] = (5.0, 50.0)
    clip: bool = True

    def __post_init__(self):
        object.__setattr__(self, "std", as_range(self.std, "std", 0, 255))

    def draw(self, rng):
        return {"std": float(rng.uniform(*self.std)), "seed": draw_seed(rng)}

    def apply(self, image, parameters):
        return add_gaussian_noise(
            as_float_image(image),
            parameters["std"],
            parameters["seed"],
            self.clip,
        )


@dataclass(frozen=True)
class PoissonNoise(Corruption):
    """Photon noise: a pixel x becomes Poisson(x * peak / 255) * 255 / peak.

    The mean stays x, the variance is x * 255 / peak: bright pixels are
    noisier and black ones stay black.

    Args:
        peak: Photon count of a white pixel (255): a number, or a range
            (low, high) that it is drawn from uniformly in its logarithm.
            Fewer photons, more noise.
        clip: Whether the result is clipped to [0, 255].
    """

    name: ClassVar[str] = "poisson"
    peak: float | tuple[float, float] = (20.0, 500.0)
    clip: bool = True

    def __post_init__(self):
        object.__setattr__(self, "peak", as_range(self.peak, "peak", 1, 1e6))

    def draw(self, rng):
        return {
            "peak": draw_log_uniform(rng, self.peak),
            "seed": draw_seed(rng),
        }

    def apply(self, image, parameters):
        image = as_float_image(image)
        gain = 255.0 / parameters["peak"]
        rng = np.random.default_rng(parameters["seed"])
        noisy = (rng.poisson(image / gain) * gain).astype(np.float32)
        return np.clip(noisy, 0, 255, out=noisy) if self.clip else noisy


@dataclass(frozen=True)
class RandomChoice(Corruption):
    """Applies one of several corruptions, drawn for each image.

    Args:
        corruptions: The corruptions to choose from.
        weights: Relative frequency of each; None for equal ones.
    """

    name: ClassVar[str] = "random_choice"
    corruptions: tuple[Corruption, ...]
    weights: tuple[float, ...] | None = None

    def __post_init__(self):
        corruptions = self.corruptions
        if (
            not isinstance(corruptions, (tuple, list))
            or not corruptions
            or not all(isinstance(item, Corruption) for item in corruptions)
        ):
            raise UmsrepError(
                f"corruptions={corruptions!r} was received; expected a list "
                "of corruptions. Pass for example [GaussianNoise(), "
                "PoissonNoise()]."
            )
        object.__setattr__(self, "corruptions", tuple(corruptions))
        if self.weights is not None:
            weights = self.weights
            if (
                not isinstance(weights, (tuple, list))
                or len(weights) != len(corruptions)
                or not all(_is_number(item) and item >= 0 for item in weights)
                or sum(weights) <= 0
            ):
                raise UmsrepError(
                    f"weights={weights!r} was received; expected "
                    f"{len(corruptions)} numbers from 0, one per corruption, "
                    "not all of them 0. Change weights."
                )
            weights = tuple(float(item) for item in weights)
            object.__setattr__(self, "weights", weights)

    def draw(self, rng):
        weights = np.array(self.weights or [1.0] * len(self.corruptions))
        index = int(rng.choice(len(weights), p=weights / weights.sum()))
        return {
            "choice": index,
            "parameters": self.corruptions[index].draw(rng),
        }

    def apply(self, image, parameters):
        corruption = self.corruptions[parameters["choice"]]
        return corruption.apply(image, parameters["parameters"])

    def get_config(self):
        config = super().get_config()
        config["corruptions"] = [
            corruption.get_config() for corruption in self.corruptions
        ]
        return config


CORRUPTIONS = MappingProxyType(
    {cls.name: cls for cls in (GaussianNoise, PoissonNoise, RandomChoice)}
)

# The test levels of Table 2 of the UMS-Rep paper. Its sigma and Poisson values
# are lost from the text at hand, so both are ours. The paper's denoised PSNR
# under Poisson noise (33.37 dB) lies between its second and third Gaussian
# level, at sigma 22 if these are 15 and 25: a peak of 70 photons gives chest
# X-rays (measured on two sets) the noisy PSNR of sigma 21 to 23.
TABLE_2_LEVELS = MappingProxyType(
    {
        "gaussian_10": GaussianNoise(10),
        "gaussian_15": GaussianNoise(15),
        "gaussian_25": GaussianNoise(25),
        "gaussian_35": GaussianNoise(35),
        "gaussian_50": GaussianNoise(50),
        "poisson": PoissonNoise(70),
    }
)
