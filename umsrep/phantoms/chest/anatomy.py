"""The shapes of one chest: contours in body coordinates (see canvas.py).

Proportions follow adult and paediatric frontal chest radiographs; they are
plausible, not measured on a population.
"""

import dataclasses

import numpy as np

from umsrep.phantoms.chest.canvas import rounded, smooth_line

LEFT, RIGHT = -1, 1  # sides of the picture
NORMAL_RATIO = (0.40, 0.48)
CHILD_RATIO = (0.42, 0.485)
ENLARGED_RATIO = (0.57, 0.66)


@dataclasses.dataclass(frozen=True)
class Anatomy:
    """The proportions of one patient: lengths in body units, plain ratios."""

    child: bool
    half_width: float
    apex: float
    height: float
    dome: tuple[float, float]
    narrowing: tuple[float, float]
    bulge: float
    ratio: float
    heart_share: float
    knob: float
    rib_gap: float
    rib_drop: float
    rib_width: float
    rib_strength: float
    clavicles: tuple[float, float]
    spine_bend: float
    thickness: float
    stomach: tuple[float, float, float]
    breast: float
    chin: float
    arm_lift: float
    wobble: tuple[float, ...]

    @classmethod
    def draw(cls, rng, child, enlarged):
        """One patient; the same draws whether or not the heart is enlarged."""
        between = rng.uniform
        width = between(0.295, 0.335) if child else between(0.315, 0.355)
        height = between(0.54, 0.62) if child else between(0.60, 0.70)
        usual = between(*(CHILD_RATIO if child else NORMAL_RATIO))
        large = between(*ENLARGED_RATIO)
        dome = between(0.09, 0.15)
        return cls(
            child=child,
            half_width=width,
            apex=-between(0.28, 0.32) if child else -between(0.31, 0.36),
            height=height,
            dome=(dome, dome - between(0.005, 0.03)),
            narrowing=(between(-0.01, 0.02), between(-0.005, 0.03)),
            bulge=between(0.66, 0.82),
            ratio=large if enlarged else usual,
            heart_share=between(0.27, 0.35),
            knob=between(0.0, 0.008) if child else between(0.008, 0.03),
            rib_gap=between(0.051, 0.057) if child else between(0.056, 0.066),
            rib_drop=between(0.6, 0.85) if child else between(0.85, 1.25),
            rib_width=between(0.014, 0.018) if child else between(0.016, 0.022),
            rib_strength=between(1.1, 1.9) if child else between(0.7, 1.3),
            clavicles=(between(-0.12, 0.12), between(-0.12, 0.12)),
            spine_bend=between(-0.012, 0.012),
            thickness=between(0.85, 1.2),
            stomach=(between(0, 1), between(0.09, 0.19), between(0.025, 0.055)),
            breast=0.0 if child else max(0.0, between(-0.2, 0.16)),
            chin=max(0.0, between(-0.5, 0.7)) if child else 0.0,
            arm_lift=between(0, 1) if child else between(0, 0.25),
            wobble=tuple(between(-1, 1, 8).tolist()),
        )

    def wall(self, y):
        """Half width of the thorax at height y (before narrowing)."""
        v = np.clip((np.asarray(y) - self.apex) / self.height, 0, 1.4)
        start = 0.36 * self.half_width
        rise = np.minimum(v / self.bulge, 1)
        profile = np.sqrt(np.maximum(0, 1 - (1 - rise) ** 2.1))
        fall = np.maximum(v - self.bulge, 0)
        return start + (self.half_width - start) * profile - 0.1 * fall**2

    def costophrenic(self, side):
        """y of the costophrenic angle."""
        return self.apex + self.height + (0.008 if side == RIGHT else 0.0)

    def dome_top(self, side):
        """y of the highest point of the diaphragm on one side."""
        return self.costophrenic(side) - self.dome[int(side == RIGHT)]

    def lung(self, side):
        """Contour of one lung, before the heart is cut out of it."""
        apex, angle = self.apex, self.costophrenic(side)
        top, inner = self.dome_top(side), 0.05
        wobble = np.asarray(self.wobble)
        v = np.linspace(0, 1, 28)
        y = apex + v * (angle - apex)
        ripple = 0.004 * np.sin(
            2 * np.pi * (2 * v + wobble[int(side == RIGHT)])
        )
        lateral = self.wall(y) - self.narrowing[int(side == RIGHT)] + ripple * v
        corner = lateral[-1]
        t = np.linspace(1, 0, 20)[1:]
        peak = 0.42 + 0.08 * wobble[2 + int(side == RIGHT)]
        outward = np.maximum(0, (t - peak) / (1 - peak)) ** 2.3
        inward = np.maximum(0, (peak - t) / peak) ** 2
        dome_y = top + (angle - top) * outward + 0.018 * inward
        dome_x = inner + t * (corner - inner)
        u = np.linspace(0.86, 0.12, 14)
        medial_y = apex + u * (top - apex)
        medial_x = 0.05 + 0.012 * np.exp(-(((u - 0.55) / 0.14) ** 2))
        medial_x = medial_x + 0.004 * np.sin(9 * u + 3 * wobble[4])
        if side == RIGHT:
            medial_x += self.knob * np.exp(-(((u - 0.38) / 0.09) ** 2))
        start = lateral[0]
        angles = np.linspace(np.pi, np.pi / 2, 6)[1:]
        cap_x = start + np.cos(angles) * (start - medial_x[-1])
        cap_y = medial_y[-1] + np.sin(angles) * (apex - medial_y[-1])
        contour = np.concatenate(
            [
                np.stack([lateral, y], 1),
                np.stack([dome_x, dome_y], 1),
                np.stack([medial_x, medial_y], 1),
                np.stack([cap_x, cap_y], 1),
            ]
        )
        contour[:, 0] *= side
        return contour

    def heart(self):
        """Contour of the heart; its width is `ratio` x the thorax width.

        The thorax width is the widest lung-to-lung distance, as for the
        cardiothoracic ratio read from a film.
        """
        left, right = (self.lung(side)[:, 0] for side in (LEFT, RIGHT))
        width = self.ratio * (right.max() - left.min())
        small, large = width * self.heart_share, width * (1 - self.heart_share)
        floor = self.dome_top(RIGHT) + 0.02
        tall = (0.27 if self.child else 0.30) + 0.12 * (self.ratio - 0.45)
        outline = [
            (-0.20, 0.0),
            (-0.30, 0.22),
            (-0.72, 0.42),
            (-1.00, 0.62),
            (-0.95, 0.86),
            (-0.50, 1.0),
            (0.30, 1.03),
            (0.80, 1.0),
            (1.0, 0.90),
            (0.97, 0.74),
            (0.84, 0.52),
            (0.58, 0.26),
            (0.36, 0.10),
            (0.24, 0.0),
        ]
        contour = rounded(outline)
        x, y = contour.T
        # Corner cutting shrinks the outline; the width must come out exact.
        x = np.where(x < 0, -x / x.min() * small, x / x.max() * large)
        return np.stack([x, floor - tall + tall * y], 1)

    def body(self):
        """Outline of neck, shoulders, arms and trunk."""
        apex, wide = self.apex, self.half_width
        # (x from the chest wall, y from the apex): arms down, arms lifted.
        lowered = [(0, -0.03), (0.14, 0.03), (0.22, 0.15), (0.28, 0.40)]
        lowered += [(0.24, 0.80), (0.15, 0.60), (0.075, 0.37)]
        lifted = [(0, -0.07), (0.10, -0.16), (0.22, -0.30), (0.40, -0.20)]
        lifted += [(0.36, 0.0), (0.17, 0.12), (0.07, 0.25)]
        lift = self.arm_lift
        arm = (1 - lift) * np.array(lowered) + lift * np.array(lifted)
        neck = 0.105 if self.child else 0.095
        bulk = wide + 0.05 * self.thickness
        half = np.concatenate(
            [
                [(neck, apex - 0.5), (neck, apex - 0.13)],
                [(neck + 0.03, apex - 0.075)],
                arm + (wide, apex),
                [(bulk, apex + 0.38), (bulk - 0.01, apex + 0.55)],
                [(bulk - 0.005, apex + 0.75), (bulk + 0.02, apex + 1.4)],
            ]
        )
        return rounded(np.concatenate([half, half[::-1] * (-1, 1)]))

    def ribs(self, side, number):
        """Posterior and anterior arc of one rib (0 = first), two lines.

        A rib is a ring seen edge on from the front: an ellipse whose upper
        half is the posterior part.
        """
        drop = self.rib_drop * (0.025 + 0.0125 * min(number, 6))
        spine_y = self.apex - 0.012 + number * self.rib_gap
        centre = spine_y + drop
        reach = self.wall(centre) + 0.010 - self.narrowing[int(side == RIGHT)]
        back = np.linspace(-np.pi / 2, 0, 22)
        front = np.linspace(0, 0.40 * np.pi, 16)
        lines = []
        for angle in (back, front):
            x = 0.02 + (reach - 0.02) * np.cos(angle) ** 0.75
            y = centre + drop * np.sin(angle) * np.where(angle > 0, 1.7, 1)
            lines.append(np.stack([side * x, y], 1))
        return lines

    def clavicle(self, side):
        """Centre line of a collar bone."""
        tilt = self.clavicles[int(side == RIGHT)]
        scale = self.half_width / 0.335
        line = np.array(
            [(0.028, 0.02), (0.09, 0.01), (0.18, -0.03), (0.28, -0.075)]
            + [(0.36, -0.085), (0.42, -0.07)]
        )
        x = line[:, 0] * scale
        y = self.apex + 0.10 + line[:, 1] - (tilt + 0.1 * self.arm_lift) * x
        return smooth_line(np.stack([side * x, y], 1))

    def scapula(self, side):
        """Contour of a shoulder blade."""
        shift = 0.05 * self.wobble[5]
        points = [
            (-0.01, 0.07),
            (-0.035, 0.15),
            (-0.02, 0.25),
            (0.012 + 0.3 * shift, 0.35 + shift),
            (0.035, 0.30),
            (0.060, 0.16),
            (0.095, 0.07),
            (0.04, 0.04),
        ]
        points = np.array(points) + (self.half_width, self.apex)
        return rounded(points * (side, 1), 2)

    def humerus(self, side):
        """Centre line of an upper arm bone, from its head."""
        lowered = np.array([(0.13, 0.06), (0.18, 0.2), (0.23, 0.45)])
        lifted = np.array([(0.13, 0.0), (0.22, -0.09), (0.36, -0.16)])
        line = lowered + self.arm_lift * (lifted - lowered)
        line = line + (self.half_width, self.apex)
        return smooth_line(line * (side, 1))

    def vessels(self, rng):
        """The branching trees of both lungs, from the hila outwards.

        Returns:
            Arrays (branches, points, 2), one per generation of branches.
        """
        per_side = 8
        side = np.repeat([LEFT, RIGHT], per_side)
        origin = np.stack(
            [
                0.06 * side + rng.normal(0, 0.006, 2 * per_side),
                self.apex
                + 0.42 * self.height
                + rng.normal(0, 0.018, 2 * per_side),
            ],
            1,
        )
        # From nearly straight up, over sideways, to nearly straight down.
        heading = np.tile(np.linspace(-1.25, 1.45, per_side), 2)
        heading = heading + rng.normal(0, 0.12, 2 * per_side)
        length = 0.085 + 0.045 * (heading > 0.3)
        generations = []
        for _ in range(5):
            length = length * rng.uniform(0.7, 1.2, len(side))
            bend = rng.normal(0, 0.35, len(side))
            steps = np.linspace(0, 1, 5)
            angle = heading[:, None] + bend[:, None] * steps
            step = length[:, None, None] / 4
            along = step * np.stack(
                [side[:, None] * np.cos(angle), np.sin(angle)], 2
            )
            along[:, 0] = 0
            lines = origin[:, None] + np.cumsum(along, axis=1)
            generations.append(lines)
            fork = rng.uniform(0.15, 0.55, (len(side), 2)) * (-1, 1)
            heading = (angle[:, -1:] + fork).ravel()
            origin = np.repeat(lines[:, -1], 2, axis=0)
            side = np.repeat(side, 2)
            length = np.repeat(length, 2) * 0.74
        return generations
