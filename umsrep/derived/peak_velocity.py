"""Peak velocities in cm/s from the envelope of a spectral Doppler strip."""

from numbers import Real

import numpy as np

from umsrep.derived.base import DerivedTask, registry
from umsrep.derived.predictions import decide, predictions
from umsrep.derived.velocities import HIGHEST, MEASURES, Velocities
from umsrep.derived.velocity_scale import velocity_scale
from umsrep.derived.waves import early_and_late, find_waves
from umsrep.errors import UmsrepError


@registry.register("peak_velocity")
class PeakVelocity(DerivedTask):
    """Peak velocities of each beat, from the predicted envelope.

    UMS-Rep keeps images for measurements (Section 4.2.3) without saying how
    these are made; here, `waves.find_waves` and `waves.early_and_late` make
    them. A speed read off a correct mask is at most half a pixel too high or
    too low, and lower still where the peak lies between two columns. In an
    empty mask nothing is measured: all values are nan.

    Args:
        envelope: Name of the mask task.
        threshold: A pixel belongs to the envelope above this probability.
        batch_size: Images per forward pass.
        flow: For tables (`cells`), the name of the label task with the classes
            "MV", "MA" and "TR", which determines what is measured in an image;
            None gives the highest speeds above and below.
        flow_classes: Its classes, in order.
        positive_from: With two classes, the probability from which the last
            one is predicted; None predicts the likeliest class.

    Call arguments:
        model: A `MultiTaskModel`.
        images: (n, height, width, channels), grey levels in [0, 255].
        per_pixel: Velocity per pixel, cm/s, of all images or (n,).
        baseline: Row of velocity 0 (pixel centres at whole numbers), of all
            images or (n,).
        frame: (top, bottom, left, right) of the strip, the second and fourth
            exclusive, of all images or (n, 4); None is the whole image. Waves
            that this border cuts off do not count.
        beats: n lists of the columns of QRS onsets, or None; see
            `waves.early_and_late`.
        scales: n `umsrep.data.Scale`s with rows in cm/s or m/s, such as
            `dataset.scale(i)`, instead of per_pixel, baseline and frame.

    Returns:
        List of n `Velocities`.
    """

    def __init__(
        self,
        envelope: str = "envelope",
        threshold: float = 0.5,
        batch_size: int = 32,
        flow: str | None = None,
        flow_classes: tuple[str, ...] = ("MA", "MV", "TR"),
        positive_from: float | None = None,
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
                f"Flow task '{flow}' has the class '{min(unknown)}'. Expected "
                f"classes among {', '.join(MEASURES)}; pass flow=None for the "
                "highest speeds above and below."
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
        per_pixel=None,
        baseline=None,
        frame=None,
        beats=None,
        scales=None,
    ) -> list[Velocities]:
        if model.head(self.envelope).kind != "mask":
            raise UmsrepError(
                f"Task '{self.envelope}' is not a mask task. Pass the name of "
                "one, as PeakVelocity(envelope=...)."
            )
        if scales is not None:
            if not (per_pixel is baseline is frame is None):
                raise UmsrepError(
                    "scales= was given together with per_pixel=, baseline= or "
                    "frame=. Expected either; leave the others out."
                )
            per_pixel, baseline, frame = _of_scales(scales, images)
        if per_pixel is None or baseline is None:
            raise UmsrepError(
                f"per_pixel={per_pixel}, baseline={baseline}: pixels alone "
                "give no velocity. Pass scales= (such as dataset.scale(i) of "
                "each image), or per_pixel= (cm/s) and baseline= (row of "
                "velocity 0), for all images or for each."
            )
        masks = predictions(model, [self.envelope], images, self.batch_size)
        count = len(images)
        each = zip(
            masks[self.envelope][..., 0] > self.threshold,
            _each(per_pixel, count, "per_pixel"),
            _each(baseline, count, "baseline"),
            [None] * count if frame is None else _frames(frame, count),
            [None] * count if beats is None else beats,
            strict=True,
        )
        return [self.measure(*arguments) for arguments in each]

    @staticmethod
    def measure(
        mask, per_pixel, baseline, frame=None, beats=None
    ) -> Velocities:
        """`Velocities` of one mask, (height, width), such as a reference mask.

        With an image's scale, call `measure(mask, *velocity_scale(scale,
        mask.shape))`.
        """
        above, below = (
            tuple(find_waves(mask, per_pixel, baseline, side, frame))
            for side in (1, -1)
        )
        return Velocities(
            above,
            below,
            tuple(early_and_late(above, beats)),
            tuple(early_and_late(below, beats)),
        )


def _of_scales(scales, images):
    """The cm/s per pixel, baseline and frame of each image."""
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
    """The name of a measure in a table, with its unit."""
    return measure if measure == "e_a_ratio" else f"{measure}_cm_s"
