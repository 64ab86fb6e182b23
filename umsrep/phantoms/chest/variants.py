"""Normal variants and old scars: what looks like disease and is none.

They are drawn in every chest alike, whatever its finding, so that they give
no class away; they take from each finding what would give it away.
"""

import dataclasses

import numpy as np

from umsrep.phantoms.chest import findings
from umsrep.phantoms.chest.anatomy import LEFT, RIGHT

# Between a normal heart's ratio and an enlarged one's; see `anatomy`.
_BORDERLINE = 0.525
_NARROWEST, _WIDEST = 0.36, 0.68
_SCATTER = 0.08
_KINDS = {
    # Scars of the apices, atelectasis or a pericardial fat pad, and the haze
    # of a shallow breath.
    "scar": findings.tuberculosis,
    "atelectasis": findings.bacterial,
    "haze": findings.viral,
}
_PROBABILITY = 0.35  # of each kind, at full overlap


@dataclasses.dataclass(frozen=True)
class Variants:
    """What a chest has besides its finding.

    Attributes:
        vessels: Factor of the vessels' thickness, 1 for ordinary ones.
        thickness: What is added to the beam's path in the lungs, float32, on
            the coarse canvas.
        shape: Where it is, float32 from 0 to about 1.
        numbers: What was drawn, by name.
    """

    vessels: float
    thickness: np.ndarray
    shape: np.ndarray
    numbers: dict


def borderline(anatomy, overlap, rng):
    """The same patient, with a heart nearer to the border between classes.

    At an overlap of 1, half the distance to the border is left, and the
    ratio's standard deviation is 0.08 more: two readers of a film would
    differ on many of these.

    Args:
        anatomy: `Anatomy`.
        overlap: 0 (nothing changes) to 1.
        rng: Random generator; the draw is the same for either class.
    """
    scatter = rng.standard_normal()
    ratio = anatomy.ratio + 0.5 * overlap * (_BORDERLINE - anatomy.ratio)
    ratio = np.clip(ratio + _SCATTER * overlap * scatter, _NARROWEST, _WIDEST)
    if overlap == 0:
        return anatomy
    return dataclasses.replace(anatomy, ratio=float(ratio))


def draw_variants(canvas, anatomy, overlap, contrast, rng):
    """Draws what looks like disease: more and denser with more overlap.

    Args:
        canvas: The coarse `Canvas`.
        anatomy: `Anatomy`.
        overlap: 0 (nothing) to 1.
        contrast: Of opacities, as of `Difficulty`.
        rng: Random generator.

    Returns:
        `Variants`.
    """
    vessels = 1 + 0.7 * overlap * abs(rng.standard_normal())
    thickness = np.zeros(canvas.shape, np.float32)
    shape = np.zeros(canvas.shape, np.float32)
    numbers = {"vessels": vessels}
    for name, draw in _KINDS.items():
        chance, share = rng.random(), rng.uniform(0.2, 0.4 + 0.6 * overlap)
        drawn = draw(canvas, anatomy, rng)
        if chance < _PROBABILITY * overlap:
            factor = np.float32(share * contrast)
            thickness += factor * drawn.thickness
            shape = np.maximum(shape, drawn.shape)
            numbers[name] = float(factor) * drawn.numbers["strength"]
    numbers["granulomas"] = int(rng.poisson(1.5 * overlap))
    thickness += _granulomas(canvas, anatomy, numbers["granulomas"], rng)
    return Variants(vessels, thickness, shape, numbers)


def _granulomas(canvas, anatomy, count, rng):
    """Small calcified spots, left by a healed infection, float32."""
    x, y = canvas.coordinates()
    added = np.zeros(canvas.shape, np.float32)
    for _ in range(count):
        side = (LEFT, RIGHT)[rng.integers(2)]
        down = anatomy.apex + rng.uniform(0.2, 0.85) * anatomy.height
        wall = float(anatomy.wall(down))
        across = side * rng.uniform(0.3, 0.9) * wall
        radius, strength = rng.uniform(0.005, 0.010), rng.uniform(0.15, 0.4)
        distance = ((x - across) ** 2 + (y - down) ** 2) / radius**2
        added += np.float32(strength) * np.exp(-distance)
    return added
