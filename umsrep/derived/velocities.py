"""Peak velocities of one spectral Doppler strip."""

from dataclasses import dataclass

import numpy as np

from umsrep.derived.waves import Wave
from umsrep.errors import UmsrepError

# What is measured in each flow, by its name in `Velocities`.
MEASURES = {
    "MV": ("e", "a", "e_a_ratio"),
    "MA": ("s_prime", "e_prime", "a_prime"),
    "TR": ("tr_vmax",),
}
# What is measured where the flow is not known.
HIGHEST = ("peak_above", "peak_below")


@dataclass(frozen=True)
class Velocities:
    """What was measured in one strip: speeds in cm/s, nan if there is none.

    Only whole waves count: a wave that the border cuts off may have its peak
    outside. `peak_above` and `peak_below` are the highest speeds; everything
    else is a mean over the beats, as is usual in sinus rhythm.

    Attributes:
        above, below: All waves on each side of the baseline, from left to
            right, cut ones included.
        pairs_above, pairs_below: The (early, late) waves of each whole beat.
    """

    above: tuple[Wave, ...]
    below: tuple[Wave, ...]
    pairs_above: tuple[tuple[Wave, Wave], ...]
    pairs_below: tuple[tuple[Wave, Wave], ...]

    @property
    def peak_above(self) -> float:
        """The highest speed of a whole wave above the baseline."""
        return max(_whole(self.above), default=np.nan)

    @property
    def peak_below(self) -> float:
        """The highest speed of a whole wave below the baseline."""
        return max(_whole(self.below), default=np.nan)

    @property
    def e(self) -> float:
        """E of mitral inflow: early waves above, mean over beats."""
        return _mean([early.velocity for early, _ in self.pairs_above])

    @property
    def a(self) -> float:
        """A of mitral inflow: late waves above, mean over beats."""
        return _mean([late.velocity for _, late in self.pairs_above])

    @property
    def e_a_ratio(self) -> float:
        """E/A, of the means."""
        return self.e / self.a

    @property
    def s_prime(self) -> float:
        """s' of the annulus: waves above, mean over beats."""
        return _mean(_whole(self.above))

    @property
    def e_prime(self) -> float:
        """e' of the annulus: early waves below, mean over beats."""
        return _mean([early.velocity for early, _ in self.pairs_below])

    @property
    def a_prime(self) -> float:
        """a' of the annulus: late waves below, mean over beats."""
        return _mean([late.velocity for _, late in self.pairs_below])

    @property
    def tr_vmax(self) -> float:
        """Vmax of tricuspid regurgitation: jets below, mean over beats."""
        return _mean(_whole(self.below))

    def row(self, flow: str | None = None) -> dict[str, float]:
        """{measure: value} for a table.

        Args:
            flow: "MV", "MA" or "TR" for what is measured in that flow; None
                for the highest speeds above and below.
        """
        if flow is None:
            names = HIGHEST
        elif flow in MEASURES:
            names = MEASURES[flow]
        else:
            raise UmsrepError(
                f"flow='{flow}' is unknown. Choose one of "
                f"{', '.join(MEASURES)}, or None for the highest speeds."
            )
        return {name: float(getattr(self, name)) for name in names}


def _whole(waves):
    return [wave.velocity for wave in waves if wave.whole]


def _mean(values):
    return float(np.mean(values)) if values else np.nan
