"""How a strip is recorded: sweep, velocity scale, gain, faults, furniture."""

from dataclasses import dataclass

import numpy as np

from umsrep.phantoms.echo.waves import WAVES

QUALITIES = ("good", "low")
SWEEPS = (50, 75, 100)  # mm/s
STRIP_MM = (190.0, 230.0)  # width of the strip on the screen, plausible
BEATS = (2.0, 6.5)  # fewest and most that a strip may show
ALIASED_SHARE = 0.1  # of the pulsed-wave strips; continuous wave has none
FAULTS = ("gain", "dropout", "incomplete", "noise")


@dataclass(frozen=True)
class Quality:
    """What spoils a strip.

    Attributes:
        label: One of `QUALITIES`.
        gain: dB above (saturated) or below (faint) a well-adjusted gain.
        dropout: ((start, width, loss), ...): parts of the strip's width from
            `start` lose `loss` dB.
        incomplete: Part of each wave's height, counted from its edge, that
            fades by 13 to 22 dB.
        noise: dB by which the background rises.
    """

    label: str
    gain: float
    dropout: tuple[tuple[float, float, float], ...]
    incomplete: float
    noise: float

    @classmethod
    def draw(cls, rng, label):
        """Barely visible faults (good), or one to three obvious ones (low)."""
        between = rng.uniform
        if label == "good":
            return cls(label, between(-2, 3), (), 0.0, between(0, 3))
        chosen = set(
            rng.permutation(FAULTS)[: rng.choice([1, 2, 3], p=(0.3, 0.5, 0.2))]
        )
        gain, dropout = between(-2, 3), ()
        if "gain" in chosen:
            # Noise and too much gain together would leave nothing to see.
            over = rng.random() < 0.5 and "noise" not in chosen
            gain = between(15, 19) if over else -between(13, 18)
        if "dropout" in chosen:
            dropout = tuple(
                (between(0, 0.95), between(0.05, 0.16), between(14, 26))
                for _ in range(rng.integers(4, 8))
            )
        return cls(
            label,
            gain,
            dropout,
            between(0.3, 0.6) if "incomplete" in chosen else 0.0,
            between(9, 15) if "noise" in chosen else between(0, 3),
        )


@dataclass(frozen=True)
class Recording:
    """One strip's frame. Parts are fractions of the picture's height or width.

    Attributes:
        sweep: mm/s; `duration` in s follows from it.
        duration: s that the strip shows.
        highest, lowest: Velocities at the upper and the lower edge, cm/s;
            the lowest is negative.
        aliased: The scale is too small for the highest wave.
        wall_filter: Speeds below are removed, cm/s.
        aspect: Width of the picture divided by its height.
        margins: Margins of the strip: top, bottom (parts of the height), left,
            right (parts of the width).
        scale_left: The velocity scale stands on the left.
        ecg_top: The ECG runs along the upper edge.
        brightness: Grey value of lines and texts.
        dynamic_range: dB from black to white.
    """

    sweep: int
    duration: float
    highest: float
    lowest: float
    aliased: bool
    wall_filter: float
    aspect: float
    margins: tuple[float, float, float, float]
    scale_left: bool
    ecg_top: bool
    brightness: float
    dynamic_range: float

    @classmethod
    def draw(cls, rng, flow, physiology):
        """A strip whose scale suits the patient's velocities."""
        between = rng.uniform
        width = between(*STRIP_MM)
        rate = physiology.heart_rate / 60
        sweeps = [
            sweep
            for sweep in SWEEPS
            if BEATS[0] <= width / sweep * rate <= BEATS[1]
        ]
        sweep = int(rng.choice(sweeps))
        aliased = flow != "TR" and bool(rng.random() < ALIASED_SHARE)
        highest, lowest = _scale(rng, flow, physiology, aliased)
        left = bool(rng.random() < 0.25)
        sides = (0.12, 0.02) if left else (0.02, 0.12)
        # Wall filters: about 100 to 300 Hz for inflow, lowest for tissue,
        # high for continuous wave; as velocities plausible.
        filters = {"MV": (4, 9), "MA": (0.2, 0.5), "TR": (12, 25)}
        return cls(
            sweep=sweep,
            duration=width / sweep,
            highest=highest,
            lowest=lowest,
            aliased=aliased,
            wall_filter=between(*filters[flow]),
            aspect=between(1.15, 1.6),
            margins=(between(0.06, 0.1), between(0.06, 0.1), *sides),
            scale_left=left,
            ecg_top=bool(rng.random() < 0.3),
            brightness=between(0.65, 0.95),
            dynamic_range=between(34, 42),
        )

    def box(self, shape):
        """The strip's rows and columns: (top, bottom, left, right).

        Args:
            shape: (height, width) of the picture; pixels.
        """
        height, width = shape
        top, bottom, left, right = self.margins
        return (
            round(top * height),
            height - round(bottom * height),
            round(left * width),
            width - round(right * width),
        )

    def per_pixel(self, shape):
        """Velocity (cm/s) and time (s) per pixel."""
        top, bottom, left, right = self.box(shape)
        return (
            (self.highest - self.lowest) / (bottom - top),
            self.duration / (right - left),
        )

    def baseline_row(self, shape):
        """Row of velocity 0; pixel centres lie at whole numbers."""
        return (
            self.box(shape)[0] - 0.5 + self.highest / self.per_pixel(shape)[0]
        )


def _scale(rng, flow, physiology, aliased):
    """Highest and lowest velocity that the strip shows, whole cm/s."""
    between = rng.uniform
    names = {
        "E": physiology.e,
        "A": physiology.a,
        "s'": physiology.systolic,
        "e'": physiology.early,
        "a'": physiology.late,
        "TR": physiology.tricuspid,
    }
    up, down = (
        max((names[n] for n, s in WAVES[flow].items() if s == side), default=0)
        for side in (1, -1)
    )
    if flow == "MV":
        highest = up * between(1.2, 1.7)
        lowest = highest * between(0.25, 0.6)
        if aliased:
            highest = up * between(0.72, 0.88)
            lowest = up * between(0.4, 0.7)
    elif flow == "MA":
        highest, lowest = up * between(1.3, 2.0), down * between(1.2, 1.7)
        if aliased:
            highest, lowest = up * between(1.4, 2.0), down * between(0.72, 0.88)
    else:
        highest, lowest = between(60, 150), down * between(1.15, 1.5)
    # Half steps; rounding neither causes nor removes aliasing.
    rounded = np.floor if aliased else np.ceil
    return float(rounded(2 * highest) / 2), -float(rounded(2 * lowest) / 2)
