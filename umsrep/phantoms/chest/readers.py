"""Readers who differ: habits, findings overlooked, looks at nothing.

Radiologists overlook about a third of subtle findings, dwell long on places
without any, and search by habits of their own (H. L. Kundel, C. F. Nodine and
D. Carmody, "Visual scanning, pattern recognition and decision-making in
pulmonary nodule detection", Investigative Radiology 13:175-181, 1978). The
numbers here are chosen to show such differences, not measured.
"""

from dataclasses import dataclass

import numpy as np

# The image model uses the streams 0 to 7, the layouts 10 and 11, readings 20.
_STREAM = 21
# At full reader noise: a faint finding is overlooked this often; as many
# returns to a place without finding are made on average.
_OVERLOOKED = 0.6
_FALSE_RETURNS = 6.0


@dataclass(frozen=True)
class Reader:
    """One reader's habits; the defaults are those of the rule.

    Attributes:
        attraction: Factor of the returns to a finding.
        lungs: Factors of the looks at upper, middle and lower zones, at the
            picture's left and right: (left upper, ..., right lower).
        middle: Factor of the looks at heart and mediastinum.
        pace: Factor of the durations.
        noise: How far a reading departs from the rule, 0 to 1.
    """

    attraction: float = 1.0
    lungs: tuple[float, ...] = (1.0,) * 6
    middle: float = 1.0
    pace: float = 1.0
    noise: float = 0.0

    @classmethod
    def draw(cls, seed, number, noise):
        """The habits of one reader; all are the same without noise."""
        if noise == 0:
            return cls()
        rng = np.random.default_rng([seed, number, _STREAM])

        def factor(spread, size=None):
            return np.exp(noise * spread * rng.standard_normal(size))

        return cls(
            attraction=float(factor(0.6)),
            lungs=tuple(factor(0.9, 6).tolist()),
            middle=float(factor(0.7)),
            pace=float(factor(0.25)),
            noise=noise,
        )

    def attends(self, visibility, rng):
        """How a finding draws this reader's eye in one reading.

        Args:
            visibility: How plainly the finding shows, 0 to 1.
            rng: Random generator of the reading.

        Returns:
            Factor of the returns to the finding; 0 where it is overlooked.
        """
        if self.noise == 0:
            return 1.0
        overlooked = _OVERLOOKED * self.noise * (1 - 0.7 * visibility)
        seen = rng.random() >= overlooked
        return self.attraction if seen else 0.0

    def false_returns(self, rng):
        """How often the reader returns to a place without a finding."""
        return (
            int(rng.poisson(_FALSE_RETURNS * self.noise)) if self.noise else 0
        )


def suspected(phantom, rng):
    """A place that a reader may take for a finding, bool (height, width).

    What looks like an opacity if there is such a thing, otherwise a part of a
    lung; never the finding itself.
    """
    lungs = phantom.lungs & ~phantom.finding_mask
    if (phantom.variant_mask & lungs).any() and rng.random() < 0.7:
        return phantom.variant_mask & lungs
    rows, columns = np.nonzero(lungs if lungs.any() else phantom.lungs)
    at = int(rng.random() * len(rows))
    radius = 0.06 * max(phantom.image.shape)
    y, x = np.indices(phantom.image.shape)
    near = np.hypot(y - rows[at], x - columns[at]) <= radius
    return near & phantom.lungs
