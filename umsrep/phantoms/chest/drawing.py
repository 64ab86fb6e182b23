"""Synthetic frontal chest X-rays with known lungs, heart and findings.

The beam's path through a drawn chest is summed as a thickness (1 is the soft
tissue of an average trunk), the photons that get through determine the quantum
noise, and a film-like curve turns thickness into grey values. These are
teaching and test pictures: plausible, but no substitute for patients.
"""

import dataclasses

import numpy as np

from umsrep.errors import UmsrepError
from umsrep.phantoms.chest import findings
from umsrep.phantoms.chest.anatomy import LEFT, RIGHT, Anatomy
from umsrep.phantoms.chest.canvas import Canvas
from umsrep.phantoms.chest.devices import confounders, devices
from umsrep.phantoms.chest.difficulty import (
    DEFAULT,
    Difficulty,
    difficulty_of,
)
from umsrep.phantoms.chest.exposure import (
    SHENZHEN,
    ChestStyle,
    View,
    expose,
    furnish,
)
from umsrep.phantoms.chest.variants import borderline, draw_variants

FINDINGS = ("normal", "tuberculosis", "bacterial", "viral", "enlarged_heart")
ALIASES = {"abnormal": "tuberculosis"}
SMALLEST = 48
_OPACITIES = {
    "tuberculosis": findings.tuberculosis,
    "bacterial": findings.bacterial,
    "viral": findings.viral,
}


@dataclasses.dataclass(frozen=True)
class ChestPhantom:
    """One synthetic chest X-ray and the truth about it.

    Sides are sides of the picture, as in the Montgomery set's folder names:
    `left_lung` lies on the left of the picture and is the patient's right
    lung.

    Attributes:
        image: uint8 (height, width), bright = dense.
        left_lung, right_lung: bool (height, width), without the heart.
        heart: bool (height, width).
        finding_mask: bool (height, width): the opacity inside the lungs, the
            heart for an enlarged heart, nothing for a normal chest.
        variant_mask: bool (height, width): what looks like an opacity and
            is a scar or a normal variant, inside the lungs.
        finding: One of `FINDINGS`.
        parameters: The numbers drawn, plain Python values.
    """

    image: np.ndarray
    left_lung: np.ndarray
    right_lung: np.ndarray
    heart: np.ndarray
    finding_mask: np.ndarray
    variant_mask: np.ndarray
    finding: str
    parameters: dict

    @property
    def lungs(self):
        """Both lungs, bool (height, width)."""
        return self.left_lung | self.right_lung


def draw_chest(
    seed: int,
    index: int,
    finding: str = "normal",
    size: int | tuple[int, int] = 512,
    style: ChestStyle = SHENZHEN,
    patient: int | None = None,
    marker: str | None = None,
    difficulty: str | Difficulty = DEFAULT,
) -> ChestPhantom:
    """Draws one chest X-ray, always the same for the same arguments.

    Anatomy and finding come from (seed, patient), position and exposure from
    (seed, index). The finding changes neither anatomy nor exposure: index 3
    with and without pneumonia is the same chest under the same exposure, and
    has the same variants and devices unless confounding is asked for.

    Args:
        seed: Seed of the data set, a non-negative integer.
        index: Index of the picture within the set, a non-negative integer.
        finding: One of `FINDINGS`, or "abnormal" for "tuberculosis".
        size: Pixels: one number for a square, or (height, width).
        style: The hospital's look, a `ChestStyle`.
        patient: Index of the patient, a non-negative integer; pictures of one
            patient share the anatomy. Default: `index`.
        marker: "L", "R" or "" (none) fixes the lead marker; by default it is
            drawn without regard to the finding, unless confounding is asked
            for.
        difficulty: A level ("easy", "usual" or "hard") or a `Difficulty`; its
            reader and label noise are no matter of one picture.

    Returns:
        `ChestPhantom`.

    Raises:
        UmsrepError: an unknown finding, marker or level, a negative seed,
            index or patient, or a size under `SMALLEST` pixels.
    """
    finding = ALIASES.get(finding, finding)
    difficulty = difficulty_of(difficulty)
    patient = index if patient is None else patient
    shape = _checked((seed, index, patient), finding, size, marker)
    anatomy = _patient(seed, patient, finding, style, difficulty)
    rng = np.random.default_rng([seed, index, 6])
    confounder, worn = confounders(finding != "normal", difficulty, rng)
    view = View.draw(np.random.default_rng([seed, index, 1]), style)
    marker = confounder if marker is None else marker
    if marker is not None:
        view = dataclasses.replace(view, marker=marker)
    canvas = Canvas(shape, view.body_to_pixels(shape))
    heart, left, right = _shapes(canvas, anatomy)
    air = left + right
    opacity, variants = _in_the_lungs(
        canvas.coarse(), anatomy, finding, difficulty, [seed, patient]
    )
    thickness = _thickness(
        canvas, anatomy, heart, air, variants.vessels, [seed, patient, 2]
    )
    thickness += canvas.enlarge(opacity.thickness + variants.thickness) * air
    thickness += devices(canvas, anatomy, worn, rng)
    heart, left, right = (shape >= 0.5 for shape in (heart, left, right))
    right &= ~heart & ~left
    left &= ~heart
    lungs = left | right
    area = lungs & (canvas.enlarge(opacity.shape) > 0.3)
    grey = expose(
        canvas, thickness, view, np.random.default_rng([seed, index, 4])
    )
    parameters = _parameters(anatomy, view, opacity, variants, worn)
    parameters["cardiothoracic_ratio"] = _extent(heart) / _extent(lungs)
    return ChestPhantom(
        image=furnish(grey, view, lungs),
        left_lung=left,
        right_lung=right,
        heart=heart,
        finding_mask=heart if finding == "enlarged_heart" else area,
        variant_mask=lungs & (canvas.enlarge(variants.shape) > 0.3),
        finding=finding,
        parameters=_plain(parameters),
    )


def _patient(seed, patient, finding, style, difficulty):
    """The proportions of one patient with a finding, `Anatomy`."""
    anatomy = Anatomy.draw(
        np.random.default_rng([seed, patient, 0]),
        style.child,
        finding == "enlarged_heart",
    )
    rng = np.random.default_rng([seed, patient, 5])
    return borderline(anatomy, difficulty.overlap, rng)


def _in_the_lungs(canvas, anatomy, finding, difficulty, patient):
    """The finding's `Opacity`, empty without one, and the `Variants`."""
    contrast = difficulty.contrast
    variants = draw_variants(
        canvas,
        anatomy,
        difficulty.overlap,
        contrast,
        np.random.default_rng([*patient, 7]),
    )
    if finding not in _OPACITIES:
        nothing = np.zeros(canvas.shape, np.float32)
        return findings.Opacity(nothing, nothing, {}), variants
    rng = np.random.default_rng([*patient, 3])
    drawn = _OPACITIES[finding](canvas, anatomy, rng)
    strength = contrast * drawn.numbers["strength"]
    opacity = dataclasses.replace(
        drawn,
        thickness=np.float32(contrast) * drawn.thickness,
        numbers={**drawn.numbers, "strength": strength},
    )
    return opacity, variants


def _parameters(anatomy, view, opacity, variants, worn):
    """What was drawn, by name."""
    return (
        dataclasses.asdict(anatomy)
        | dataclasses.asdict(view)
        | {f"finding_{key}": n for key, n in opacity.numbers.items()}
        | {f"variant_{key}": n for key, n in variants.numbers.items()}
        | {"devices": worn}
    )


def _checked(numbers, finding, size, marker):
    """The picture's (height, width), once every argument is checked."""
    if finding not in FINDINGS:
        raise UmsrepError(
            f"No chest phantom has the finding '{finding}'. Choose one of "
            f"{', '.join(FINDINGS)}."
        )
    if marker not in (None, "", "L", "R"):
        raise UmsrepError(
            f"marker='{marker}' is unknown. Pass 'L' or 'R', '' for none, or "
            "leave it out to have one drawn."
        )
    if min(numbers) < 0:
        raise UmsrepError(
            f"Got seed, index and patient {numbers}; all count from 0. Give "
            "non-negative integers."
        )
    shape = (size, size) if np.ndim(size) == 0 else tuple(size)
    if len(shape) != 2 or min(shape) < SMALLEST:
        raise UmsrepError(
            f"Got picture size {size}; expected a number or (height, width) "
            f"of at least {SMALLEST} pixels. Choose a larger size, for "
            "example 256."
        )
    return shape


def _shapes(canvas, anatomy):
    """Heart and both lungs without the heart, float32 in [0, 1]."""
    heart = canvas.fill(anatomy.heart())
    left, right = (
        canvas.fill(anatomy.lung(side)) * (1 - heart) for side in (LEFT, RIGHT)
    )
    return heart, left, right


def _extent(mask):
    """Width of a mask in pixels."""
    columns = np.flatnonzero(mask.any(axis=0))
    return int(columns[-1] - columns[0] + 1)


def _thickness(canvas, anatomy, heart, lungs, vessels, seed):
    """The path of the beam through the chest, float32."""
    rng = np.random.default_rng(seed)
    coarse = canvas.coarse()
    body = canvas.fill(anatomy.body())
    thickness = canvas.depth(body, 0.15) * np.float32(anatomy.thickness)
    thickness += canvas.enlarge(_soft_tissue(coarse, anatomy))
    thickness *= body
    air = canvas.soften(lungs, 0.0025)
    air *= 0.62 + 0.38 * canvas.depth(lungs, 0.12)
    thickness *= 1 - 0.58 * air
    thickness += 0.30 * canvas.soften(heart, 0.003) * canvas.depth(heart, 0.14)
    thickness += canvas.enlarge(_middle(coarse, anatomy)) * body
    thickness += _bones(canvas, anatomy) * body
    tree = canvas.lines(
        anatomy.vessels(rng),
        (0.0085, 0.0062, 0.0045, 0.0033, 0.0024),
        (1.0, 0.9, 0.8, 0.75, 0.7),
    )
    tree = canvas.soften(tree, 0.0014)
    tree *= np.float32(vessels * (0.09 if anatomy.child else 0.14))
    tree += canvas.enlarge(0.012 * coarse.texture(rng, 0.013))
    thickness += tree * air
    mottle = 0.025 * coarse.texture(rng, 0.16)
    mottle += 0.010 * coarse.texture(rng, 0.03)
    thickness += canvas.enlarge(mottle) * body
    return np.maximum(thickness, 0)


def _soft_tissue(canvas, anatomy):
    """What the belly, the breasts and the chin add to the trunk."""
    x, y = canvas.coordinates()
    top = anatomy.dome_top(LEFT)
    added = 0.40 * np.clip((y - top + 0.03) / 0.16, 0, 1)
    # The chest is deeper, and its walls thicker, towards the belly.
    added += 0.16 * np.clip((y - anatomy.apex) / anatomy.height, 0, 1)
    if anatomy.breast:
        for side in (LEFT, RIGHT):
            dx, dy = x - side * 0.19, y - top + 0.04
            radius = dx**2 + (dy / 0.85) ** 2
            breast = np.sqrt(np.maximum(1 - radius / 0.17**2, 0))
            breast *= np.clip(dy / 0.2 + 0.7, 0, 1)
            added += anatomy.breast * breast
    if anatomy.chin:
        radius = (x / 0.13) ** 2 + ((y - anatomy.apex + 0.24) / 0.14) ** 2
        added += anatomy.chin * np.clip((1 - radius) / 0.3, 0, 1)
    present, across, tall = anatomy.stomach
    if present < 0.7:
        dy = y - anatomy.dome_top(RIGHT) - tall - 0.025
        radius = np.hypot((x - across) / 1.4, dy) / tall
        added -= 0.36 * np.clip((1 - radius) / 0.25, 0, 1)
    return added


def _middle(canvas, anatomy):
    """What mediastinum, hila, spine and airways add."""
    x, y = canvas.coordinates()
    axis = x - anatomy.spine_bend * np.sin(5 * y)
    added = 0.26 * np.exp(-((axis / 0.055) ** 2))
    column = np.clip((0.037 - np.abs(axis)) / 0.008, 0, 1)
    level = (y - anatomy.apex) / (0.92 * anatomy.rib_gap)
    disc = np.cos(2 * np.pi * level)
    rim = np.exp(-(((np.abs(axis) - 0.031) / 0.006) ** 2))
    added += column * (0.12 + 0.045 * disc) + 0.05 * rim * (1 + disc)
    hilum = anatomy.apex + 0.42 * anatomy.height
    for side in (LEFT, RIGHT):
        dx, dy = x - side * 0.07, y - hilum + 0.012 * (side == RIGHT)
        added += 0.11 * np.exp(-((dx / 0.024) ** 2) - (dy / 0.05) ** 2)
    carina = anatomy.apex + 0.30 * anatomy.height
    windpipe = np.array([[(0.0, -0.9), (0.004, carina)]])
    bronchi = np.array(
        [[(0.004, carina), (s * 0.07, carina + 0.07)] for s in (LEFT, RIGHT)]
    )
    pipe = canvas.lines([windpipe, bronchi], (0.038, 0.022), (1.0, 0.6))
    return added - 0.24 * canvas.soften(pipe, 0.006)


def _bones(canvas, anatomy):
    """What ribs, clavicles, shoulder blades and arms add."""
    back, front = [], []
    for side in (LEFT, RIGHT):
        for number in range(10):
            posterior, anterior = anatomy.ribs(side, number)
            back.append(posterior)
            if number < 7:
                front.append(anterior)
    sides = (LEFT, RIGHT)
    collar = [anatomy.clavicle(side) for side in sides]
    arms = [anatomy.humerus(side) for side in sides]
    width, strength = anatomy.rib_width, anatomy.rib_strength
    added = 0.16 * strength * _with_rims(canvas, back, width)
    added += 0.09 * strength * _with_rims(canvas, front, width)
    added += 0.22 * _with_rims(canvas, collar, 1.2 * width)
    added += 0.20 * _with_rims(canvas, arms, 0.05)
    blades = canvas.fill(*(anatomy.scapula(side) for side in sides))
    rim = blades - canvas.soften(blades, 0.008)
    added += canvas.soften(0.06 * blades + 0.14 * np.maximum(rim, 0), 0.002)
    return added


def _with_rims(canvas, lines, width):
    """Bones: bands whose edges are denser than their middle, in [0, 1]."""
    lines = np.stack(lines)
    bands = canvas.lines([lines, lines], (width, 0.62 * width), (1.0, 0.55))
    return canvas.soften(bands, 0.0014)


def _plain(value):
    """NumPy values as plain Python ones."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value
