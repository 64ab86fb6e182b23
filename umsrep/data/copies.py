"""Copies of images: the same picture again, under whatever name.

Two files hold the same picture if one was saved again, scaled, cropped by a
few percent, brightened, windowed otherwise, turned by a degree or two, or
mirrored. Chest X-rays of different people resemble each other much more than
photographs do, so a hash of a few bits either misses such copies or finds
them everywhere. Here, instead:

1. Each image is reduced to a thumbnail, its *signature*, and the thumbnails'
   local contrast is correlated, of all pairs at once, also mirrored and
   cropped. What correlates well is a candidate.
2. A candidate is laid over the other image by an affine transform (the
   enhanced correlation coefficient, Evangelidis & Psarakis 2008), and the
   local contrast of both is correlated at a finer scale. Copies keep it;
   pictures of other people, and other pictures of the same person, do not.

Local contrast is an image less its blurred self, divided by its local standard
deviation: neither window nor borders, letters and the outline of the body
decide then, but the texture everywhere. `docs/audit.md` has the distributions
from which the thresholds were chosen.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

# Sides in pixels: of a signature, of what candidates are found by, and of the
# versions that are aligned one after the other.
SIGNATURE, COARSE, LEVELS = 64, 32, (32, 64, 128)
# Correlations from which on a pair is a candidate, worth refining, a copy.
CANDIDATE, REFINE, COPY = 0.9, 0.6, 0.85
# A picture of fewer than 64 pixels holds little to tell by: ellipses of one
# shape with noise of their own reach 0.91.
COPY_SMALL = 0.95
# Candidates that are looked at per image, the best first.
NEAREST = 4
# Least share of the picture that both must show.
OVERLAP = 0.6
# Margins cut off in the search, as shares of the side: left, top, right,
# bottom. A tolerance of about 2 % around each comes from the thumbnails.
CROPS = (
    (0.04, 0.04, 0.04, 0.04),
    (0.08, 0.08, 0.08, 0.08),
    (0.05, 0.05, 0.0, 0.0),
    (0.0, 0.05, 0.05, 0.0),
    (0.05, 0.0, 0.0, 0.05),
    (0.0, 0.0, 0.05, 0.05),
)
COLUMNS = ("image", "copy", "similarity", "mirrored")
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Pair:
    """Two images that show the same picture.

    Attributes:
        first, second: Their positions, `first` the lower.
        similarity: Correlation of their local contrast once aligned, in
            [`COPY`, 1].
        mirrored: Whether one is the mirror image of the other.
    """

    first: int
    second: int
    similarity: float
    mirrored: bool


def signature(image: Pixels) -> Pixels:
    """The thumbnail that copies are found by.

    Args:
        image: (height, width) uint8.

    Returns:
        (64, 64) uint8, whatever the aspect ratio.
    """
    return _resized(image, SIGNATURE)


def find_copies(
    signatures: Pixels, image: Callable[[int], Pixels]
) -> list[Pair]:
    """Pairs of images that show the same picture.

    Args:
        signatures: (n, 64, 64) uint8.
        image: `image(position)` is the prepared image, (height, width) uint8.

    Returns:
        `Pair`s; of several copies not every pair, but enough to connect them.
    """
    signatures = np.asarray(signatures)
    if len(signatures) < 2:
        return []
    flat = signatures.reshape(len(signatures), -1)
    _, firsts, inverse = np.unique(
        flat, axis=0, return_index=True, return_inverse=True
    )
    same = firsts[inverse.reshape(-1)]
    pairs = [
        (int(earlier), later, False)
        for later, earlier in enumerate(same)
        if earlier != later
    ]
    unique = np.sort(firsts)
    pairs += [
        (int(unique[a]), int(unique[b]), mirrored)
        for a, b, mirrored in _candidates(signatures[unique])
    ]
    found = []
    for a, b, mirrored in sorted(pairs):
        first, second = image(a), image(b)
        score = similarity(first, second[:, ::-1] if mirrored else second)
        small = min(first.shape) < SIGNATURE
        if score >= (COPY_SMALL if small else COPY):
            found.append(Pair(a, b, round(score, 4), mirrored))
    return found


def similarity(first: Pixels, second: Pixels) -> float:
    """How well the local contrast of two images agrees once aligned.

    Args:
        first, second: (height, width) uint8.

    Returns:
        Correlation in [-1, 1]; -1 where they cannot be aligned, or an early
        value where it is clear that they are no copies.
    """
    side = min(LEVELS[-1], *first.shape, *second.shape)
    levels = [level for level in LEVELS if level < side] + [side]
    warp = np.eye(2, 3, dtype=np.float32)
    score = -1.0
    for level, last in zip(levels, [1, *levels], strict=False):
        # From a pixel of the level before to one of this.
        warp[:, 2] *= level / last
        a, b = (
            local_contrast(_resized(image, level)) for image in (first, second)
        )
        try:
            _, warp = cv2.findTransformECC(
                a, b, warp, cv2.MOTION_AFFINE, _STOP, np.array([]), 3
            )
        except cv2.error:
            return -1.0
        score = _agreement(first, second, warp, level)
        if score < REFINE:
            break
    return score


_STOP = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-4)


def _agreement(
    first: Pixels, second: Pixels, warp: NDArray, level: int
) -> float:
    """Correlation of local contrast where both images are."""
    sigma = max(1.0, 3 * level / LEVELS[-1])
    a, b = (
        local_contrast(_resized(image, level), sigma)
        for image in (first, second)
    )
    size, back = (level, level), cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(b, warp, size, flags=cv2.INTER_LINEAR | back)
    inside = cv2.warpAffine(
        np.ones_like(b), warp, size, flags=cv2.INTER_NEAREST | back
    ).astype(bool)
    if inside.mean() < OVERLAP:
        return -1.0
    a, b = (x[inside] - x[inside].mean() for x in (a, moved))
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-9))


def local_contrast(image: NDArray, sigma: float = 4.0) -> NDArray[np.float32]:
    """An image less its blurred self, divided by its local deviation.

    Args:
        image: (height, width).
        sigma: Of the blur, in pixels.
    """
    image = np.asarray(image, np.float32)
    detail = image - cv2.GaussianBlur(image, (0, 0), sigma)
    local = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), 2 * sigma))
    # The rest keeps what is flat, such as a border, from becoming noise.
    return detail / (local + 0.5 * detail.std() + 1e-6)


def _candidates(signatures: Pixels) -> list[tuple[int, int, bool]]:
    """Pairs that may be copies: (position, later position, mirrored)."""
    whole = _normalised(signatures)
    nearest: list[dict[int, tuple[float, bool]]] = [{} for _ in whole]
    for mirrored, version in _versions(signatures):
        for start in range(0, len(whole), 1024):
            block = version[start : start + 1024] @ whole.T
            for row, column in zip(*np.where(block > CANDIDATE), strict=True):
                a, b = start + int(row), int(column)
                value = float(block[row, column])
                if a != b and value > nearest[a].get(b, (0.0,))[0]:
                    nearest[a][b] = (value, mirrored)
    found: dict[tuple[int, int], tuple[float, bool]] = {}
    for a, others in enumerate(nearest):
        ordered = sorted(others.items(), key=lambda item: -item[1][0])
        for b, (value, mirrored) in ordered[:NEAREST]:
            key = (min(a, b), max(a, b))
            if value > found.get(key, (0.0,))[0]:
                found[key] = (value, mirrored)
    return [(a, b, mirrored) for (a, b), (_, mirrored) in found.items()]


def _versions(signatures: Pixels) -> Iterator[tuple[bool, NDArray]]:
    """(mirrored, normalised thumbnails) of each change that is searched."""
    yield False, _normalised(signatures)
    yield True, _normalised(signatures[:, :, ::-1])
    for margins in CROPS:
        left, top, right, bottom = (round(SIGNATURE * m) for m in margins)
        rows = slice(top, SIGNATURE - bottom)
        yield (
            False,
            _normalised(signatures[:, rows, left : SIGNATURE - right]),
        )


def _normalised(thumbnails: Pixels) -> NDArray[np.float32]:
    """(n, pixels) of mean 0 and length 1: products are correlations."""
    stack = np.stack([_resized(t, COARSE) for t in thumbnails])
    # All at once: this is where the time goes.
    fine, wide = (
        gaussian_filter1d(np.eye(COARSE), sigma, axis=0, mode="mirror").astype(
            np.float32
        )
        for sigma in (4.0, 8.0)
    )
    detail = stack - fine @ stack.astype(np.float32) @ fine.T
    local = np.sqrt(np.maximum(wide @ (detail * detail) @ wide.T, 0))
    spread = detail.std(axis=(1, 2), keepdims=True)
    flat = (detail / (local + 0.5 * spread + 1e-6)).reshape(len(stack), -1)
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6)


def _resized(image: NDArray, side: int) -> NDArray:
    shrinks = min(image.shape) >= side
    return cv2.resize(
        np.ascontiguousarray(image),
        (side, side),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )


def group_names(names: Sequence[str], pairs: Sequence[Pair]) -> list[str]:
    """The group of each image: the first name of its copies, "" of none.

    Args:
        names: A name per image.
        pairs: `Pair`s of positions.
    """
    links = np.array([(p.first, p.second) for p in pairs], int).reshape(-1, 2)
    found = united(len(names), links)
    sizes = np.bincount(found, minlength=len(names))
    firsts: dict[int, str] = {}
    for name, group in zip(names, found, strict=True):
        firsts.setdefault(int(group), name)
    return [firsts[int(g)] if sizes[g] > 1 else "" for g in found]


def united(count: int, links: NDArray) -> NDArray[np.int_]:
    """(count,) number of the connected component of each position.

    Args:
        count: Number of positions.
        links: (m, 2) pairs of positions.
    """
    ones = np.ones(len(links), bool)
    graph = coo_matrix((ones, (links[:, 0], links[:, 1])), (count, count))
    return connected_components(graph, directed=False)[1]


def to_frame(names: Sequence[str], pairs: Sequence[Pair]) -> pd.DataFrame:
    """copies.csv of a prepared data set: a row per pair.

    Args:
        names: The manifest's `image` per position.
        pairs: `Pair`s of positions.
    """
    rows = [
        (names[p.first], names[p.second], p.similarity, p.mirrored)
        for p in pairs
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
