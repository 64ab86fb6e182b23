"""What one strip shows: a heart, its beats and waves, and the frame."""

import dataclasses

import numpy as np

from umsrep.phantoms.echo.physiology import Physiology
from umsrep.phantoms.echo.recording import Recording
from umsrep.phantoms.echo.waves import Wave, beat_times, measured_waves


@dataclasses.dataclass(frozen=True)
class Scene:
    """One strip before it is drawn.

    Attributes:
        flow: One of `waves.FLOWS`.
        physiology: The patient's, with the strip's own heart rate.
        recording: The frame.
        beats: Onsets of the QRS complexes, s, from before the strip to after
            it.
        waves: The waves that are measured, in order of time.
    """

    flow: str
    physiology: Physiology
    recording: Recording
    beats: np.ndarray
    waves: tuple[Wave, ...]

    @classmethod
    def draw(cls, seed, index, flow, patient):
        """See `draw_strip`."""
        person = Physiology.draw(np.random.default_rng([seed, patient, 0]))
        rng = np.random.default_rng([seed, index, 1])
        # The heart beats a little faster or slower from strip to strip.
        rate = person.heart_rate * rng.uniform(0.97, 1.03)
        person = dataclasses.replace(person, heart_rate=rate)
        recording = Recording.draw(rng, flow, person)
        beats = beat_times(person, recording.duration, rng)
        waves = measured_waves(flow, person, beats, rng)
        return cls(flow, person, recording, beats, tuple(waves))

    @property
    def intervals(self):
        """Times of (QRS complex, following QRS complex) of each beat, s."""
        return list(zip(self.beats[:-1], self.beats[1:], strict=True))

    @property
    def heart_rate(self):
        """Beats per minute, mean of the intervals that the strip touches."""
        shown = (self.beats[1:] > 0) & (
            self.beats[:-1] < self.recording.duration
        )
        return float(60 / np.diff(self.beats)[shown].mean())

    @property
    def shown(self):
        """The measured waves whose peak the strip shows."""
        end = self.recording.duration
        return [wave for wave in self.waves if 0 < wave.peak < end]

    @property
    def whole(self):
        """Those whose onset and end the strip shows as well."""
        end = self.recording.duration
        return [w for w in self.shown if w.onset >= 0 and w.end <= end]

    @property
    def aliased(self):
        """Whether a wave goes beyond the strip's scale."""
        low, high = self.recording.lowest, self.recording.highest
        return any(not low <= wave.velocity <= high for wave in self.shown)
