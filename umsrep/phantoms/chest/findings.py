"""What disease adds to a chest: opacities inside the lungs.

The strength of each varies from barely visible to obvious, so that a
classifier has easy and hard cases.
"""

import dataclasses

import numpy as np

from umsrep.phantoms.chest.anatomy import LEFT, RIGHT

# (name, side of the picture, upper and lower end as a fraction of the lung).
# Picture left is the patient's right lung, the one with three lobes.
LOBES = (
    ("right upper", LEFT, 0.06, 0.42),
    ("right middle", LEFT, 0.42, 0.68),
    ("right lower", LEFT, 0.55, 0.95),
    ("left upper", RIGHT, 0.06, 0.50),
    ("left lower", RIGHT, 0.50, 0.95),
)


@dataclasses.dataclass(frozen=True)
class Opacity:
    """A finding on a canvas, before it is restricted to the lungs.

    Attributes:
        thickness: What it adds to the beam's path, float32.
        shape: Where it is, float32 from 0 (outside) to about 1.
        numbers: What was drawn, by name.
    """

    thickness: np.ndarray
    shape: np.ndarray
    numbers: dict


def _gaussian(x, y, centre, radii, angle=0.0):
    """exp(-r^2) of an ellipse, at positions x, y."""
    dx, dy = x - centre[0], y - centre[1]
    if angle:
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        dx, dy = cos * dx + sin * dy, cos * dy - sin * dx
    return np.exp(-((dx / radii[0]) ** 2) - (dy / radii[1]) ** 2)


def _smoothstep(value):
    value = np.clip(value, 0, 1)
    return value * value * (3 - 2 * value)


def tuberculosis(canvas, anatomy, rng):
    """Nodules and patches of the upper zones, sometimes with a cavity."""
    x, y = canvas.coordinates()
    strength = rng.uniform(0.28, 0.65)
    sides = [LEFT, RIGHT]
    rng.shuffle(sides)
    if rng.random() < 0.6:
        sides = sides[:1]
    shape = np.zeros(canvas.shape, np.float32)
    nodules = 0
    for side in sides:
        v = rng.uniform(0.16, 0.40)
        centre_y = anatomy.apex + v * anatomy.height
        wall = float(anatomy.wall(centre_y))
        centre_x = side * (0.07 + rng.uniform(0.25, 0.75) * (wall - 0.07))
        extent = rng.uniform(0.045, 0.10)
        patch = _gaussian(
            x,
            y,
            (centre_x, centre_y),
            (extent, extent * rng.uniform(0.6, 1.3)),
            rng.uniform(0, np.pi),
        )
        shape = np.maximum(shape, 0.6 * patch)
        count = int(rng.integers(3, 9))
        nodules += count
        for _ in range(count):
            spot = rng.normal((centre_x, centre_y), 0.7 * extent).tolist()
            radius = rng.uniform(0.008, 0.024)
            squeeze = rng.uniform(0.7, 1.4)
            nodule = _gaussian(x, y, spot, (radius * squeeze, radius / squeeze))
            shape = np.maximum(shape, rng.uniform(0.6, 1.0) * nodule)
        if rng.random() < 0.25:
            radius = rng.uniform(0.018, 0.035)
            ring = np.hypot(x - centre_x, y - centre_y) / radius
            shape = np.maximum(shape, np.exp(-(((ring - 1) / 0.3) ** 2)))
            shape *= 1 - 0.7 * _smoothstep(1.2 - ring)
    mottle = 1 + 0.35 * canvas.texture(rng, 0.016)
    opacity = shape * np.clip(mottle, 0.2, 1.8)
    return Opacity(
        strength * opacity,
        shape,
        {"strength": strength, "nodules": nodules, "sides": len(sides)},
    )


def bacterial(canvas, anatomy, rng):
    """Confluent consolidation of one lobe."""
    x, y = canvas.coordinates()
    strength = rng.uniform(0.32, 0.72)
    name, side, upper, lower = LOBES[rng.integers(len(LOBES))]
    extent = rng.uniform(0.8, 1.5)
    v = (y - anatomy.apex) / anatomy.height
    wall = float(anatomy.wall(anatomy.apex + 0.5 * anatomy.height))
    u = side * x / wall
    # Fissures run obliquely; the opacity may stop at one or fade before it.
    slope = rng.uniform(-0.15, 0.15)
    position = v - slope * (u - 0.5)
    ragged = 0.5 * canvas.texture(rng, 0.10) + 0.2 * canvas.texture(rng, 0.04)
    sharp = rng.uniform(0.03, 0.12, 2).tolist()
    lobe = _smoothstep((position - upper) / sharp[0] + 0.5)
    lobe *= _smoothstep((lower - position) / sharp[1] + 0.5)
    centre = rng.uniform(0.30, 0.75)
    middle = upper + rng.uniform(0.25, 0.75) * (lower - upper)
    distance = np.hypot(
        (u - centre) / (0.50 * extent), (v - middle) / (0.24 * extent)
    )
    soft = rng.uniform(0.4, 0.9)
    fill = _smoothstep((1.0 + 0.5 * ragged - distance) / soft + 0.5)
    shape = lobe * fill * np.clip(u / 0.1, 0, 1)
    # Confluent, yet mottled by the air left in some alveoli and bronchi.
    mottle = 0.12 * canvas.texture(rng, 0.05)
    mottle += 0.10 * canvas.texture(rng, 0.03)
    opacity = shape * np.clip(0.9 + mottle, 0.2, 1.6)
    return Opacity(
        strength * opacity,
        shape,
        {"strength": strength, "lobe": name, "extent": extent},
    )


def viral(canvas, anatomy, rng):
    """Diffuse haze with a fine network of lines, in both lungs."""
    x, y = canvas.coordinates()
    strength = rng.uniform(0.13, 0.36)
    haze = rng.uniform(0.35, 0.7)
    hilum_y = anatomy.apex + rng.uniform(0.42, 0.62) * anatomy.height
    spread = rng.uniform(0.16, 0.30)
    weight = np.zeros(canvas.shape, np.float32)
    for side in (LEFT, RIGHT):
        centre = (side * rng.uniform(0.10, 0.16), hilum_y)
        weight = np.maximum(
            weight, _gaussian(x, y, centre, (spread, 1.3 * spread))
        )
    weight *= np.clip(1 + 0.3 * canvas.texture(rng, 0.08), 0.3, 1.6)
    # A network: the zero crossings of smooth noise, broken by another one.
    network = np.exp(-((canvas.texture(rng, 0.030) / 0.30) ** 2))
    network = np.maximum(
        network, 0.8 * np.exp(-((canvas.texture(rng, 0.016) / 0.30) ** 2))
    )
    network *= np.clip(0.6 + 0.5 * canvas.texture(rng, 0.05), 0, 1)
    opacity = weight * (haze + (1 - haze) * network)
    return Opacity(
        strength * opacity,
        weight,
        {"strength": strength, "haze": haze, "spread": spread},
    )
