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

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from umsrep.data.parameters import (
    Parameters,
    Range,
    as_range,
    draw_log_uniform,
    draw_seed,
    from_arguments,
    is_number,
)
from umsrep.data.pixels import Floats, add_gaussian_noise, as_float_image
from umsrep.errors import UmsrepError
from umsrep.registry import Registry

registry = Registry("corruption", serializable=False)


class Corruption:
    """Base of the corruptions: `draw`, `apply`, and a JSON-able config.

    A subclass is a frozen data class, registered under its name.
    """

    @classmethod
    def registered_name(cls) -> str:
        """The name that it is registered under."""
        for name, found in registry.items():
            if found is cls:
                return name
        raise UmsrepError(
            f"{cls.__name__} has no name. Register it: "
            "@corruption.registry.register('name')."
        )

    def draw(self, rng: np.random.Generator) -> Parameters:
        """The parameters of one corruption, a JSON-able dict.

        Args:
            rng: A `numpy.random.Generator`; the only source of randomness.
        """
        raise NotImplementedError

    def apply(self, image: NDArray, parameters: Parameters) -> Floats:
        """The corrupted image, float32, of the shape of `image`.

        Args:
            image: uint8 or float32 in [0, 255]; it is not changed.
            parameters: What `draw` returned; equal parameters give equal
                results.

        Raises:
            UmsrepError: `image` is of another type, shape or range.
        """
        raise NotImplementedError

    def learnt(
        self, shape: tuple[int, ...], parameters: Parameters
    ) -> NDArray | None:
        """Which pixels are to be reconstructed; None, the default: all.

        Args:
            shape: Of the image.
            parameters: What `draw` returned.

        Returns:
            (height, width) bool, or None.
        """
        return None

    def __call__(self, image: NDArray, rng: np.random.Generator) -> Floats:
        """Draws and applies in one step."""
        return self.apply(image, self.draw(rng))

    def get_config(self) -> dict[str, Any]:
        """The name and the arguments, JSON-able, for `from_config`."""
        config: dict[str, Any] = {"name": self.registered_name()}
        for field in fields(self):  # type: ignore[arg-type]
            config[field.name] = _plain(getattr(self, field.name))
        return config

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> "Corruption":
        """The corruption whose `get_config` is `config`, of whichever class.

        Raises:
            UmsrepError: no corruption has the name, or an argument is
                missing or unknown.
        """
        # Where the other corruptions are registered.
        from umsrep.data import restoration  # noqa: F401

        arguments = dict(config)
        name = arguments.pop("name", None)
        if name not in registry.names():
            raise UmsrepError(
                f"No corruption is named {name!r}. Known names: "
                f"{', '.join(registry.names())}."
            )
        if "corruptions" in arguments:
            arguments["corruptions"] = [
                Corruption.from_config(item)
                for item in arguments["corruptions"]
            ]
        if "corruption" in arguments:
            arguments["corruption"] = Corruption.from_config(
                arguments["corruption"]
            )
        return from_arguments(registry.get(name), arguments)


def _plain(value: Any) -> Any:
    """A JSON-able argument."""
    if isinstance(value, Corruption):
        return value.get_config()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def check_corruptions(corruptions: Any) -> tuple[Corruption, ...]:
    """Corruptions as a tuple.

    Raises:
        UmsrepError: not a list of at least one corruption.
    """
    if (
        not isinstance(corruptions, (tuple, list))
        or not corruptions
        or not all(isinstance(item, Corruption) for item in corruptions)
    ):
        raise UmsrepError(
            f"corruptions={corruptions!r} was received; expected a list of "
            "corruptions. Pass for example [GaussianNoise(), PoissonNoise()]."
        )
    return tuple(corruptions)


@registry.register("gaussian")
@dataclass(frozen=True)
class GaussianNoise(Corruption):
    """Adds independent Gaussian noise.

    Args:
        std: Standard deviation in grey levels of 255: a number, or a range
            (low, high) from which it is drawn uniformly. 0 changes nothing.
        clip: Whether the result is clipped to [0, 255].
    """

    std: float | Range = (5.0, 50.0)
    clip: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "std", as_range(self.std, "std", 0, 255))

    def draw(self, rng: np.random.Generator) -> Parameters:
        low, high = cast(Range, self.std)  # since __post_init__
        return {"std": float(rng.uniform(low, high)), "seed": draw_seed(rng)}

    def apply(self, image: NDArray, parameters: Parameters) -> Floats:
        return add_gaussian_noise(
            as_float_image(image),
            parameters["std"],
            parameters["seed"],
            self.clip,
        )


@registry.register("poisson")
@dataclass(frozen=True)
class PoissonNoise(Corruption):
    """Photon noise: a pixel x becomes Poisson(x * peak / 255) * 255 / peak.

    The mean stays x, the variance is x * 255 / peak: bright pixels are
    noisier and black ones stay black.

    Args:
        peak: Photon count of a white pixel (255): a number, or a range
            (low, high) from which it is drawn uniformly in its logarithm.
            Fewer photons, more noise.
        clip: Whether the result is clipped to [0, 255].
    """

    peak: float | Range = (20.0, 500.0)
    clip: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "peak", as_range(self.peak, "peak", 1, 1e6))

    def draw(self, rng: np.random.Generator) -> Parameters:
        return {
            "peak": draw_log_uniform(rng, cast(Range, self.peak)),
            "seed": draw_seed(rng),
        }

    def apply(self, image: NDArray, parameters: Parameters) -> Floats:
        image = as_float_image(image)
        gain = 255.0 / parameters["peak"]
        rng = np.random.default_rng(parameters["seed"])
        noisy = (rng.poisson(image / gain) * gain).astype(np.float32)
        return np.clip(noisy, 0, 255, out=noisy) if self.clip else noisy


@registry.register("random_choice")
@dataclass(frozen=True)
class RandomChoice(Corruption):
    """Applies one of several corruptions, drawn for each image.

    Args:
        corruptions: The corruptions to choose from.
        weights: Relative frequency of each; None for equal ones.
    """

    corruptions: tuple[Corruption, ...]
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        corruptions = check_corruptions(self.corruptions)
        object.__setattr__(self, "corruptions", corruptions)
        if self.weights is not None:
            weights = self.weights
            if (
                not isinstance(weights, (tuple, list))
                or len(weights) != len(corruptions)
                or not all(is_number(item) and item >= 0 for item in weights)
                or sum(weights) <= 0
            ):
                raise UmsrepError(
                    f"weights={weights!r} was received; expected "
                    f"{len(corruptions)} numbers from 0, one per corruption, "
                    "not all of them 0. Change weights."
                )
            weights = tuple(float(item) for item in weights)
            object.__setattr__(self, "weights", weights)

    def draw(self, rng: np.random.Generator) -> Parameters:
        weights = np.array(self.weights or [1.0] * len(self.corruptions))
        index = int(rng.choice(len(weights), p=weights / weights.sum()))
        return {
            "choice": index,
            "parameters": self.corruptions[index].draw(rng),
        }

    def apply(self, image: NDArray, parameters: Parameters) -> Floats:
        corruption = self.corruptions[parameters["choice"]]
        return corruption.apply(image, parameters["parameters"])

    def learnt(
        self, shape: tuple[int, ...], parameters: Parameters
    ) -> NDArray | None:
        corruption = self.corruptions[parameters["choice"]]
        return corruption.learnt(shape, parameters["parameters"])


# The test levels of Table 2 of the UMS-Rep paper. Its sigma and Poisson values
# are missing in the text at hand, so both are ours. The paper's denoised PSNR
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
