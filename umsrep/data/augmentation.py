"""Augmentation for fine-tuning: one geometry for image, mask and map.

As in `umsrep.data.corruption`, parameters are drawn first (`draw`, JSON-able)
and replayed exactly (`apply`). Intensities change first and geometry after
that, so what lies outside the content stays black, as in scanned films, and
masks meet nothing but nearest-neighbour geometry.

Images are uint8 or float32 in [0, 255], (height, width) or (height, width,
channels), and come out as float32 in [0, 255]; masks are uint8 of the same
height and width and keep their values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from umsrep.data.geometric_augmentation import GeometricAugmentation
from umsrep.data.intensity_augmentation import IntensityAugmentation
from umsrep.data.parameters import (
    Configured,
    Parameters,
    Range,
    as_number,
    from_arguments,
)
from umsrep.data.pixels import Floats, Mask, as_float_image, check_mask
from umsrep.data.scanner_augmentation import ScannerAugmentation
from umsrep.errors import UmsrepError

if TYPE_CHECKING:
    from umsrep.data.dataset import Dataset

# The kinds of image that `Augmentation.of` knows.
KINDS = ("chest", "doppler", "scanner")

_PARTS: dict[str, type[Configured]] = {
    "geometry": GeometricAugmentation,
    "intensity": IntensityAugmentation,
    "scanner": ScannerAugmentation,
}


@dataclass(frozen=True)
class Augmentation(Configured):
    """Intensity changes, then one geometry for image and mask.

    Args:
        geometry: A `GeometricAugmentation`, or None for no geometry.
        intensity: An `IntensityAugmentation`, or None to leave greys alone.
        probability: How often an image is augmented at all.
        scanner: A `ScannerAugmentation`, which comes first, or None.
    """

    geometry: GeometricAugmentation | None = field(
        default_factory=GeometricAugmentation
    )
    intensity: IntensityAugmentation | None = field(
        default_factory=IntensityAugmentation
    )
    probability: float = 0.9
    scanner: ScannerAugmentation | None = None

    def __post_init__(self) -> None:
        for name, cls in _PARTS.items():
            value = getattr(self, name)
            if value is not None and not isinstance(value, cls):
                raise UmsrepError(
                    f"{name}={value!r} was received; expected a "
                    f"{cls.__name__} or None. Pass {name}={cls.__name__}()."
                )
        self._set(
            "probability", as_number(self.probability, "probability", 0, 1)
        )

    @classmethod
    def of(cls, kind: str, strength: float = 1.0) -> Self:
        """The default for a kind of image.

        Args:
            kind: "chest" (also a start for other radiographs), "scanner"
                (the same, and what scanners and hospitals differ in), or
                "doppler".
            strength: 0 changes nothing, 1 is the default, at most 1.5; every
                range grows with it.

        Raises:
            UmsrepError: an unknown kind.
        """
        if kind not in KINDS:
            raise UmsrepError(
                f"kind='{kind}' is not a kind of augmentation. Choose one of "
                f"{', '.join(KINDS)}, or make an Augmentation of your own."
            )
        # The class has an attribute called scanner: a part.
        name = {"scanner": "scanner_shifts"}.get(kind, kind)
        return getattr(cls, name)(strength)

    @classmethod
    def chest(cls, strength: float = 1.0) -> Self:
        """The default for chest X-rays; no left-right flip.

        Args:
            strength: As in `of`.
        """
        return cls._scaled(GeometricAugmentation(), strength)

    @classmethod
    def scanner_shifts(cls, strength: float = 1.0) -> Self:
        """That of chests, and marks, histograms, sharpness and so on.

        Args:
            strength: As in `of`.
        """
        strength = as_number(strength, "strength", 0, 1.5)
        usual = ScannerAugmentation()
        scanner = ScannerAugmentation(
            marks=usual.marks * strength,
            matching=min(1.0, usual.matching * strength),
            tone=usual.tone * strength,
            resolution=(1.0, usual.resolution[1] ** strength),
            sharpness=(0.0, usual.sharpness[1] * strength),
            quality=(
                max(10.0, 100 - (100 - usual.quality[0]) * strength),
                100 - (100 - usual.quality[1]) * strength,
            ),
            frame=usual.frame * strength,
            # JPEG is not the image itself even at its best quality.
            probability=usual.probability * min(1.0, 2 * strength),
        )
        chest = cls.chest(strength)
        # Tones changed twice are often too bright or too dark to be read.
        intensity = chest.intensity and replace(
            chest.intensity, probability=0.35
        )
        return replace(chest, intensity=intensity, scanner=scanner)

    def with_references(self, dataset: "Dataset", seed: int = 0) -> Self:
        """The same, with histograms of these images to match.

        Args:
            dataset: The training images.
            seed: Seed of their choice.
        """
        if self.scanner is None:
            return self
        scanner = self.scanner.with_references(dataset, seed=seed)
        return replace(self, scanner=scanner)

    @classmethod
    def doppler(cls, strength: float = 1.0) -> Self:
        """The default for spectral Doppler strips: time on x, velocity on y.

        Sweep speed, velocity range and baseline vary a little, and grey
        levels as for chests. Nothing is turned or mirrored: that would
        depict a different flow.

        Args:
            strength: As in `of`.
        """
        shape = GeometricAugmentation(
            rotation=0.0, scale=(0.9, 1.1), shift=0.05, border=0.0
        )
        return cls._scaled(shape, strength)

    @classmethod
    def _scaled(cls, shape: GeometricAugmentation, strength: float) -> Self:
        strength = as_number(strength, "strength", 0, 1.5)

        def around_one(limits: Range) -> Range:
            return limits[0] ** strength, limits[1] ** strength

        def around_zero(limits: Range) -> Range:
            return limits[0] * strength, limits[1] * strength

        grey = IntensityAugmentation()
        return cls(
            GeometricAugmentation(
                rotation=shape.rotation * strength,
                scale=around_one(shape.scale),
                aspect=around_one(shape.aspect),
                shift=shape.shift * strength,
                border=shape.border * strength,
            ),
            IntensityAugmentation(
                gamma=around_one(grey.gamma),
                contrast=around_one(grey.contrast),
                brightness=around_zero(grey.brightness),
                blur_sigma=around_zero(grey.blur_sigma),
                noise_std=around_zero(grey.noise_std),
            ),
        )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The object that `get_config` describes; unknown arguments raise."""
        arguments = dict(config)
        for name, part in _PARTS.items():
            if arguments.get(name) is not None:
                arguments[name] = part.from_config(arguments[name])
        return from_arguments(cls, arguments)

    def get_config(self) -> dict[str, Any]:
        """The arguments, JSON-able, for `from_config`."""
        return {
            "geometry": self.geometry and self.geometry.get_config(),
            "intensity": self.intensity and self.intensity.get_config(),
            "probability": self.probability,
            "scanner": self.scanner and self.scanner.get_config(),
        }

    def draw(self, rng: np.random.Generator) -> Parameters:
        """The parameters of one augmentation; None for a part not applied.

        Args:
            rng: A `numpy.random.Generator`, the only source of randomness.
        """
        applied = rng.random() < self.probability
        geometry = self.geometry and self.geometry.draw(rng)
        intensity = self.intensity and self.intensity.draw(rng)
        # Last, so that without it the others are what they were.
        scanner = self.scanner and self.scanner.draw(rng)
        return {
            "geometry": geometry if applied else None,
            "intensity": intensity if applied else None,
            "scanner": scanner if applied else None,
        }

    def apply(
        self, image: NDArray, mask: Mask | None, parameters: Parameters
    ) -> tuple[Floats, Mask | None]:
        """The augmented (image, mask); a mask of None stays None."""
        check_mask(image, mask)
        # What was drawn has its part; records before it have no scanner.
        if parameters.get("scanner") is not None:
            image = self.scanner.apply(  # type: ignore[union-attr]
                image, parameters["scanner"]
            )
        if parameters["intensity"] is not None:
            image = self.intensity.apply(  # type: ignore[union-attr]
                image, parameters["intensity"]
            )
        if parameters["geometry"] is not None:
            return self.geometry.apply(  # type: ignore[union-attr]
                image, mask, parameters["geometry"]
            )
        image = as_float_image(image)
        return image, None if mask is None else mask.copy()

    def apply_to_map(self, values: ArrayLike, parameters: Parameters) -> Floats:
        """A map moved with the image; its values are not normalised again."""
        if parameters["geometry"] is None:
            return np.array(values, np.float32)
        return self.geometry.apply_to_map(  # type: ignore[union-attr]
            values, parameters["geometry"]
        )

    def __call__(
        self, image: NDArray, mask: Mask | None, rng: np.random.Generator
    ) -> tuple[Floats, Mask | None]:
        """Draws and applies in one step."""
        return self.apply(image, mask, self.draw(rng))
