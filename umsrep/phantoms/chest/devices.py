"""Devices on and in a chest: what a network may take for the disease."""

import numpy as np

from umsrep.phantoms.chest.anatomy import LEFT, RIGHT
from umsrep.phantoms.chest.canvas import rounded, smooth_line

# {device: probability in an image that has any}.
_SHARES = {"ecg_leads": 0.6, "central_line": 0.45, "pacemaker": 0.25}


def confounders(abnormal, difficulty, rng):
    """Which confounders an image has, related to its class as asked.

    With probability |confounding| the class decides, otherwise chance. So
    the probability in abnormal chests is that in normal ones plus
    `confounding`, whatever the share of devices.

    Args:
        abnormal: Whether the chest is.
        difficulty: `Difficulty`.
        rng: Random generator; its draws are the same for either class.

    Returns:
        (marker "L" or "R" that the class decides, None if it does not; names
        of the devices, empty for none).
    """
    decides = rng.random(2) < abs(difficulty.confounding)
    sign = abnormal == (difficulty.confounding > 0)
    present = rng.random() < difficulty.devices
    if decides[1]:
        present = sign
    chosen = rng.random(len(_SHARES)) < list(_SHARES.values())
    if not chosen.any():
        chosen[0] = True
    marker = "LR"[int(sign)] if decides[0] else None
    names = [n for n, one in zip(_SHARES, chosen, strict=True) if one]
    return marker, names if present else []


def devices(canvas, anatomy, names, rng):
    """What the devices add to the beam's path, float32.

    Args:
        canvas: `Canvas`.
        anatomy: `Anatomy`.
        names: Some of "ecg_leads", "central_line" and "pacemaker".
        rng: Random generator.
    """
    drawn = {
        "ecg_leads": _ecg_leads,
        "central_line": _central_line,
        "pacemaker": _pacemaker,
    }
    added = np.zeros(canvas.shape, np.float32)
    for name in names:
        added = np.maximum(added, drawn[name](canvas, anatomy, rng))
    return added


def _line(canvas, points, width, strength):
    """A wire or catheter through body points."""
    line = np.array([smooth_line(points, 40)])
    drawn = canvas.lines([line], (width,), (1.0,))
    return np.float32(strength) * canvas.soften(drawn, 0.0012)


def _ring(canvas, centre, radius):
    """Contour of a disc in body coordinates."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    return np.asarray(centre) + radius * circle


def _ecg_leads(canvas, anatomy, rng):
    """Electrodes on the skin, their wires gathered below the chest."""
    added = np.zeros(canvas.shape, np.float32)
    gathered = (rng.uniform(-0.12, 0.12), 0.55)
    places = [(LEFT, 0.14), (RIGHT, 0.14), (LEFT, 0.72), (RIGHT, 0.72)]
    for side, down in places:
        y = anatomy.apex + (down + rng.normal(0, 0.04)) * anatomy.height
        x = side * (float(anatomy.wall(y)) * rng.uniform(0.65, 0.95))
        bend = (0.6 * x + rng.normal(0, 0.03), y + rng.uniform(0.10, 0.2))
        wire = _line(canvas, [(x, y), bend, gathered], 0.0035, 0.22)
        snap = canvas.fill(_ring(canvas, (x, y), rng.uniform(0.008, 0.011)))
        added = np.maximum(added, np.maximum(wire, np.float32(0.45) * snap))
    return added


def _central_line(canvas, anatomy, rng):
    """A catheter from the neck or below the collar bone to the right atrium.

    It lies on the left of the picture, where the patient's right is.
    """
    tip = anatomy.apex + rng.uniform(0.34, 0.46) * anatomy.height
    x = -rng.uniform(0.028, 0.045)
    if rng.random() < 0.6:
        start = [(-0.075, anatomy.apex - 0.2), (-0.055, anatomy.apex - 0.05)]
    else:
        start = [(-0.24, anatomy.apex + 0.11), (-0.13, anatomy.apex + 0.05)]
    points = [*start, (x, anatomy.apex + 0.13), (x, tip)]
    return _line(canvas, points, 0.006, 0.28)


def _pacemaker(canvas, anatomy, rng):
    """A generator below the left collar bone, a lead to the right ventricle."""
    x = rng.uniform(0.19, 0.23) * anatomy.half_width / 0.335
    y = anatomy.apex + rng.uniform(0.13, 0.19)
    half = np.array([rng.uniform(0.032, 0.04), rng.uniform(0.026, 0.034)])
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
    case = canvas.soften(canvas.fill(rounded(corners + (x, y))), 0.0015)
    bottom = anatomy.dome_top(RIGHT) - rng.uniform(0.01, 0.03)
    lead = [
        (x - half[0], y - 0.01),
        (0.10, anatomy.apex + 0.07),
        (-0.015, anatomy.apex + 0.16),
        (-0.045, bottom - 0.14),
        (0.01, bottom - 0.02),
        (rng.uniform(0.06, 0.10), bottom),
    ]
    wire = _line(canvas, lead, 0.005, 0.45)
    return np.maximum(np.float32(0.9) * case, wire)
