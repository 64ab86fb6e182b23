"""What an image is restored from, beside noise: lost order, parts, detail.

Corruptions as those of `umsrep.data.corruption`: drawn first, then replayed
exactly. The first four are Models Genesis (Zhou et al. 2021, "Models Genesis",
Medical Image Analysis 67, Section 3; figures of its published code for images
of two dimensions); `PatchMask` is that of masked autoencoders (He et al.
2022); `Downscale` loses detail, as super-resolution needs it.
"""

from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from umsrep.data.corruption import Corruption, check_corruptions, registry
from umsrep.data.parameters import (
    Parameters,
    Range,
    as_number,
    as_range,
    draw_seed,
    is_number,
)
from umsrep.data.pixels import Floats, as_float_image
from umsrep.errors import UmsrepError

# Points of a curve of grey levels.
_POINTS = 256


@registry.register("non_linear_intensity")
@dataclass(frozen=True)
class NonLinearIntensity(Corruption):
    """Maps grey levels by a monotone Bezier curve (Zhou et al. 2021, 3.1).

    The cubic curve runs from (0, 0) to (1, 1) with two control points drawn
    uniformly from the unit square, sorted so that it rises. The appearance
    changes; which of two tissues is brighter does not, or for every pixel at
    once.

    Args:
        falling: How often the curve is turned round, so that bright becomes
            dark; half of the images in the authors' code.
    """

    falling: float = 0.5

    def __post_init__(self) -> None:
        falling = as_number(self.falling, "falling", 0, 1)
        object.__setattr__(self, "falling", falling)

    def draw(self, rng: np.random.Generator) -> Parameters:
        x, y = np.sort(rng.random((2, 2)), axis=1)
        return {
            "x": x.tolist(),
            "y": y.tolist(),
            "falling": bool(rng.random() < self.falling),
        }

    def apply(self, image: NDArray, parameters: Parameters) -> Floats:
        t = np.linspace(0.0, 1.0, _POINTS)
        # Bernstein polynomials; the ends are fixed at 0 and 1.
        inner = np.stack([3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t)])
        x = np.asarray(parameters["x"]) @ inner + t**3
        y = np.asarray(parameters["y"]) @ inner + t**3
        if parameters["falling"]:
            y = 1.0 - y
        image = as_float_image(image)
        # A table at every tenth of a grey level is finer than what is stored.
        table = np.interp(np.linspace(0.0, 1.0, 2551), x, y) * 255.0
        found = table[np.rint(image * 10.0).astype(np.int32)]
        return found.astype(np.float32)


@registry.register("local_shuffling")
@dataclass(frozen=True)
class LocalShuffling(Corruption):
    """Shuffles the pixels of small windows (Zhou et al. 2021, 3.2).

    Local texture is lost and shapes stay: the pixels of a window keep their
    values and their window. The windows of one side, which is drawn, tile the
    image from a drawn corner, where the authors' overlap and have sides of
    their own: an array of windows is shuffled at once, so that the corruption
    takes milliseconds.

    Args:
        side: Longest side of a window as a share of the image's shorter side,
            at least two pixels.
        share: Share of the windows that are shuffled.
    """

    side: float = 0.1
    share: float = 0.5

    def __post_init__(self) -> None:
        for name in ("side", "share"):
            value = as_number(getattr(self, name), name, 0, 1)
            object.__setattr__(self, name, value)

    def draw(self, rng: np.random.Generator) -> Parameters:
        # In shares of the side: the size of the image is not known yet.
        side, top, left = rng.random(3)
        return {
            "side": float(side),
            "corner": [float(top), float(left)],
            "seed": draw_seed(rng),
        }

    def apply(self, image: NDArray, parameters: Parameters) -> Floats:
        image = as_float_image(image)
        height, width = image.shape[:2]
        longest = max(2, int(self.side * min(height, width)))
        side = 2 + int(parameters["side"] * (longest - 1))
        top, left = (int(c * side) for c in parameters["corner"])
        rows, columns = (height - top) // side, (width - left) // side
        if not rows or not columns:
            return image
        inside = image[top : top + rows * side, left : left + columns * side]
        rng = np.random.default_rng(parameters["seed"])
        chosen = rng.random(rows * columns) < self.share
        windows = inside.reshape(rows, side, columns, side, -1)
        windows = windows.transpose(0, 2, 1, 3, 4)
        windows = windows.reshape(rows * columns, side * side, -1)
        order = rng.random((int(chosen.sum()), side * side)).argsort(axis=1)
        windows[chosen] = np.take_along_axis(
            windows[chosen], order[:, :, None], axis=1
        )
        windows = windows.reshape(rows, columns, side, side, -1)
        inside[...] = windows.transpose(0, 2, 1, 3, 4).reshape(inside.shape)
        return image


def _draw_boxes(
    rng: np.random.Generator, sides: Range, most: int
) -> list[list[float]]:
    """Boxes [top, left, height, width] in shares of the image."""
    boxes: list[list[float]] = []
    # The authors go on after each box with a probability of 0.95.
    while len(boxes) < most and (not boxes or rng.random() < 0.95):
        height, width = rng.uniform(*sides, 2)
        top = rng.uniform(0, 1 - height)
        left = rng.uniform(0, 1 - width)
        boxes.append([float(v) for v in (top, left, height, width)])
    return boxes


def _boxes(boxes: list[list[float]], shape: tuple[int, ...]) -> NDArray:
    """(height, width) bool: what lies in any box."""
    found = np.zeros(shape[:2], bool)
    scale = np.array([*shape[:2], *shape[:2]])
    for box in boxes:
        top, left, height, width = np.rint(np.array(box) * scale).astype(int)
        found[top : top + max(height, 1), left : left + max(width, 1)] = True
    return found


@dataclass(frozen=True)
class _Painting(Corruption):
    """Boxes, drawn in shares of the image; what is lost becomes noise."""

    side: Range = (1 / 6, 1 / 3)
    most: int = 5

    def __post_init__(self) -> None:
        object.__setattr__(self, "side", as_range(self.side, "side", 0, 1))
        if self.most != int(self.most) or self.most < 1:
            raise UmsrepError(
                f"most={self.most!r} was received; expected a whole number of "
                "at least 1. Change most."
            )

    def draw(self, rng: np.random.Generator) -> Parameters:
        return {
            "boxes": _draw_boxes(rng, self.side, self.most),
            "seed": draw_seed(rng),
        }

    def hidden(self, shape: tuple[int, ...], parameters: Parameters) -> NDArray:
        """(height, width) bool: the pixels that are lost."""
        raise NotImplementedError

    def apply(self, image: NDArray, parameters: Parameters) -> Floats:
        image = as_float_image(image)
        lost = self.hidden(image.shape, parameters)
        rng = np.random.default_rng(parameters["seed"])
        count = (int(lost.sum()), *image.shape[2:])
        image[lost] = rng.random(count, dtype=np.float32) * 255.0
        return image


@registry.register("in_painting")
@dataclass(frozen=True)
class InPainting(_Painting):
    """Replaces boxes inside the image by noise (Zhou et al. 2021, 3.4).

    Args:
        side: Range of a box's sides, in shares of the image's.
        most: Boxes at most.
    """

    def hidden(self, shape: tuple[int, ...], parameters: Parameters) -> NDArray:
        return _boxes(parameters["boxes"], shape)


@registry.register("out_painting")
@dataclass(frozen=True)
class OutPainting(_Painting):
    """Replaces all but a few boxes by noise (Zhou et al. 2021, 3.3).

    Args:
        side: Range of a box's sides, in shares of the image's.
        most: Boxes at most; they may overlap.
    """

    side: Range = (3 / 7, 4 / 7)

    def hidden(self, shape: tuple[int, ...], parameters: Parameters) -> NDArray:
        return ~_boxes(parameters["boxes"], shape)


@registry.register("downscale")
@dataclass(frozen=True)
class Downscale(Corruption):
    """Loses detail: averaged down by a factor, bicubic up again.

    Args:
        factors: Whole factors of at least 1, one of which is drawn. 1 changes
            nothing.
    """

    factors: tuple[int, ...] = (2, 3, 4)

    def __post_init__(self) -> None:
        factors: Any = self.factors
        factors = (factors,) if is_number(factors) else factors
        if not factors or not all(
            is_number(f) and f == int(f) and 1 <= f <= 16 for f in factors
        ):
            raise UmsrepError(
                f"factors={self.factors!r} was received; expected whole "
                "numbers from 1 to 16, such as (2, 3, 4). Change factors."
            )
        object.__setattr__(self, "factors", tuple(int(f) for f in factors))

    def draw(self, rng: np.random.Generator) -> Parameters:
        return {"factor": int(rng.choice(self.factors))}

    def apply(self, image: NDArray, parameters: Parameters) -> Floats:
        image = as_float_image(image)
        height, width = image.shape[:2]
        factor = parameters["factor"]
        if factor == 1:
            return image
        small = (max(1, width // factor), max(1, height // factor))
        found = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        found = cv2.resize(
            found, (width, height), interpolation=cv2.INTER_CUBIC
        )
        return np.clip(found, 0, 255).reshape(image.shape)


@registry.register("patch_mask")
@dataclass(frozen=True)
class PatchMask(Corruption):
    """Hides square patches (He et al. 2022, "Masked Autoencoders").

    Hidden pixels become the mean of the visible ones, so that nothing of what
    they were is left in the image, and only they are to be reconstructed
    (`learnt`).

    Args:
        patch: Side of a patch in pixels; the patches tile the image from its
            upper left corner.
        ratio: Share of the patches that is hidden; at least one is, and at
            least one is not.
    """

    patch: int = 32
    ratio: float = 0.6

    def __post_init__(self) -> None:
        if (
            not is_number(self.patch)
            or self.patch != int(self.patch)
            or (self.patch < 1)
        ):
            raise UmsrepError(
                f"patch={self.patch!r} was received; expected a whole number "
                "of pixels, such as 32. Change patch."
            )
        object.__setattr__(self, "patch", int(self.patch))
        ratio = as_number(self.ratio, "ratio", 0, 1)
        object.__setattr__(self, "ratio", ratio)

    def draw(self, rng: np.random.Generator) -> Parameters:
        return {"seed": draw_seed(rng)}

    def learnt(self, shape: tuple[int, ...], parameters: Parameters) -> NDArray:
        height, width = shape[:2]
        grid = (-(-height // self.patch), -(-width // self.patch))
        count = grid[0] * grid[1]
        if count < 2:
            raise UmsrepError(
                f"patch={self.patch} on an image of {height}x{width} pixels: "
                "one patch covers all of it, and nothing is visible. Choose a "
                "smaller patch, such as --mask-patch "
                f"{max(1, min(height, width) // 4)}."
            )
        hidden = min(max(round(self.ratio * count), 1), count - 1)
        rng = np.random.default_rng(parameters["seed"])
        cells = np.zeros(count, bool)
        cells[rng.permutation(count)[:hidden]] = True
        cells = cells.reshape(grid).repeat(self.patch, 0).repeat(self.patch, 1)
        return cells[:height, :width]

    def apply(self, image: NDArray, parameters: Parameters) -> Floats:
        image = as_float_image(image)
        hidden = self.learnt(image.shape, parameters)
        image[hidden] = image[~hidden].mean(axis=0)
        return image


@registry.register("sometimes")
@dataclass(frozen=True)
class Sometimes(Corruption):
    """Applies a corruption to a share of the images.

    Args:
        corruption: A `Corruption`.
        probability: How often it is applied.
    """

    corruption: Corruption
    probability: float = 0.5

    def __post_init__(self) -> None:
        check_corruptions([self.corruption])
        value = as_number(self.probability, "probability", 0, 1)
        object.__setattr__(self, "probability", value)

    def draw(self, rng: np.random.Generator) -> Parameters:
        applied = rng.random() < self.probability
        drawn = self.corruption.draw(rng)
        return {"parameters": drawn if applied else None}

    def apply(self, image: NDArray, parameters: Parameters) -> Floats:
        if parameters["parameters"] is None:
            return as_float_image(image)
        return self.corruption.apply(image, parameters["parameters"])

    def learnt(
        self, shape: tuple[int, ...], parameters: Parameters
    ) -> NDArray | None:
        if parameters["parameters"] is None:
            return None
        return self.corruption.learnt(shape, parameters["parameters"])


@registry.register("chain")
@dataclass(frozen=True)
class Chain(Corruption):
    """Applies several corruptions one after the other.

    Where some of them leave pixels that are not to be reconstructed, the
    pixels to be are those of any of these (`learnt`), whatever the others do.

    Args:
        corruptions: The corruptions, in their order.
    """

    corruptions: tuple[Corruption, ...]

    def __post_init__(self) -> None:
        corruptions = check_corruptions(self.corruptions)
        object.__setattr__(self, "corruptions", corruptions)

    def draw(self, rng: np.random.Generator) -> Parameters:
        return {"parameters": [each.draw(rng) for each in self.corruptions]}

    def apply(self, image: NDArray, parameters: Parameters) -> Floats:
        found = cast(Floats, image)
        for each, drawn in zip(
            self.corruptions, parameters["parameters"], strict=True
        ):
            found = each.apply(found, drawn)
        return found

    def learnt(
        self, shape: tuple[int, ...], parameters: Parameters
    ) -> NDArray | None:
        parts = (
            each.learnt(shape, drawn)
            for each, drawn in zip(
                self.corruptions, parameters["parameters"], strict=True
            )
        )
        chosen = [part for part in parts if part is not None]
        return np.any(chosen, axis=0) if chosen else None


def models_genesis(noise: Corruption | None = None) -> Chain:
    """The corruption of Models Genesis, with noise on top if given.

    Non-linear intensity for 90 % of the images, local shuffling for half of
    them, and for 90 % either out-painting (80 %) or in-painting, never both,
    as the authors' code draws them.

    Args:
        noise: A further `Corruption` of every image, or None.
    """
    from umsrep.data.corruption import RandomChoice

    painting = RandomChoice((OutPainting(), InPainting()), (0.8, 0.2))
    parts: list[Corruption] = [
        Sometimes(LocalShuffling(), 0.5),
        Sometimes(NonLinearIntensity(), 0.9),
        Sometimes(painting, 0.9),
    ]
    return Chain((*parts, noise) if noise is not None else tuple(parts))
