"""A linear probe of masks, cell by cell.

Ridge regression of "inside or outside" on what each cell sees. Everything
follows from sums over patients' cells, so choosing the penalty by leaving out
a fifth of the patients costs a few small systems of equations.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from umsrep.metrics import segmentation

Floats = NDArray[np.float64]

FOLDS = 5
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
THRESHOLDS = np.linspace(0.2, 0.7, 11)
# Images whose cells are held in full precision at a time.
_IMAGES = 16


@dataclass(frozen=True)
class CellProbe:
    """A fitted probe.

    Attributes:
        weights: (channels,).
        offset: Added to the weighted sum.
        threshold: Inside is what lies above it.
    """

    weights: Floats
    offset: float
    threshold: float

    def inside(self, cells: NDArray) -> NDArray[np.bool_]:
        """(n, rows, columns) bool from (n, rows, columns, channels)."""
        return self.values(cells) > self.threshold

    def values(self, cells: NDArray) -> Floats:
        """(n, rows, columns), about 1 inside and 0 outside."""
        return np.concatenate(
            [
                part.astype(np.float64) @ self.weights + self.offset
                for part in _parts(cells)
            ]
        )


def fit(
    cells: NDArray, inside: NDArray[np.bool_], groups: NDArray, seed: int = 0
) -> CellProbe:
    """Fits a probe.

    Args:
        cells: (n, rows, columns, channels).
        inside: (n, rows, columns) bool: the masks' cells.
        groups: (n,) whose each image is.
        seed: Seed of the folds.
    """
    people, person = np.unique(groups.astype(str), return_inverse=True)
    folds = min(FOLDS, len(people))
    rng = np.random.default_rng([seed, 0xCE11])
    fold = (rng.permutation(len(people)) % folds)[person]
    sums = [_sums(cells[fold == k], inside[fold == k]) for k in range(folds)]
    whole = _added(sums)
    penalty = PENALTIES[len(PENALTIES) // 2]
    if folds > 1:
        errors = [
            sum(
                _error(part, *_solved(_without(whole, part), p))
                for part in sums
            )
            for p in PENALTIES
        ]
        penalty = PENALTIES[int(np.argmin(errors))]
    weights, offset = _solved(whole, penalty)
    found = CellProbe(weights, offset, 0.5)
    values = found.values(cells)
    scores = [dice(inside, values > t).mean() for t in THRESHOLDS]
    return CellProbe(weights, offset, float(THRESHOLDS[int(np.argmax(scores))]))


def dice(true: NDArray[np.bool_], found: NDArray[np.bool_]) -> Floats:
    """(n,) Dice of each image's cells; 1 where both are empty."""
    return np.array(
        [segmentation.dice(*pair) for pair in zip(true, found, strict=True)]
    )


@dataclass(frozen=True)
class _Sums:
    """Sums over cells: their number, x, x x', x y, y (and y squared)."""

    count: float
    x: Floats
    xx: Floats
    xy: Floats
    y: float


def _sums(cells: NDArray, inside: NDArray[np.bool_]) -> _Sums:
    width = cells.shape[-1]
    count, y = 0.0, 0.0
    x, xx, xy = np.zeros(width), np.zeros((width, width)), np.zeros(width)
    for part, mask in zip(_parts(cells), _parts(inside), strict=True):
        rows = part.reshape(-1, width).astype(np.float32)
        target = mask.reshape(-1).astype(np.float32)
        count += len(rows)
        x += rows.sum(0, dtype=np.float64)
        xx += (rows.T @ rows).astype(np.float64)
        xy += (rows.T @ target).astype(np.float64)
        y += float(target.sum())
    return _Sums(count, x, xx, xy, y)


def _added(parts: list[_Sums]) -> _Sums:
    names = ("count", "x", "xx", "xy", "y")
    return _Sums(*(sum(getattr(p, name) for p in parts) for name in names))


def _without(whole: _Sums, part: _Sums) -> _Sums:
    names = ("count", "x", "xx", "xy", "y")
    return _Sums(*(getattr(whole, n) - getattr(part, n) for n in names))


def _solved(sums: _Sums, penalty: float) -> tuple[Floats, float]:
    """(weights, offset) of standardised columns, the offset not penalised."""
    mean, level = sums.x / sums.count, sums.y / sums.count
    covariance = sums.xx / sums.count - np.outer(mean, mean)
    spread = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
    # A column that is the same in every cell says nothing.
    spread[spread <= 1e-5 * (np.abs(mean) + 1e-6)] = np.inf
    scaled = covariance / np.outer(spread, spread)
    right = (sums.xy / sums.count - mean * level) / spread
    system = scaled + penalty * np.eye(len(mean))
    weights = np.linalg.solve(system, right) / spread
    return weights, float(level - weights @ mean)


def _error(sums: _Sums, weights: Floats, offset: float) -> float:
    """Sum of squared errors; a mask's value is its own square."""
    return float(
        sums.y
        - 2 * (weights @ sums.xy + offset * sums.y)
        + weights @ sums.xx @ weights
        + 2 * offset * (weights @ sums.x)
        + sums.count * offset**2
    )


def _parts(arrays: NDArray) -> Iterator[NDArray]:
    for start in range(0, len(arrays), _IMAGES):
        yield arrays[start : start + _IMAGES]
