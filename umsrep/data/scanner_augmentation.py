"""Changes of what scanners, archives and wards differ in."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from umsrep.data.marks import draw_mark, paint_mark
from umsrep.data.parameters import (
    Configured,
    Parameters,
    Range,
    as_number,
    as_range,
    draw_log_uniform,
)
from umsrep.data.pixels import Floats, as_float_image
from umsrep.errors import UmsrepError

if TYPE_CHECKING:
    from umsrep.data.dataset import Dataset

# Grey levels at these shares of the pixels describe an image's histogram.
SHARES = np.linspace(0, 1, 17)
# Knots of a curve of tone between black and white.
KNOTS = 5
MARKS = 2
PARTS = ("matching", "tone", "resolution", "sharpness", "quality", "frame")
# Column of the manifest whose values have equal shares of the references.
SITE = "site"


@dataclass(frozen=True)
class ScannerAugmentation(Configured):
    """Marks, histograms, tone curves, sharpness, resolution, compression.

    Never touches a mask. In the order in which they come about: marks lie
    beside the patient, the histogram becomes that of another image, the tone
    follows an increasing curve, contours are enhanced, the image loses
    resolution, is compressed, and gets a frame.

    Args:
        marks: How often each of two marks (`data.marks`) is painted.
        matching: Largest share of the way to another image's histogram.
        tone: Standard deviation of the logarithms of a tone curve's slopes.
        resolution: Range of the factor by which an image is made smaller, and
            then as large again, log-uniform.
        sharpness: Range of the amount of an unsharp mask.
        quality: Range of JPEG's quality, 1 to 100.
        frame: Widest frame at each side, as a share of it: black, white or
            grey. It may hide what a mask shows, so it is narrow.
        probability: How often each of the six last is applied,
            independently.
        references: Histograms to match: of each image 17 grey levels, at
            equal shares of the pixels (`describe`). Without any, none is.

    Raises:
        UmsrepError: numbers out of range.
    """

    marks: float = 0.3
    matching: float = 0.8
    tone: float = 0.35
    resolution: Range = (1.0, 2.5)
    sharpness: Range = (0.0, 1.2)
    quality: Range = (30.0, 95.0)
    frame: float = 0.04
    probability: float = 0.3
    references: Sequence[Sequence[float]] = ()

    def __post_init__(self) -> None:
        for name, most in (
            *(("marks", 1), ("matching", 1), ("tone", 2), ("frame", 0.1)),
            ("probability", 1),
        ):
            self._set(name, as_number(getattr(self, name), name, 0, most))
        self._set("resolution", as_range(self.resolution, "resolution", 1, 16))
        self._set("sharpness", as_range(self.sharpness, "sharpness", 0, 10))
        self._set("quality", as_range(self.quality, "quality", 1, 100))
        references = tuple(tuple(map(float, r)) for r in self.references)
        for levels in references:
            steps = np.diff(np.asarray(levels, float))
            if len(levels) != len(SHARES) or not (steps >= 0).all():
                raise UmsrepError(
                    f"references: {levels} was received; expected "
                    f"{len(SHARES)} grey levels that do not fall, as "
                    "`describe` gives of an image."
                )
        self._set("references", references)

    def with_references(
        self, dataset: "Dataset", count: int = 32, seed: int = 0
    ) -> Self:
        """The same, matching histograms of some images.

        Args:
            dataset: Training images. Where their manifest has a column
                "site", each site has as many as the others.
            count: How many images, at most.
            seed: Seed of the choice.
        """
        rng = np.random.default_rng([seed, count])
        order = rng.permutation(len(dataset))
        sites = dataset.table.get(SITE)
        if sites is not None:
            values = sites.to_numpy()[order]
            turn = [int((values[:i] == v).sum()) for i, v in enumerate(values)]
            order = order[np.argsort(turn, kind="stable")]
        chosen = (dataset.image(int(index)) for index in order[:count])
        levels = [[round(float(n), 1) for n in describe(i)] for i in chosen]
        return replace(self, references=levels)

    def draw(self, rng: np.random.Generator) -> Parameters:
        """The parameters; always the same number of draws."""
        painted = rng.random(MARKS) < self.marks
        marks = [draw_mark(rng) for _ in range(MARKS)]
        slopes = np.exp(self.tone * rng.standard_normal(KNOTS + 1))
        sides = self.frame * rng.random(4)
        grey = float(rng.choice([0, 255, rng.uniform(0, 255)]))
        drawn = {
            "matching": {
                "reference": int(rng.integers(max(len(self.references), 1))),
                "share": float(rng.uniform(0, self.matching)),
            },
            "tone": [float(value) for value in slopes / slopes.sum()],
            "resolution": draw_log_uniform(rng, self.resolution),
            "sharpness": {
                "amount": float(rng.uniform(*self.sharpness)),
                "sigma": float(rng.uniform(0.004, 0.02)),
            },
            "quality": int(round(rng.uniform(*self.quality))),
            "frame": {"sides": [float(n) for n in sides], "grey": grey},
        }
        applied = rng.random(len(PARTS)) < self.probability
        parameters = {
            name: drawn[name] if use else None
            for name, use in zip(PARTS, applied, strict=True)
        }
        if not self.references:
            parameters["matching"] = None
        kept = [m for m, use in zip(marks, painted, strict=True) if use]
        return {"marks": kept, **parameters}

    def apply(self, image: NDArray, parameters: Parameters) -> Floats:
        """The changed image, float32 in [0, 255]."""
        result = as_float_image(image)
        for mark in parameters["marks"]:
            paint_mark(result, mark)
        if parameters["matching"] is not None:
            reference = self.references[parameters["matching"]["reference"]]
            share = parameters["matching"]["share"]
            result = _matched(result, reference, share)
        if parameters["tone"] is not None:
            result = _toned(result, parameters["tone"])
        if parameters["sharpness"] is not None:
            result = _sharpened(result, **parameters["sharpness"])
        if parameters["resolution"] is not None:
            result = _coarsened(result, parameters["resolution"])
        if parameters["quality"] is not None:
            result = _compressed(result, parameters["quality"])
        if parameters["frame"] is not None:
            _frame(result, **parameters["frame"])
        return np.clip(result, 0, 255, out=result).reshape(image.shape)


def describe(image: NDArray) -> Floats:
    """(17,) grey levels at equal shares of an image's pixels.

    The darkest and the brightest level are left out, as black borders and
    saturated marks say nothing about a scanner's tone.
    """
    step = max(1, min(image.shape[:2]) // 64)
    grid = np.asarray(image[::step, ::step], np.float32)
    between = grid[(grid > grid.min()) & (grid < grid.max())]
    return np.quantile(between if between.size else grid, SHARES).astype(
        np.float32
    )


def _looked_up(image: Floats, table: NDArray) -> Floats:
    """Grey levels through a table of 256, linear in between."""
    below = np.minimum(image, 254.999).astype(np.uint8)
    low = cv2.LUT(below, table[:256].astype(np.float32))
    step = cv2.LUT(below, np.diff(table, append=table[-1]).astype(np.float32))
    low, step = low.reshape(image.shape), step.reshape(image.shape)
    return low + step * (image - below)


def _matched(image: Floats, reference: Sequence[float], share: float) -> Floats:
    own = describe(image)
    # Equal levels would leave the curve undefined.
    own = own + np.arange(len(own), dtype=np.float32) * 1e-3
    levels = np.arange(256, dtype=np.float32)
    wanted = np.interp(levels, [0, *own, 256], [0, *np.asarray(reference), 255])
    return _looked_up(image, levels + share * (wanted - levels))


def _toned(image: Floats, steps: Sequence[float]) -> Floats:
    # One more step on either side, for the mean across the ends.
    steps = [steps[0], *steps, steps[-1]]
    knots = 255 * (np.cumsum([0.0, *steps]) - steps[0])
    width = 255 / (len(steps) - 2)
    places = np.arange(-1, len(steps)) * width
    table = np.interp(np.arange(-16, 272), places, knots)
    # Without kinks.
    table = np.convolve(table, np.full(33, 1 / 33), "valid")
    low, high = table[0], table[-1]
    return _looked_up(image, (table - low) * (255 / max(high - low, 1.0)))


def _sharpened(image: Floats, amount: float, sigma: float) -> Floats:
    blurred = cv2.GaussianBlur(image, (0, 0), sigma * image.shape[0])
    result = image + amount * (image - blurred.reshape(image.shape))
    return np.clip(result, 0, 255)


def _coarsened(image: Floats, factor: float) -> Floats:
    height, width = image.shape[:2]
    size = max(1, round(width / factor)), max(1, round(height / factor))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height)).reshape(image.shape)


def _compressed(image: Floats, quality: int) -> Floats:
    pixels = np.clip(image, 0, 255).round().astype(np.uint8)
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, data = cv2.imencode(".jpg", pixels, flags)
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), np.float32)
    return decoded.reshape(image.shape)


def _frame(image: Floats, sides: Sequence[float], grey: float) -> None:
    height, width = image.shape[:2]
    left, right = (round(n * width) for n in sides[:2])
    top, bottom = (round(n * height) for n in sides[2:])
    image[:top] = image[height - bottom :] = grey
    image[:, :left] = image[:, width - right :] = grey
