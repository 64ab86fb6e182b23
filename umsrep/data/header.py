"""Parts of a prepared data set's header: source, preprocessing, doubts."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import PIL

from umsrep.data.prepared import SourceDescription, TaskSpec


def origin(about: SourceDescription) -> dict[str, Any]:
    """Entries of the header from a `SourceDescription`."""
    return {
        "modality": about.modality,
        "source": {
            "title": about.title,
            "url": about.url,
            "citation": about.citation,
            "terms": about.terms,
        },
        "licence": about.licence,
    }


def preprocessing(
    size: tuple[int, int],
    fit: str,
    sixteen_bit: str,
    shapes: Sequence[tuple[int, int]],
) -> dict[str, Any]:
    """How images, masks and maps were brought to their size.

    Args:
        size: (height, width) of the prepared images.
        fit, sixteen_bit: As of `PreparedWriter`.
        shapes: (height, width) of each source image.
    """
    return {
        "size": list(size),
        "fit": fit,
        "source_sizes": _ranges(shapes),
        "grey": "8-bit luma (ITU-R BT.601)",
        "sixteen_bit": sixteen_bit,
        "image_interpolation": "bicubic (OpenCV)",
        "image_reduction": (
            "sides above twice the size are first averaged by area to twice "
            "the size"
        ),
        "mask_interpolation": "nearest",
        "map_interpolation": "area averages, sum 1",
    }


def lacking(
    tasks: Mapping[str, TaskSpec], counts: Mapping[str, Any]
) -> Iterator[str]:
    """Warnings about tasks, or classes of them, that no image has.

    Args:
        tasks: {name: TaskSpec}.
        counts: As of `prepared.count_images`.
    """
    for name, task in tasks.items():
        count = counts["tasks"][name]
        if not count["labelled"]:
            yield f"Task '{name}' has no labelled image."
            continue
        missing = [c for c in task.classes if not count["classes"][c]]
        if missing:
            yield (
                f"Task '{name}' has no image of class {', '.join(missing)}; "
                "it cannot be trained on this set alone."
            )


def _ranges(shapes: Sequence[tuple[int, int]]) -> dict[str, list[float]]:
    """Least and most height, width and width / height of (height, width)s."""
    heights, widths = np.array(shapes).T
    return {
        name: [values.min().item(), values.max().item()]
        for name, values in (
            ("height", heights),
            ("width", widths),
            ("aspect_ratio", (widths / heights).round(4)),
        )
    }


def versions() -> dict[str, str]:
    """Of what wrote the data set."""
    from umsrep import __version__

    return {
        "umsrep": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "pillow": PIL.__version__,
    }
