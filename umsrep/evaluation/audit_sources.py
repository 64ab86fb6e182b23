"""What an audit looks at instead of the disease: files, borders, brightness.

Each `Source` is a few numbers per image that a label should not be readable
from. Those of the files come from sources.csv, those of the pictures from one
pass over the prepared images.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep import tasks as task_kinds
from umsrep.data import Dataset, source_facts

# Sides in pixels of what is compared: a whole picture, a corner.
THUMBNAIL, CORNER = 48, 8
# Shares of the side: of a corner, and of the frame along the border.
CORNER_SHARE, BORDER_SHARE = 0.2, 0.04
# Markers are sought in fields along the border, of so many per side; a marker
# is brighter than all within this share of the side.
FIELDS, MARKER_SHARE = 6, 0.1
# Most different folders, devices or sites that are told apart.
MOST_GROUPS = 20
# A pixel is outside where at most this share of the masks covers it.
OUTSIDE_SHARE = 0.05


@dataclass(frozen=True)
class Source:
    """One thing that a label may be readable from.

    Attributes:
        name: Its name, such as "file size".
        features: (n, columns), one row per image.
        cheap: Whether no picture has to be read for it.
        disease: Whether a disease itself may change it, so that it need not
            be a shortcut.
        shown: (48, 48) bool of a picture's pixels that are columns, or None.
    """

    name: str
    features: NDArray[np.float64]
    cheap: bool = False
    disease: bool = False
    shown: NDArray[np.bool_] | None = None


@dataclass
class Sources:
    """All that can be looked at.

    Attributes:
        found: `Source`s.
        missing: {name: why it could not be looked at}.
        groups: {name: (n,) text}: columns that say where an image is from.
        thumbnails: (n, 48, 48) float32 grey levels, or None.
        mask_share: (48, 48) share of the masks that cover a pixel, or None.
        markers: (n, 6, 6) how bright the most marker-like thing in each field
            is, or None; only the outer fields are looked at.
    """

    found: list[Source] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    groups: dict[str, NDArray] = field(default_factory=dict)
    thumbnails: NDArray[np.float32] | None = None
    mask_share: NDArray[np.float64] | None = None
    markers: NDArray[np.float32] | None = None


def of_files(dataset: Dataset) -> Sources:
    """What the source files tell, without a look at a picture.

    Args:
        dataset: A `data.Dataset` of one prepared folder.
    """
    result = Sources()
    table = _facts(dataset)
    if table is None:
        why = (
            "the data set was prepared before source files were recorded; "
            "prepare it again"
        )
        for name in ("file size", "dimensions", "format and depth", "folder"):
            result.missing[name] = why
        return result
    size = np.log(np.maximum(table["bytes"].to_numpy(float), 1))
    height, width = (
        table[name].to_numpy(float) for name in ("height", "width")
    )
    _add(result, "file size", size[:, None])
    _add(
        result,
        "dimensions",
        np.stack([np.log(height), np.log(width), np.log(width / height)], 1),
    )
    form = table[["format", "channels", "bits"]].astype(str).agg(" ".join, 1)
    _add(result, "format and depth", _one_hot(form))
    for name in ("folder", "device"):
        text = table[name].fillna("").to_numpy(str)
        count = len(np.unique(text))
        if 1 < count <= MOST_GROUPS:
            result.groups[name] = text
            _add(result, name, _one_hot(pd.Series(text)))
        else:
            result.missing[name] = (
                "all images have the same" if count == 1 else "too many"
            )
    return result


def of_pictures(
    dataset: Dataset, progress: Callable[[int, int], object] | None = None
) -> Sources:
    """What parts of the pictures tell.

    Args:
        dataset: A `data.Dataset`.
        progress: `progress(done, total)`, called after each image.
    """
    result = Sources()
    mask_task = next(
        (n for n, spec in dataset.tasks.items() if spec.kind == "mask"), None
    )
    rows: dict[str, list[NDArray]] = {}
    covered, masks = np.zeros((THUMBNAIL, THUMBNAIL)), 0
    for index in range(len(dataset)):
        image = dataset.image(index)
        for name, values in _measured(image).items():
            rows.setdefault(name, []).append(values)
        mask = dataset.mask(mask_task, index) if mask_task else None
        if mask is not None:
            masks += 1
            covered += _shrunk(mask.astype(np.float32), THUMBNAIL) > 0
        if progress:
            progress(index + 1, len(dataset))
    stacked = {name: np.array(values) for name, values in rows.items()}
    result.thumbnails = stacked.pop("whole")
    for name in ("border", "corners"):
        _add(result, name, stacked[name])
    result.markers = stacked["markers"]
    _add(result, "markers", result.markers[:, outer_fields()])
    for name in ("grey and contrast", "sharpness"):
        _add(result, name, stacked[name], disease=True)
    flat = result.thumbnails.reshape(len(dataset), -1)
    if not masks:
        result.missing["outside the mask"] = "the data set has no masks"
    else:
        result.mask_share = covered / masks
        outside = result.mask_share <= OUTSIDE_SHARE
        if outside.mean() < 0.02:
            result.missing["outside the mask"] = (
                "the masks together cover the whole picture"
            )
        else:
            kept = flat[:, outside.ravel()]
            _add(result, f"outside {mask_task}", kept, shown=outside)
    everywhere = np.ones((THUMBNAIL, THUMBNAIL), bool)
    _add(result, "whole picture", flat, disease=True, shown=everywhere)
    return result


def _facts(dataset: Dataset) -> pd.DataFrame | None:
    """sources.csv in the order of the data set, or None."""
    if len(dataset.folders) != 1:
        return None
    table = source_facts.read(dataset.folders[0].path)
    if table is None:
        return None
    table = table.set_index("image").reindex(dataset.table["image"])
    return None if table["bytes"].isna().any() else table


def _add(
    result: Sources,
    name: str,
    features: NDArray,
    disease: bool = False,
    shown: NDArray | None = None,
) -> None:
    """Adds a source, or says that it is the same for all images."""
    features = np.asarray(features, float)
    varies = np.ptp(features, axis=0) > 1e-9
    if not varies.any():
        result.missing[name] = "all images have the same"
        return
    if shown is None:
        features = features[:, varies]
    cheap = result.thumbnails is None
    result.found.append(Source(name, features, cheap, disease, shown))


def _one_hot(text: pd.Series) -> NDArray[np.float64]:
    return pd.get_dummies(text.astype(str)).to_numpy(float)


def _measured(image: NDArray[np.uint8]) -> dict[str, NDArray]:
    """{source: numbers} of one image."""
    grey = image.astype(np.float32)
    height, width = grey.shape
    percentiles = np.percentile(grey, (1, 5, 25, 50, 75, 95, 99))
    laplacian = cv2.Laplacian(grey, cv2.CV_32F)
    blurred = grey - cv2.GaussianBlur(grey, (0, 0), 2)
    deviation = grey.std() + 1e-6
    return {
        "whole": _shrunk(grey, THUMBNAIL),
        "grey and contrast": np.array([grey.mean(), deviation, *percentiles]),
        "sharpness": np.log(
            [
                laplacian.std() + 1e-3,
                laplacian.std() / deviation + 1e-3,
                blurred.std() / deviation + 1e-3,
            ]
        ),
        "border": _border(grey, height, width),
        "markers": _markers(grey, height, width),
        "corners": np.concatenate(
            [
                _shrunk(part, CORNER).ravel()
                for part in _corners(grey, height, width)
            ]
        ),
    }


def outer_fields() -> NDArray[np.bool_]:
    """(6, 6) bool: the fields along the border, where markers lie."""
    outer = np.ones((FIELDS, FIELDS), bool)
    outer[1:-1, 1:-1] = False
    return outer


def _markers(grey: NDArray, height: int, width: int) -> NDArray[np.float32]:
    """(6, 6) the strongest small bright thing of each field, such as a letter.

    A white top-hat: what an opening by a disc takes away.
    """
    side = max(3, round(MARKER_SHARE * min(height, width)) | 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    small = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, disc)
    rows, columns = (
        np.linspace(0, length, FIELDS + 1).astype(int)
        for length in (height, width)
    )
    return np.array(
        [
            [
                small[top:bottom, left:right].max()
                for left, right in itertools.pairwise(columns)
            ]
            for top, bottom in itertools.pairwise(rows)
        ],
        np.float32,
    )


def _border(grey: NDArray, height: int, width: int) -> NDArray:
    """Means along the frame, 8 of each side, and the frame's deviation."""
    depth = max(1, round(BORDER_SHARE * min(height, width)))
    sides = (grey[:depth], grey[-depth:], grey[:, :depth].T, grey[:, -depth:].T)
    profiles = [
        cv2.resize(
            np.ascontiguousarray(side), (8, 1), interpolation=cv2.INTER_AREA
        ).ravel()
        for side in sides
    ]
    return np.concatenate([*profiles, [side.std() for side in sides]])


def _corners(grey: NDArray, height: int, width: int) -> list[NDArray]:
    rows, columns = round(CORNER_SHARE * height), round(CORNER_SHARE * width)
    return [
        grey[:rows, :columns],
        grey[:rows, -columns:],
        grey[-rows:, :columns],
        grey[-rows:, -columns:],
    ]


def _shrunk(picture: NDArray, side: int) -> NDArray:
    return cv2.resize(
        np.ascontiguousarray(picture),
        (side, side),
        interpolation=cv2.INTER_AREA,
    )


def label_values(dataset: Dataset, task: str) -> NDArray[np.int_] | None:
    """(n,) class indices of a task, negative where unknown; None of pictures.

    A number counts as below or from the median.
    """
    spec = dataset.task(task)
    kind: Any = task_kinds.of(spec)
    if kind.place != task_kinds.CELL:
        return None
    values = dataset.values(task)
    if spec.classes:
        return np.asarray(values, int)
    numbers = np.asarray(values, float)
    known = np.isfinite(numbers)
    if not known.any():
        return np.full(len(numbers), -1)
    above = numbers >= np.median(numbers[known])
    return np.where(known, above.astype(int), -1)
