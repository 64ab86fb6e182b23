"""Metrics of an explanation's map against a mask of where it should point.

Masks are boolean, or hold 0 and one other value (1 or 255), at the image's
resolution. Larger values of a map speak more for the class.

Conventions, the same for every function:

- An empty mask is refused: no map can point into it. Leave such images out.
- Ties: where several places share the maximum, the result is the share of
  them that hits. A constant map, which says nothing, then scores what a random
  guess scores on average, whatever the order of the pixels.
- A map without a positive value has no mass; `energy_in_mask` treats it as
  constant.
- `area`, where it is given, is what the picture covers, the rest being padding
  beside it: only places in it count, of the map and of chance alike.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from umsrep.cells import Cells
from umsrep.errors import UmsrepError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def peak_in_mask(
    grid_map: ArrayLike,
    mask: ArrayLike,
    tolerance: int = 0,
    cells: Cells | None = None,
    area: ArrayLike | None = None,
) -> float:
    """Whether the peak of a map on a coarse grid lies in the mask: leniently.

    GG-CAM (Zhu et al. 2022, Section 4.3) counts how often it does. A cell is
    in the mask if any part of it is, so that on coarse cells a guess often
    hits; `pointing_game` is strict. The authors' code counts a peak within
    one cell as a hit, which is `tolerance=1`.

    Args:
        grid_map: (rows, columns), such as of `derived.CAM.grids`.
        mask: (height, width), at least as large as the grid.
        tolerance: Cells, also diagonally, by which the peak may miss.
        cells: Where the cells lie, such as `Explainer.cells`; None tiles the
            image.
        area: (height, width); a cell counts if any part of it is in it.

    Returns:
        1.0 or 0.0; of tied peaks, the share that hits.

    Raises:
        UmsrepError: an empty mask, one smaller than the grid, or a map that is
            not finite.
    """
    grid_map, mask = _map(grid_map), _mask(mask)
    if int(tolerance) != tolerance or tolerance < 0:
        raise UmsrepError(
            f"tolerance={tolerance}: expected a whole number of cells, 0 or "
            "more."
        )
    if any(m < n for m, n in zip(mask.shape, grid_map.shape, strict=True)):
        raise UmsrepError(
            f"Got a mask of {mask.shape} pixels for a map of {grid_map.shape} "
            "cells. Pass the mask at the image's resolution."
        )
    if cells is None:
        cells = Cells.tiling(grid_map.shape, mask.shape)
    touched = ndimage.maximum_filter(
        cells.average(mask) > 0, size=2 * int(tolerance) + 1, mode="constant"
    )
    counted = np.ones(grid_map.shape, bool)
    if area is not None:
        counted = cells.average(_area(area, mask)) > 0
    return float(touched[_peak(grid_map, touched, counted)].mean())


def pointing_game(
    full_map: ArrayLike,
    mask: ArrayLike,
    tolerance: float = 0,
    cells: Cells | None = None,
    area: ArrayLike | None = None,
) -> float:
    """Whether the very pixel of a map's maximum lies in the mask.

    The pointing game (Zhang et al. 2018) counts how often it does, there with
    a tolerance of 15 pixels.

    Args:
        full_map: (height, width); with `cells`, (rows, columns).
        mask: (height, width).
        tolerance: Pixels (Euclidean) by which the maximum may miss.
        cells: Where the cells of a coarse map lie. Its maximum is at the
            centre of a cell, where bilinear enlarging has it; a map that says
            nothing then scores what a random cell does.
        area: (height, width); a cell counts if its centre is in it.

    Returns:
        1.0 or 0.0; of tied maxima, the share that hits, and of a centre
        between pixels their share.
    """
    if cells is None:
        full_map, inside = _pair(full_map, mask)
    else:
        full_map, inside = _map(full_map), _mask(mask)
    if tolerance < 0:
        raise UmsrepError(
            f"tolerance={tolerance}: expected a number of pixels, 0 or more."
        )
    if tolerance > 0:
        inside = ndimage.distance_transform_edt(~inside) <= tolerance
    hits = inside if cells is None else cells.at_centres(inside)
    counted = np.ones(full_map.shape, bool)
    if area is not None:
        counted = _area(area, inside)
        if cells is not None:
            # A picture narrower than a cell may hold no centre.
            centres = cells.at_centres(counted) > 0
            counted = centres if centres.any() else cells.average(counted) > 0
    return float(hits[_peak(full_map, hits, counted)].mean())


def energy_in_mask(
    full_map: ArrayLike, mask: ArrayLike, area: ArrayLike | None = None
) -> float:
    """Share of the map's non-negative mass inside the mask, in [0, 1].

    The energy-based pointing game (Wang et al. 2020, Equation 12). A constant
    map scores the mask's share of the image (`mask_share`).

    Args:
        full_map: (height, width); negative values count as 0.
        mask, area: The same shape.
    """
    full_map, mask = _pair(full_map, mask)
    counted = np.ones(mask.shape, bool) if area is None else _area(area, mask)
    energy = np.maximum(full_map, 0) * counted
    total = energy.sum()
    if total == 0:
        return mask_share(mask, area)
    return float(energy[mask].sum() / total)


def mask_share(mask: ArrayLike, area: ArrayLike | None = None) -> float:
    """The mask's share of the image: what a map that says nothing scores."""
    inside = _mask(mask)
    return float(
        inside.mean() if area is None else inside[_area(area, inside)].mean()
    )


def _peak(values: Floats, hits: NDArray, counted: Bools) -> Bools:
    """Where a map has its maximum; raises unless it has the hits' cells."""
    if values.shape != hits.shape:
        raise UmsrepError(
            f"Got a map of {values.shape} cells; expected {hits.shape}. Pass "
            "the cells of this map (Explainer.cells)."
        )
    return counted & (values == values[counted].max())  # type: ignore[no-any-return]


def _pair(full_map: ArrayLike, mask: ArrayLike) -> tuple[Floats, Bools]:
    full_map, mask = _map(full_map), _mask(mask)
    if full_map.shape != mask.shape:
        raise UmsrepError(
            f"Got a map of shape {full_map.shape} and a mask of {mask.shape}. "
            "Enlarge the map to the image first."
        )
    return full_map, mask


def _area(area: ArrayLike, mask: Bools) -> Bools:
    """The area that counts; raises unless it is the mask's size."""
    counted = _mask(area)
    if counted.shape != mask.shape:
        raise UmsrepError(
            f"Got an area of {counted.shape} pixels and a mask of "
            f"{mask.shape}. Pass both at the image's size."
        )
    return counted


def _map(values: ArrayLike) -> Floats:
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise UmsrepError(
            f"Got a map of shape {values.shape}; expected one (rows, columns) "
            "of finite numbers. Pass the map of one image."
        )
    return values


def _mask(mask: ArrayLike) -> Bools:
    mask = np.asarray(mask)
    if mask.ndim == 3 and mask.shape[-1] == 1:
        mask = mask[..., 0]
    if mask.ndim != 2:
        raise UmsrepError(
            f"Got a mask of shape {mask.shape}; expected (height, width). "
            "Pass the mask of one image."
        )
    if mask.dtype != bool:
        values = np.unique(mask)
        if len(values) > 2 or not np.isin(values, (0, 1, 255)).all():
            raise UmsrepError(
                f"Got a mask with {len(values)} values from {values[0]} to "
                f"{values[-1]}; expected only 0 and 1, or 0 and 255. "
                "Threshold probabilities first (>= 0.5)."
            )
        mask = mask > 0
    if not mask.any():
        raise UmsrepError(
            "Got an empty mask, in which no map can point. Leave the image out."
        )
    return mask
