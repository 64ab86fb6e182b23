"""What follows from the outputs on Doppler strips, without training.

The recommendation against the one that follows from the true labels, and peak
velocities of predicted envelopes against the true ones.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from umsrep.data import Dataset, storage
from umsrep.derived import PeakVelocity, Recommendation
from umsrep.derived.recommendation import Recommended
from umsrep.derived.velocities import MEASURES, Velocities
from umsrep.derived.velocity_scale import velocity_scale
from umsrep.errors import UmsrepError
from umsrep.evaluation.subject import Subject

# What `read_truth` returns, and an entry of `rows`.
Truth = Mapping[str, Any]
Row = dict[str, Any]

# The measures of `Velocities`, as phantom.json names it; speeds in cm/s.
TRUE_NAMES = {
    ("MV", "e"): "E_cm_s",
    ("MV", "a"): "A_cm_s",
    ("MV", "e_a_ratio"): "E_A_ratio",
    ("MA", "s_prime"): "s_cm_s",
    ("MA", "e_prime"): "e_cm_s",
    ("MA", "a_prime"): "a_cm_s",
    ("TR", "tr_vmax"): "TR_Vmax_cm_s",
}
# Name of the rows whose velocities are measured in reference masks.
REFERENCE = "reference masks"
# Measure of the rows of the recommendation.
KEEP = "keep"
GOOD = "good"


@dataclass(frozen=True)
class Names:
    """Tasks that derived tasks read; None is not there.

    Attributes:
        flow, quality: Label tasks.
        envelope: A mask task.
    """

    flow: str
    quality: str | None
    envelope: str | None

    @classmethod
    def of(cls, dataset: Dataset, flow: str, tasks: Iterable[str]) -> Self:
        """Finds them among `tasks`: the quality has a class "good"."""
        specs = [dataset.task(name) for name in tasks]
        masks = [s.name for s in specs if s.kind == "mask"]
        quality = [
            s.name
            for s in specs
            if s.kind == "label" and GOOD in s.classes and len(s.classes) == 2
        ]
        return cls(
            flow,
            quality[0] if quality else None,
            masks[0] if len(masks) == 1 else None,
        )


@dataclass(frozen=True)
class Derived:
    """What follows from a run's outputs on some images.

    Attributes:
        dataset: The images.
        names: `Names`.
        outputs: {task: outputs}; probabilities of labels are calibrated.
        advice: List of `Recommended`, or None without a quality.
        speeds: List of `Velocities`, or None where an image has no scale.
    """

    dataset: Dataset
    names: Names
    outputs: dict[str, np.ndarray]
    advice: list[Recommended] | None
    speeds: list[Velocities | None]

    @classmethod
    def of(cls, subject: Subject, flow: str, tasks: Iterable[str]) -> Self:
        """Predicts and derives.

        Args:
            subject: A `Subject`: a run and the images.
            flow: Name of the flow's task.
            tasks: Names of the run's tasks.
        """
        names = Names.of(subject.dataset, flow, tasks)
        outputs = _outputs(subject)
        return cls(
            subject.dataset,
            names,
            outputs,
            _advice(names, subject, outputs),
            _speeds(names, subject.dataset, outputs),
        )


def read_truth(file: str | Path, dataset: Dataset, flow: str) -> Truth:
    """{image name: its entry} of phantom.json.

    Args:
        file: The phantom.json beside the strips that were prepared.
        dataset: These, prepared.
        flow: Name of the flow's task.

    Raises:
        UmsrepError: not the file that `umsrep phantom echo` writes, or of
            other strips.
    """
    content = storage.read_json(Path(file), "truth of synthetic strips")
    entries = content.get("images") if isinstance(content, dict) else None
    if not entries or "measurements" not in entries[0]:
        raise UmsrepError(
            f"{file} holds no measurements of strips. Pass the phantom.json "
            "that `umsrep phantom echo` wrote, or leave --truth out."
        )
    known = {Path(entry["file"]).stem: entry for entry in entries}
    table = dataset.table
    for image, patient, label in zip(
        table["image"], table["patient"], table[flow], strict=True
    ):
        entry = known.get(Path(image).stem)
        if (
            entry is None
            or entry["patient"] != patient
            or label not in ("", entry["flow"])
        ):
            raise UmsrepError(
                f"{file} is not the truth of these strips: {image} is of "
                f"patient '{patient}' and flow '{label}'. Pass the "
                "phantom.json that lies beside the strips which were prepared."
            )
    return known


def rows(derived: Derived, known: Truth | None) -> Iterator[Row]:
    """What was derived beside what is true.

    Args:
        derived: `Derived`.
        known: What `read_truth` returns; None compares velocities with those
            measured in the reference masks.

    Yields:
        {"image", "measure", "value", "true"}: velocities in cm/s, and `KEEP`,
        1 for an image that is kept and 0 for one that is not.
    """
    dataset, names = derived.dataset, derived.names
    for number, speed in enumerate(derived.speeds):
        yield from _speed_rows(dataset, names, number, speed, known)
    if derived.advice is None:
        return
    qualities = _qualities(dataset, names, known)
    flows = list(dataset.table[names.flow])
    for number, (advice, quality) in enumerate(
        zip(derived.advice, qualities, strict=True)
    ):
        if quality:
            yield {
                "image": dataset.table["image"][number],
                "measure": KEEP,
                "value": float(advice.keep),
                # Kept under a wrong flow, it would be measured wrongly.
                "true": float(quality == GOOD and advice.flow == flows[number]),
            }


def reference_rows(
    dataset: Dataset, names: Names, known: Truth | None
) -> Iterator[Row]:
    """What the resolution and the rules of measuring cost by themselves.

    The same rows of velocities that are measured in the reference masks; none
    where the truth is not known, or is no envelope.
    """
    if known is None or names.envelope is None:
        return
    for number in range(len(dataset)):
        mask = dataset.mask(names.envelope, number)
        speed = _measure(dataset, number, mask)
        yield from _speed_rows(dataset, names, number, speed, known)


def _outputs(subject: Subject) -> dict[str, np.ndarray]:
    """{task: outputs}; probabilities of labels are calibrated."""
    outputs = subject.outputs()
    return {
        task: subject.calibrations[task].apply(values)[0]
        if task in subject.calibrations
        else values
        for task, values in outputs.items()
    }


def _advice(
    names: Names, subject: Subject, outputs: Mapping[str, np.ndarray]
) -> list[Recommended] | None:
    """List of `Recommended`, or None without a quality."""
    if names.quality is None:
        return None
    task = _recommendation(names.flow, names.quality, subject)
    pairs = zip(outputs[names.flow], outputs[names.quality], strict=True)
    return [task.of(flow, quality) for flow, quality in pairs]


def _recommendation(
    flow: str, quality: str, subject: Subject
) -> Recommendation:
    classes = subject.dataset.task(quality).classes
    # The run's own threshold is that of the positive class, the last one.
    threshold = cast(float, subject.run.calibrations[quality].threshold)
    if classes.index(GOOD) == 0:
        threshold = 1 - threshold
    return Recommendation(
        flow,
        quality,
        subject.dataset.task(flow).classes,
        classes,
        GOOD,
        quality_threshold=threshold,
    )


def _speeds(
    names: Names, dataset: Dataset, outputs: Mapping[str, np.ndarray]
) -> list[Velocities | None]:
    """`Velocities` of each image, or None where it has no scale."""
    if names.envelope is None:
        return [None] * len(dataset)
    masks = outputs[names.envelope] > 0.5
    return [_measure(dataset, i, mask) for i, mask in enumerate(masks)]


def _measure(
    dataset: Dataset, index: int, mask: np.ndarray | None
) -> Velocities | None:
    scale = dataset.scale(index)
    if mask is None or scale is None or scale.y is None:
        return None
    return PeakVelocity.measure(mask, *velocity_scale(scale, mask.shape))


def _speed_rows(
    dataset: Dataset,
    names: Names,
    number: int,
    speed: Velocities | None,
    known: Truth | None,
) -> Iterator[Row]:
    true = _true_speeds(dataset, names, number, known)
    flow = dataset.table[names.flow][number]
    for measure, value in true.items():
        found = np.nan if speed is None else speed.row(flow)[measure]
        yield {
            "image": dataset.table["image"][number],
            "measure": measure,
            "value": found,
            "true": value,
        }


def _true_speeds(
    dataset: Dataset, names: Names, number: int, known: Truth | None
) -> dict[str, float]:
    """{measure: value} of an image's true flow; {} where nothing is known."""
    flow = dataset.table[names.flow][number]
    if flow not in MEASURES or dataset.scale(number) is None:
        return {}
    if known is None:
        mask = dataset.mask(names.envelope, number)
        speed = _measure(dataset, number, mask)
        found = {} if speed is None else speed.row(flow)
    else:
        entry = known.get(Path(dataset.table["image"][number]).stem)
        # Wrapped around, a peak stands elsewhere than it belongs.
        if entry is None or entry["aliased"]:
            return {}
        found = {
            measure: entry["measurements"][TRUE_NAMES[flow, measure]]
            for measure in MEASURES[flow]
        }
    return {k: v for k, v in found.items() if np.isfinite(v)}


def _qualities(
    dataset: Dataset, names: Names, known: Truth | None
) -> list[str]:
    """The true quality of each image, "" where unknown."""
    told = dataset.table[names.quality]
    if known is None:
        return list(told)
    stems = [Path(image).stem for image in dataset.table["image"]]
    return [
        known[stem]["quality"] if stem in known else label
        for stem, label in zip(stems, told, strict=True)
    ]
