"""Probes: how another hospital's images may differ, fixed and repeatable.

For choosing settings on validation images, never for training.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from umsrep.data.pixels import Mask, as_float_image, check_mask

Floats = NDArray[np.floating]
Pair = tuple[Floats, Mask | None]
Change = Callable[[Floats, Mask | None, np.random.Generator], Pair]


@dataclass(frozen=True)
class SimulatedShift:
    """One fixed way in which another hospital's images may differ.

    Args:
        name: Its key in `simulated_shifts`.
        change: `change(image, mask, rng) -> (image, mask)` on float32 in
            [0, 255] and uint8; the mask may be None.
    """

    name: str
    change: Change

    def apply(
        self, image: NDArray, mask: Mask | None, rng: np.random.Generator
    ) -> Pair:
        """The shifted (image, mask); only "noise" uses `rng`."""
        image = as_float_image(image)
        check_mask(image, mask)
        shifted, shifted_mask = self.change(image, mask, rng)
        shifted = np.clip(shifted, 0, 255).astype(np.float32)
        if mask is not None and shifted_mask is not None:
            mask = shifted_mask.reshape(mask.shape).copy()
        return shifted.reshape(image.shape), mask


def simulated_shifts() -> dict[str, SimulatedShift]:
    """{name: shift}, for choosing settings on validation images.

    They are probes, not augmentation: each is one fixed change at or just
    beyond the edge of the default augmentation's range, and goes through
    other code (resize and paste, another tone curve, replicated edges), so
    that a model is not rewarded for knowing the augmentation itself. Score a
    model on its validation images under each of them, never on the images of
    the hospital that it will be tested on.

    A run says which kind of augmentation it was trained with: "chest" has seen
    neighbours of the first ten, "scanner" of all of them.
    """
    changes = {
        "borders": _borders,
        "dark": _tone_shift(lambda x: 0.8 * x**1.7),
        "bright": _tone_shift(lambda x: 0.15 + 0.85 * x**0.6),
        "low_contrast": _tone_shift(lambda x: 0.3 + 0.45 * x),
        # The two canvases of one public set differ by a factor of 1.22.
        "stretch_wide": _stretch(1.22),
        "stretch_tall": _stretch(1 / 1.22),
        "rotate": _rotate,
        "zoom_out": _zoom_out,
        "noise": _noise,
        "blur": _blur,
        "resolution": _resolution,
        "compression": _compression,
        "sharp": _sharp,
        "marks": _marks,
    }
    return {
        name: SimulatedShift(name, change) for name, change in changes.items()
    }


def _resize(image: Floats, mask: Mask | None, width: int, height: int) -> Pair:
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    if mask is not None:
        mask = cv2.resize(
            mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT
        )
    return image, mask


def _paste(
    values: NDArray, shape: tuple[int, ...], left: int, top: int
) -> NDArray:
    """`values` at (left, top) of a black frame; what sticks out is lost."""
    frame = np.zeros(shape[:2] + values.shape[2:], values.dtype)
    source = values[max(-top, 0) :, max(-left, 0) :]
    top, left = max(top, 0), max(left, 0)
    source = source[: shape[0] - top, : shape[1] - left]
    frame[top : top + source.shape[0], left : left + source.shape[1]] = source
    return frame


def _place(
    image: Floats,
    mask: Mask | None,
    size: tuple[int, int],
    corner: tuple[int, int],
) -> Pair:
    """Resizes to `size` (width, height) and pastes at `corner`."""
    small, small_mask = _resize(image, mask, *size)
    placed = _paste(small, image.shape, *corner)
    if mask is None or small_mask is None:
        return placed, None
    return placed, _paste(small_mask, mask.shape, *corner)


def _borders(
    image: Floats, mask: Mask | None, rng: np.random.Generator
) -> Pair:
    """Content of 66 x 70 % of the frame, with a wide band below it."""
    height, width = image.shape[:2]
    return _place(
        image,
        mask,
        (round(0.66 * width), round(0.7 * height)),
        (round(0.17 * width), round(0.06 * height)),
    )


def _stretch(aspect: float) -> Change:
    def change(
        image: Floats, mask: Mask | None, rng: np.random.Generator
    ) -> Pair:
        height, width = image.shape[:2]
        new_width = round(width * math.sqrt(aspect))
        new_height = round(height / math.sqrt(aspect))
        corner = ((width - new_width) // 2, (height - new_height) // 2)
        return _place(image, mask, (new_width, new_height), corner)

    return change


def _tone_shift(curve: Callable[[Floats], Floats]) -> Change:
    def change(
        image: Floats, mask: Mask | None, rng: np.random.Generator
    ) -> Pair:
        return 255 * curve(image / 255), mask

    return change


def _rotate(image: Floats, mask: Mask | None, rng: np.random.Generator) -> Pair:
    """12 degrees, edges replicated; the mask is 0 outside."""
    height, width = image.shape[:2]
    centre = ((width - 1) / 2, (height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, 12, 1)
    image = cv2.warpAffine(
        image,
        matrix,
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if mask is not None:
        mask = cv2.warpAffine(
            mask, matrix, (width, height), flags=cv2.INTER_NEAREST
        )
    return image, mask


def _zoom_out(
    image: Floats, mask: Mask | None, rng: np.random.Generator
) -> Pair:
    """Content of 72 % of the frame, edges replicated instead of black."""
    height, width = image.shape[:2]
    size = (round(0.72 * width), round(0.72 * height))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    small, small_mask = _resize(image, mask, *size)
    image = cv2.copyMakeBorder(
        small,
        top,
        height - size[1] - top,
        left,
        width - size[0] - left,
        cv2.BORDER_REPLICATE,
    )
    if mask is not None and small_mask is not None:
        mask = _paste(small_mask, mask.shape, left, top)
    return image, mask


def _noise(image: Floats, mask: Mask | None, rng: np.random.Generator) -> Pair:
    """Noise of 15 grey levels, above the augmentation's 12."""
    return image + rng.normal(0, 15, image.shape), mask


def _blur(image: Floats, mask: Mask | None, rng: np.random.Generator) -> Pair:
    """A box of 7 pixels at a height of 256 (sigma 2), in proportion."""
    width = 2 * round(image.shape[0] * 3 / 256) + 1
    return cv2.blur(image, (width, width)), mask


def _resolution(
    image: Floats, mask: Mask | None, rng: np.random.Generator
) -> Pair:
    """A third of the pixels a side, picked and repeated, not averaged."""
    height, width = image.shape[:2]
    rows, columns = (np.arange(n) // 3 * 3 for n in (height, width))
    rows = np.minimum(rows + 1, height - 1)
    columns = np.minimum(columns + 1, width - 1)
    return image[rows][:, columns], mask


def _compression(
    image: Floats, mask: Mask | None, rng: np.random.Generator
) -> Pair:
    """Blocks of 8 x 8 with coarse frequencies, as JPEG at about quality 15."""
    height, width = image.shape[:2]
    edges = [(0, -height % 8), (0, -width % 8)]
    flat = image.reshape(height, width, -1)
    padded = np.pad(flat, [*edges, (0, 0)], "edge")
    high, wide, channels = padded.shape
    blocks = padded.reshape(high // 8, 8, wide // 8, 8, channels)
    # Frequencies of the discrete cosine transform, in rows.
    order = np.arange(8)
    basis = np.cos(np.pi * np.outer(order, order + 0.5) / 8) / 2
    basis[0] /= math.sqrt(2)
    found = np.einsum("ui,vj,yixjc->yuxvc", basis, basis, blocks, optimize=True)
    steps = 50 + 12.5 * np.add.outer(order, order)[:, None, :, None]
    found = np.round(found / steps) * steps
    blocks = np.einsum("ui,vj,yuxvc->yixjc", basis, basis, found, optimize=True)
    restored = blocks.reshape(padded.shape)[:height, :width]
    return restored.reshape(image.shape), mask


def _sharp(image: Floats, mask: Mask | None, rng: np.random.Generator) -> Pair:
    """Contours enhanced by 1.4 times the difference from a box of 4 %."""
    width = 2 * round(image.shape[0] * 0.02) + 1
    blurred = cv2.blur(image, (width, width)).reshape(image.shape)
    return image + 1.4 * (image - blurred), mask


def _marks(image: Floats, mask: Mask | None, rng: np.random.Generator) -> Pair:
    """A lead letter of bars in each upper corner, and a label with a line."""
    height, width = image.shape[:2]
    marked = image.copy()

    def bar(
        top: float, left: float, tall: float, wide: float, grey: float
    ) -> None:
        y, x = round(top * height), round(left * width)
        size = max(1, round(tall * height)), max(1, round(wide * width))
        marked[y : y + size[0], x : x + size[1]] = grey

    for left in (0.05, 0.88):
        bar(0.04, left, 0.09, 0.016, 245)
        bar(0.115, left, 0.016, 0.05, 245)
    bar(0.93, 0.05, 0.05, 0.22, 10)
    for word in range(4):
        bar(0.945, 0.06 + 0.05 * word, 0.02, 0.035, 200)
    return marked, mask
