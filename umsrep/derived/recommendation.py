"""Keep an image for further analysis, or not (UMS-Rep, Section 4.2.3)."""

from dataclasses import dataclass

from umsrep.derived.base import DerivedTask, registry
from umsrep.derived.predictions import decide, predictions
from umsrep.errors import UmsrepError

LOW_QUALITY = "low quality"
UNCERTAIN_FLOW = "uncertain flow"
OTHER_FLOW = "other flow"


@dataclass(frozen=True)
class Recommended:
    """What is recommended for one image, and why.

    Attributes:
        keep: Whether the image is suitable for further analysis.
        reasons: Why it is not: any of "low quality", "uncertain flow" and
            "other flow"; empty for an image that is kept.
        flow: The likeliest flow.
        flow_probability: Its probability.
        quality: The quality according to the threshold.
        quality_probability: Probability of the desired quality.
    """

    keep: bool
    reasons: tuple[str, ...]
    flow: str
    flow_probability: float
    quality: str
    quality_probability: float


@registry.register("recommendation")
class Recommendation(DerivedTask):
    """Whether to keep an image, from its flow and its quality.

    UMS-Rep, Section 4.2.3: echocardiographers leave out low-quality images of
    tricuspid regurgitation with unclear envelopes, because these make
    measurements less accurate. The paper does not say how the two outputs are
    combined; here an image is rejected for

    - "low quality", if the probability of `good` is below `quality_threshold`
      (and the flow is one of `quality_of`);
    - "uncertain flow", if the likeliest flow's probability is below
      `flow_threshold`;
    - "other flow", if the likeliest flow is not one of `wanted`.

    Args:
        flow, quality: Names of the two label tasks.
        flow_classes, quality_classes: Their classes, in the order of the
            outputs (`dataset.task(name).classes`, or `Run.classes`).
        good: The desired class of quality.
        flow_threshold, quality_threshold: Probabilities in [0, 1].
        wanted: Flows to analyse; None is all.
        quality_of: Flows whose quality counts; None is all. `("TR",)` is what
            echocardiographers do by hand.
        batch_size: Images per forward pass.
        positive_from: For a flow task of two classes, the probability from
            which the last one is predicted; None predicts the likeliest class.

    Call arguments:
        model: A `MultiTaskModel` of both tasks.
        images: (n, height, width, channels), grey levels in [0, 255].

    Returns:
        List of n `Recommended`; `pandas.DataFrame(list)` is a table.

    Raises:
        UmsrepError: classes that a task does not have, or a threshold outside
            its range.
    """

    def __init__(
        self,
        flow: str = "flow",
        quality: str = "quality",
        flow_classes: tuple[str, ...] = ("MA", "MV", "TR"),
        quality_classes: tuple[str, ...] = ("low", "good"),
        good: str = "good",
        flow_threshold: float = 0.5,
        quality_threshold: float = 0.5,
        wanted: str | tuple[str, ...] | None = None,
        quality_of: str | tuple[str, ...] | None = None,
        batch_size: int = 32,
        positive_from: float | None = None,
    ):
        self.flow, self.quality = flow, quality
        self.flow_classes = tuple(flow_classes)
        self.quality_classes = tuple(quality_classes)
        self.good = good
        self.flow_threshold = flow_threshold
        self.quality_threshold = quality_threshold
        self.wanted = self._flows("wanted", wanted)
        self.quality_of = self._flows("quality_of", quality_of)
        self.batch_size = batch_size
        self.positive_from = positive_from
        if good not in self.quality_classes or len(self.quality_classes) != 2:
            raise UmsrepError(
                f"good='{good}' with quality_classes={self.quality_classes}: "
                "expected one of two classes. Pass the task's classes and "
                "which of them is the good one."
            )
        for name in ("flow_threshold", "quality_threshold"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise UmsrepError(
                    f"{name}={value}: expected a probability, from 0 (never "
                    "a reason) to 1."
                )

    columns = ("keep", "reasons")

    @classmethod
    def for_tasks(cls, specs, thresholds=None, **arguments):
        """With the classes and thresholds of the model's two label tasks."""
        found = {}
        for name in ("flow", "quality"):
            task = specs.get(arguments.get(name, name))
            if task is not None and task.kind == "label":
                found[f"{name}_classes"] = task.classes
        quality = arguments.get("quality", "quality")
        threshold = (thresholds or {}).get(quality)
        if threshold is not None and quality in specs:
            # The threshold is for the last class.
            good = arguments.get("good", "good")
            last = good == specs[quality].classes[-1]
            found["quality_threshold"] = threshold if last else 1 - threshold
        found["positive_from"] = (thresholds or {}).get(
            arguments.get("flow", "flow")
        )
        return cls(**{**found, **arguments})

    @property
    def reads(self):
        return self.flow, self.quality

    @property
    def kinds(self):
        return dict.fromkeys(self.reads, "label")

    def cells(self, outputs, scale=None):
        found = self.of(outputs[self.flow], outputs[self.quality])
        return {
            "keep": "yes" if found.keep else "no",
            "reasons": ", ".join(found.reasons),
        }

    def __call__(self, model, images):
        for task, classes in (
            (self.flow, self.flow_classes),
            (self.quality, self.quality_classes),
        ):
            found = getattr(model.head(task), "num_classes", 0)
            if found != len(classes):
                raise UmsrepError(
                    f"Task '{task}' has {found} classes, but "
                    f"{len(classes)} were named ({', '.join(classes)}). Pass "
                    "flow_classes= and quality_classes= with the classes of "
                    "the data set."
                )
        outputs = predictions(
            model, [self.flow, self.quality], images, self.batch_size
        )
        return [
            self.of(flow, quality)
            for flow, quality in zip(
                outputs[self.flow], outputs[self.quality], strict=True
            )
        ]

    def of(self, flow, quality):
        """`Recommended` of one image's probabilities.

        Args:
            flow, quality: (classes,), as the model outputs them, or calibrated.
        """
        winner = decide(flow, self.positive_from)
        name, probability = self.flow_classes[winner], float(flow[winner])
        place = self.quality_classes.index(self.good)
        good = float(quality[place])
        low = good < self.quality_threshold
        reasons = []
        if low and name in self.quality_of:
            reasons.append(LOW_QUALITY)
        if probability < self.flow_threshold:
            reasons.append(UNCERTAIN_FLOW)
        if name not in self.wanted:
            reasons.append(OTHER_FLOW)
        return Recommended(
            not reasons,
            tuple(reasons),
            name,
            probability,
            self.quality_classes[1 - place] if low else self.good,
            good,
        )

    def _flows(self, argument, names):
        names = (names,) if isinstance(names, str) else names
        names = self.flow_classes if names is None else tuple(names)
        unknown = [name for name in names if name not in self.flow_classes]
        if unknown:
            raise UmsrepError(
                f"{argument}={names}: '{unknown[0]}' is not one of "
                f"flow_classes={self.flow_classes}. Use their names."
            )
        return names
