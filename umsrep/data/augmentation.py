"""Augmentation for fine-tuning: one geometry for image, mask and map.

As in `umsrep.data.corruption`, parameters are drawn first (`draw`, JSON-able)
and replayed exactly (`apply`). Intensities change first and geometry after
that, so what lies outside the content stays black, as in scanned films, and
masks meet nothing but nearest-neighbour geometry.

Images are uint8 or float32 in [0, 255], (height, width) or (height, width,
channels), and come out as float32 in [0, 255]; masks are uint8 of the same
height and width and keep their values.
"""

import math
from dataclasses import asdict, dataclass, field

import cv2
import numpy as np

from umsrep.data.corruption import (
    add_gaussian_noise,
    as_float_image,
    as_number,
    as_range,
    build,
    draw_log_uniform,
    draw_seed,
)
from umsrep.errors import UmsrepError

# What `Augmentation.of` knows.
KINDS = ("chest", "doppler")


def check_mask(image, mask):
    if mask is None:
        return
    if not isinstance(mask, np.ndarray) or mask.dtype != np.uint8:
        raise UmsrepError(
            f"A mask of type {getattr(mask, 'dtype', type(mask).__name__)} "
            "was received; expected uint8. Convert it with .astype('uint8')."
        )
    if mask.shape[:2] != image.shape[:2]:
        raise UmsrepError(
            f"A mask of shape {mask.shape} was received with an image of "
            f"shape {image.shape}; expected the same height and width. "
            "Resize the mask by nearest neighbour first."
        )


class _Configured:
    def get_config(self):
        """The arguments, JSON-able, for `from_config`."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_config(cls, config):
        """The object that gave `config`; unknown arguments raise."""
        return build(cls, config)

    def _set(self, name, value):
        object.__setattr__(self, name, value)


@dataclass(frozen=True)
class GeometricAugmentation(_Configured):
    """Rotation, scale, aspect, shift, black borders; one for image and mask.

    The content is moved by an affine map about the centre of the frame and
    everything that it leaves free is black (mask: 0). A black border shrinks
    the moved content into what the border leaves free, so that a border never
    hides lung that the mask still shows.

    Args:
        rotation: Largest angle in degrees, drawn from [-rotation, rotation].
        scale: Range of the magnification, log-uniform. It reaches down to 0.65
            because a range that ended at 0.8 failed on validation images
            shrunk to 72 % of the frame (`data.simulated_shifts`).
        aspect: Range of the horizontal over the vertical stretch, at equal
            area, log-uniform.
        shift: Largest shift, as a fraction of width and height.
        border: Widest black border at one side, as a fraction of the frame.
        border_probability: How often there is a border: half of them a band
            at one side, half a frame around the content.
        flip: Whether half of the images are mirrored left to right. Leave it
            off for chests: a mirrored chest has its heart on the right (situs
            inversus), and side markers and the lungs' shapes stop telling
            sides apart.
    """

    rotation: float = 10.0
    scale: tuple[float, float] = (0.65, 1.25)
    aspect: tuple[float, float] = (0.85, 1.18)
    shift: float = 0.08
    border: float = 0.2
    border_probability: float = 0.25
    flip: bool = False

    def __post_init__(self):
        self._set("rotation", as_number(self.rotation, "rotation", 0, 180))
        self._set("scale", as_range(self.scale, "scale", 0.1, 10))
        self._set("aspect", as_range(self.aspect, "aspect", 0.1, 10))
        self._set("shift", as_number(self.shift, "shift", 0, 0.5))
        self._set("border", as_number(self.border, "border", 0, 0.4))
        self._set(
            "border_probability",
            as_number(self.border_probability, "border_probability", 0, 1),
        )

    def draw(self, rng):
        """The parameters of one geometry.

        Always consumes the same number of draws, so that two settings with
        one seed differ in their settings only.
        """
        angle = self.rotation * rng.uniform(-1, 1)
        scale = draw_log_uniform(rng, self.scale)
        aspect = draw_log_uniform(rng, self.aspect)
        shift = self.shift * rng.uniform(-1, 1, 2)
        has_border = rng.random() < self.border_probability
        is_band = rng.random() < 0.5
        side = int(rng.integers(4))
        widths = self.border * rng.random(4)
        if is_band:
            widths *= np.arange(4) == side
        flip = rng.random() < 0.5
        return {
            "angle": float(angle),
            "scale": scale,
            "aspect": aspect,
            "shift": [float(value) for value in shift],
            # Left, top, right, bottom, as fractions of the frame.
            "border": [float(value) for value in widths * has_border],
            "flip": bool(self.flip and flip),
        }

    def apply(self, image, mask, parameters):
        """Moves an image (linear interpolation) and its mask (nearest).

        Args:
            image: See the module.
            mask: uint8 (height, width), or None.
            parameters: From `draw`.

        Returns:
            (image, mask): new arrays; the mask is None if it was.
        """
        image = as_float_image(image)
        check_mask(image, mask)
        moved = _move(image, parameters, cv2.INTER_LINEAR)
        np.clip(moved, 0, 255, out=moved)  # Interpolation rounds past 255.
        if mask is not None:
            mask = _move(mask, parameters, cv2.INTER_NEAREST)
        return moved, mask

    def apply_to_map(self, values, parameters):
        """Moves a float32 map (gaze, attention): linear, 0 outside.

        Values are not normalised again: a map that must sum to 1 or reach 1
        has to be normalised by the caller.
        """
        values = np.asarray(values, np.float32)
        return _move(values, parameters, cv2.INTER_LINEAR)


def _move(values, parameters, interpolation):
    """Applies one drawn geometry to an array (height, width[, channels])."""
    height, width = values.shape[:2]
    left, top, right, bottom = (
        round(fraction * length)
        for fraction, length in zip(
            parameters["border"], (width, height, width, height), strict=True
        )
    )
    matrix = _matrix(parameters, width, height)
    # Shrinks the frame into the free rectangle. Pixel i covers [i, i + 1].
    matrix = (
        np.array(
            [
                [(width - left - right) / width, 0, left],
                [0, (height - top - bottom) / height, top],
                [0, 0, 1],
            ]
        )
        @ matrix
    )
    # OpenCV counts from the centre of the first pixel.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = np.linalg.inv(half) @ matrix @ half
    moved = cv2.warpAffine(
        values,
        matrix[:2],
        (width, height),
        flags=interpolation,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    ).reshape(values.shape)  # OpenCV drops a single channel.
    # Content outside the frame must not show in the border.
    moved[:top] = 0
    moved[height - bottom :] = 0
    moved[:, :left] = 0
    moved[:, width - right :] = 0
    return moved


def _matrix(parameters, width, height):
    """3x3 map of source to result, in pixels, about the frame's centre."""
    angle = math.radians(parameters["angle"])
    cosine, sine = math.cos(angle), math.sin(angle)
    stretch = math.sqrt(parameters["aspect"])
    horizontal = parameters["scale"] * stretch
    vertical = parameters["scale"] / stretch
    mirror = -1 if parameters["flip"] else 1
    linear = np.diag([horizontal, vertical]) @ np.array(
        [[cosine * mirror, sine], [-sine * mirror, cosine]]
    )
    centre = np.array([width / 2, height / 2])
    shift = np.array(parameters["shift"]) * (width, height)
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = centre + shift - linear @ centre
    return matrix


@dataclass(frozen=True)
class IntensityAugmentation(_Configured):
    """Gamma, contrast, brightness, blur and noise; never touches a mask.

    Args:
        gamma: Range of the exponent on [0, 1], log-uniform; above 1 darkens.
        contrast: Range of the factor about mid-grey, log-uniform.
        brightness: Range of the added grey levels.
        blur_sigma: Range of the Gaussian blur's sigma in pixels.
        noise_std: Range of the Gaussian noise in grey levels of 255.
        probability: How often each of the five is applied, independently.
    """

    gamma: tuple[float, float] = (0.6, 1.6)
    contrast: tuple[float, float] = (0.7, 1.4)
    brightness: tuple[float, float] = (-25.0, 25.0)
    blur_sigma: tuple[float, float] = (0.0, 1.5)
    noise_std: tuple[float, float] = (0.0, 12.0)
    probability: float = 0.5

    def __post_init__(self):
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

    def draw(self, rng):
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

    def apply(self, image, parameters):
        """The changed image, float32, clipped to [0, 255]."""
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


def _tone(values, gamma, contrast, brightness):
    """Gamma, then contrast about mid-grey, then brightness, clipped."""
    if gamma != 1:
        shape = values.shape
        values = cv2.pow(values / 255, gamma).reshape(shape) * 255
    values = (values - 127.5) * contrast + (127.5 + brightness)
    return np.clip(values, 0, 255).astype(np.float32)


@dataclass(frozen=True)
class Augmentation(_Configured):
    """Intensity changes, then one geometry for image and mask.

    Args:
        geometry: A `GeometricAugmentation`, or None for no geometry.
        intensity: An `IntensityAugmentation`, or None to leave greys alone.
        probability: How often an image is augmented at all.
    """

    geometry: GeometricAugmentation | None = field(
        default_factory=GeometricAugmentation
    )
    intensity: IntensityAugmentation | None = field(
        default_factory=IntensityAugmentation
    )
    probability: float = 0.9

    def __post_init__(self):
        for name, cls in (
            ("geometry", GeometricAugmentation),
            ("intensity", IntensityAugmentation),
        ):
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
    def of(cls, kind, strength=1.0):
        """The default for a kind of image.

        Args:
            kind: "chest" (also a start for other radiographs), or "doppler".
            strength: 0 changes nothing, 1 is the default, at most 1.5; every
                range grows with it.

        Raises:
            UmsrepError: an unknown kind.
        """
        if kind not in KINDS:
            raise UmsrepError(
                f"kind='{kind}' is no kind of augmentation. Choose one of "
                f"{', '.join(KINDS)}, or make an Augmentation of your own."
            )
        return getattr(cls, kind)(strength)

    @classmethod
    def chest(cls, strength=1.0):
        """The default for chest X-rays; no left-right flip.

        Args:
            strength: As of `of`.
        """
        return cls._scaled(GeometricAugmentation(), strength)

    @classmethod
    def doppler(cls, strength=1.0):
        """The default for spectral Doppler strips: time on x, velocity on y.

        Sweep speed, velocity range and baseline vary a little, and grey
        levels as for chests. Nothing is turned or mirrored: that would mean
        another flow.

        Args:
            strength: As of `of`.
        """
        shape = GeometricAugmentation(
            rotation=0.0, scale=(0.9, 1.1), shift=0.05, border=0.0
        )
        return cls._scaled(shape, strength)

    @classmethod
    def _scaled(cls, shape, strength):
        strength = as_number(strength, "strength", 0, 1.5)

        def around_one(limits):
            return tuple(limit**strength for limit in limits)

        def around_zero(limits):
            return tuple(limit * strength for limit in limits)

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
    def from_config(cls, config):
        """The object that gave `config`; unknown arguments raise."""
        config = dict(config)
        for name, part in (
            ("geometry", GeometricAugmentation),
            ("intensity", IntensityAugmentation),
        ):
            if config.get(name) is not None:
                config[name] = part.from_config(config[name])
        return build(cls, config)

    def get_config(self):
        """The arguments, JSON-able, for `from_config`."""
        return {
            "geometry": self.geometry and self.geometry.get_config(),
            "intensity": self.intensity and self.intensity.get_config(),
            "probability": self.probability,
        }

    def draw(self, rng):
        """The parameters of one augmentation; None for a part not applied.

        Args:
            rng: A `numpy.random.Generator`, the only source of randomness.
        """
        applied = rng.random() < self.probability
        geometry = self.geometry and self.geometry.draw(rng)
        intensity = self.intensity and self.intensity.draw(rng)
        return {
            "geometry": geometry if applied else None,
            "intensity": intensity if applied else None,
        }

    def apply(self, image, mask, parameters):
        """The augmented (image, mask); a mask of None stays None."""
        check_mask(image, mask)
        if parameters["intensity"] is not None:
            image = self.intensity.apply(image, parameters["intensity"])
        if parameters["geometry"] is not None:
            return self.geometry.apply(image, mask, parameters["geometry"])
        image = as_float_image(image)
        return image, None if mask is None else mask.copy()

    def apply_to_map(self, values, parameters):
        """A map moved with the image; greys and sum are left alone."""
        if parameters["geometry"] is None:
            return np.array(values, np.float32)
        return self.geometry.apply_to_map(values, parameters["geometry"])

    def __call__(self, image, mask, rng):
        """Draws and applies in one step."""
        return self.apply(image, mask, self.draw(rng))
