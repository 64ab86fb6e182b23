"""What training images look like in numbers, and how an image differs.

The statistics are those of 8-bit grey images as the network sees them, so
padding counts. `differences` says in words where an image lies outside:

- its mean, or its contrast (standard deviation), is more than
  `DEVIATIONS` of the training images' standard deviations from their mean;
- its share of black (0) or white (255) pixels is more than `SATURATED` above
  the training images' largest;
- it resembles the mean training image less than any of them did: the
  correlation over 8 x 8 cells is more than `RESEMBLANCE` below the smallest.
  This finds inverted and turned images;
- its aspect ratio is more than `ASPECT` times beyond the training images', or
  a side less than 1 / `SMALLER` of their shortest.

No rule proves that an image is like the training images; each only finds one
way of being unlike them.
"""

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

DEVIATIONS = 4.0
# Without it, every image would be far from nearly equal ones.
LEAST_DEVIATION = 2.0
SATURATED = 0.1
RESEMBLANCE = 0.3
ASPECT = 1.25
SMALLER = 2.0
CELLS = 8

Grey = NDArray[np.uint8]


def measure(
    images: Iterable[Grey], sizes: dict[str, list[float]] | None = None
) -> dict[str, Any] | None:
    """Statistics of training images, for run.json.

    Args:
        images: (height, width) each, all of one size.
        sizes: {"height": [least, most], "width": ..., "aspect_ratio": ...} of
            the source images; None where they are unknown.

    Returns:
        The dict that `differences` takes; None without an image.
    """
    rows, cells = [], []
    for image in images:
        rows.append(_numbers(image))
        cells.append(_cells(image))
    if not rows:
        return None
    table = np.array(rows)
    mean_image = np.mean(cells, axis=0)
    alike = [_correlation(image, mean_image) for image in cells]
    return {
        "images": len(rows),
        "mean": {"mean": table[:, 0].mean(), "std": table[:, 0].std()},
        "contrast": {"mean": table[:, 1].mean(), "std": table[:, 1].std()},
        "black": {"mean": table[:, 2].mean(), "most": table[:, 2].max()},
        "white": {"mean": table[:, 3].mean(), "most": table[:, 3].max()},
        "resemblance": {"mean": np.mean(alike), "least": np.min(alike)},
        "mean_image": mean_image.round(1).tolist(),
        "source_sizes": sizes,
    }


def differences(
    image: Grey, shape: tuple[int, int], known: dict[str, Any] | None
) -> list[str]:
    """In what respects an image is far from the training images.

    Args:
        image: (height, width), as the network sees it.
        shape: (height, width) of the source image.
        known: What `measure` returned; None finds nothing.

    Returns:
        A sentence per difference; empty if there is none.
    """
    if not known:
        return []
    mean, contrast, black, white = _numbers(image)
    found = []
    for name, value in (("mean", mean), ("contrast", contrast)):
        usual, spread = known[name]["mean"], known[name]["std"]
        if abs(value - usual) > DEVIATIONS * max(spread, LEAST_DEVIATION):
            found.append(
                f"{name} {value:.0f}, training images {usual:.0f} +- "
                f"{spread:.0f}"
            )
    for name, value in (("black", black), ("white", white)):
        if value > known[name]["most"] + SATURATED:
            found.append(
                f"{value:.0%} {name} pixels, training images at most "
                f"{known[name]['most']:.0%}"
            )
    alike = _correlation(_cells(image), np.array(known["mean_image"]))
    if alike < known["resemblance"]["least"] - RESEMBLANCE:
        found.append(
            f"unlike the training images' layout (correlation {alike:.2f}, "
            f"theirs at least {known['resemblance']['least']:.2f}): inverted, "
            "turned, or another view?"
        )
    return found + _size_differences(shape, known.get("source_sizes"))


def _size_differences(
    shape: tuple[int, int], sizes: dict[str, list[float]] | None
) -> list[str]:
    if not sizes:
        return []
    found = []
    height, width = shape
    low, high = sizes["aspect_ratio"]
    if not low / ASPECT <= width / height <= high * ASPECT:
        found.append(
            f"width / height {width / height:.2f}, training images "
            f"{low:.2f} to {high:.2f}"
        )
    least = min(sizes["height"][0], sizes["width"][0])
    if min(shape) < least / SMALLER:
        found.append(
            f"{width} x {height} pixels, training images at least "
            f"{sizes['width'][0]} x {sizes['height'][0]}"
        )
    return found


def _numbers(image: Grey) -> tuple[float, float, float, float]:
    """Mean, standard deviation, shares of black and of white pixels."""
    return (
        float(image.mean()),
        float(image.std()),
        float((image == 0).mean()),
        float((image == 255).mean()),
    )


def _cells(image: Grey) -> NDArray[np.float64]:
    """Means over 8 x 8 cells."""
    return cv2.resize(
        image.astype(np.float32), (CELLS, CELLS), interpolation=cv2.INTER_AREA
    ).astype(np.float64)


def _correlation(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> float:
    first, second = first - first.mean(), second - second.mean()
    scale = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / scale) if scale > 0 else 0.0
