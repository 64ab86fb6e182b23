"""Peak velocities in cm/s from the envelope of a spectral Doppler strip."""

from dataclasses import dataclass
from numbers import Real

import numpy as np

from umsrep.derived.base import DerivedTask, registry
from umsrep.derived.predictions import decide, predictions
from umsrep.derived.velocity_scale import velocity_scale
from umsrep.derived.waves import Wave, early_and_late, find_waves
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
    """What was measured in one strip; speeds in cm/s, nan where there is none.

    Only whole waves count: one that the border cuts off may have its peak
    outside. `peak_above` and `peak_below` are the highest speeds; everything
    else is the mean over the beats, as is usual in sinus rhythm.

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
    def peak_above(self):
        """The highest speed of a whole wave above the baseline."""
        return max(_whole(self.above), default=np.nan)

    @property
    def peak_below(self):
        """The highest speed of a whole wave below the baseline."""
        return max(_whole(self.below), default=np.nan)

    @property
    def e(self):
        """E of mitral inflow: early waves above, mean over beats."""
        return _mean([early.velocity for early, _ in self.pairs_above])

    @property
    def a(self):
        """A of mitral inflow: late waves above, mean over beats."""
        return _mean([late.velocity for _, late in self.pairs_above])

    @property
    def e_a_ratio(self):
        """E/A, of the means."""
        return self.e / self.a

    @property
    def s_prime(self):
        """s' of the annulus: waves above, mean over beats."""
        return _mean(_whole(self.above))

    @property
    def e_prime(self):
        """e' of the annulus: early waves below, mean over beats."""
        return _mean([early.velocity for early, _ in self.pairs_below])

    @property
    def a_prime(self):
        """a' of the annulus: late waves below, mean over beats."""
        return _mean([late.velocity for _, late in self.pairs_below])

    @property
    def tr_vmax(self):
        """Vmax of tricuspid regurgitation: jets below, mean over beats."""
        return _mean(_whole(self.below))

    def row(self, flow=None):
        """{measure: value} for a table.

        Args:
            flow: "MV", "MA" or "TR" for what is measured there; None for the
                highest speeds above and below.
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


@registry.register("peak_velocity")
class PeakVelocity(DerivedTask):
    """Peak velocities of each beat, from the predicted envelope.

    UMS-Rep keeps images for measurements (Section 4.2.3) without saying how
    these are made; `waves.find_waves` and `waves.early_and_late` say how here.
    A speed read off a correct mask is at most half a pixel too high or too
    low, and lower still where the peak lies between two columns. Nothing is
    measured in an empty mask: all is nan.

    Args:
        envelope: Name of the mask task.
        threshold: A pixel belongs to the envelope above this probability.
        batch_size: Images per forward pass.
        flow: In tables (`cells`): name of the label task with the classes
            "MV", "MA" and "TR", which says what is measured in an image; None
            is the highest speeds above and below.
        flow_classes: Its classes in order.
        positive_from: Of two of them: probability from which on the last one
            is decided for; None is the likeliest.

    Call arguments:
        model: A `MultiTaskModel`.
        images: (n, height, width, channels), grey levels in [0, 255].
        scale: cm/s per pixel, of all images or (n,).
        baseline: Row of velocity 0 (pixel centres at whole numbers), of all
            or (n,).
        frame: (top, bottom, left, right) of the strip, the second and fourth
            exclusive, of all or (n, 4); None is the whole image. Waves that
            this border cuts off do not count.
        beats: n lists of columns of QRS onsets, or None, see
            `waves.early_and_late`.
        scales: n `umsrep.data.Scale` with rows in cm/s or m/s, such as
            `dataset.scale(i)`, instead of scale, baseline and frame.

    Returns:
        List of n `Velocities`.
    """

    def __init__(
        self,
        envelope="envelope",
        threshold=0.5,
        batch_size=32,
        flow=None,
        flow_classes=("MA", "MV", "TR"),
        positive_from=None,
    ):
        self.envelope = envelope
        self.threshold = threshold
        self.batch_size = batch_size
        self.flow = flow
        self.flow_classes = tuple(flow_classes)
        self.positive_from = positive_from
        if not isinstance(threshold, Real) or not 0 < threshold < 1:
            raise UmsrepError(
                f"threshold={threshold!r}: expected a probability between 0 "
                "and 1, such as 0.5."
            )
        unknown = set(self.flow_classes) - set(MEASURES)
        if flow is not None and unknown:
            raise UmsrepError(
                f"Flow task '{flow}' has the class '{min(unknown)}'. What is "
                f"measured is known of {', '.join(MEASURES)}; pass flow=None "
                "for the highest speeds above and below."
            )

    @classmethod
    def for_tasks(cls, specs, thresholds=None, **arguments):
        """With the classes of the task `flow`, where the model has one."""
        envelope = arguments.get("envelope", "envelope")
        threshold = (thresholds or {}).get(envelope)
        if threshold is not None:
            arguments = {"threshold": threshold, **arguments}
        flow = specs.get(arguments.get("flow", "flow"))
        if flow is not None and flow.kind == "label":
            arguments = {
                "flow": flow.name,
                "flow_classes": flow.classes,
                "positive_from": (thresholds or {}).get(flow.name),
                **arguments,
            }
        return cls(**arguments)

    @property
    def reads(self):
        return (self.envelope,) + ((self.flow,) if self.flow else ())

    @property
    def kinds(self):
        kinds = {self.envelope: "mask"}
        return kinds | ({self.flow: "label"} if self.flow else {})

    @property
    def columns(self):
        return tuple(map(_column, self._measures()))

    def _measures(self):
        if self.flow is None:
            return HIGHEST
        return tuple(
            name for flow in self.flow_classes for name in MEASURES[flow]
        )

    def cells(self, outputs, scale=None):
        mask = outputs[self.envelope] > self.threshold
        found = self.measure(mask, *velocity_scale(scale, mask.shape))
        flow = None
        if self.flow is not None:
            flow = self.flow_classes[
                decide(outputs[self.flow], self.positive_from)
            ]
        cells = dict.fromkeys(self.columns)
        for name, value in found.row(flow).items():
            if np.isfinite(value):
                cells[_column(name)] = round(value, 3)
        return cells

    def __call__(
        self,
        model,
        images,
        scale=None,
        baseline=None,
        frame=None,
        beats=None,
        scales=None,
    ):
        if model.head(self.envelope).kind != "mask":
            raise UmsrepError(
                f"Task '{self.envelope}' is no mask task. Pass "
                "PeakVelocity(envelope=...) the name of one."
            )
        if scales is not None:
            if not (scale is baseline is frame is None):
                raise UmsrepError(
                    "scales= and one of scale=, baseline=, frame= were given. "
                    "Expected one of the two; leave the others out."
                )
            scale, baseline, frame = _of_scales(scales, images)
        if scale is None or baseline is None:
            raise UmsrepError(
                f"scale={scale}, baseline={baseline}: pixels alone give no "
                "velocity. Pass scales= (such as dataset.scale(i) of each "
                "image), or scale= (cm/s per pixel) and baseline= (row of "
                "velocity 0), for all images or for each."
            )
        masks = predictions(model, [self.envelope], images, self.batch_size)
        count = len(images)
        each = zip(
            masks[self.envelope][..., 0] > self.threshold,
            _each(scale, count, "scale"),
            _each(baseline, count, "baseline"),
            [None] * count if frame is None else _frames(frame, count),
            [None] * count if beats is None else beats,
            strict=True,
        )
        return [self.measure(*arguments) for arguments in each]

    @staticmethod
    def measure(mask, scale, baseline, frame=None, beats=None):
        """`Velocities` of one mask, (height, width), such as a reference's.

        With an image's scale: `measure(mask, *velocity_scale(scale,
        mask.shape))`.
        """
        above, below = (
            tuple(find_waves(mask, scale, baseline, side, frame))
            for side in (1, -1)
        )
        return Velocities(
            above,
            below,
            tuple(early_and_late(above, beats)),
            tuple(early_and_late(below, beats)),
        )


def _of_scales(scales, images):
    """(scale, baseline, frame) of each image."""
    scales = list(scales)
    if len(scales) != len(images):
        raise UmsrepError(
            f"{len(scales)} scales for {len(images)} images. Pass one for "
            "each image."
        )
    found = []
    for number, scale in enumerate(scales):
        try:
            found.append(velocity_scale(scale, np.shape(images)[1:3]))
        except UmsrepError as error:
            raise UmsrepError(f"Image number {number}: {error}") from error
    return zip(*found, strict=True)


def _whole(waves):
    return [wave.velocity for wave in waves if wave.whole]


def _mean(values):
    return float(np.mean(values)) if values else np.nan


def _each(values, count, name):
    values = np.asarray(values, float)
    if values.ndim and values.shape != (count,):
        raise UmsrepError(
            f"{name} of shape {values.shape} for {count} images. Pass one "
            "number, or one for each image."
        )
    return np.broadcast_to(values, (count,)).tolist()


def _frames(frame, count):
    frame = np.asarray(frame)
    if frame.shape not in ((4,), (count, 4)):
        raise UmsrepError(
            f"frame of shape {frame.shape} for {count} images. Pass (top, "
            "bottom, left, right), or one such row for each image."
        )
    return np.broadcast_to(frame, (count, 4))


def _column(measure):
    """Its name in a table, with the unit."""
    return measure if measure == "e_a_ratio" else f"{measure}_cm_s"
