"""What follows from the tasks' outputs on Doppler strips, without training.

The recommendation against the one that follows from the true labels, and peak
velocities of predicted envelopes against the true ones, on the test images.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from umsrep.data import storage
from umsrep.derived import PeakVelocity, Recommendation
from umsrep.derived.velocities import MEASURES
from umsrep.derived.velocity_scale import velocity_scale
from umsrep.errors import UmsrepError
from umsrep.evaluation import predict
from umsrep.evaluation.subject import Subject
from umsrep.experiments import repeats as repeated
from umsrep.metrics import classification
from umsrep.recipes.ums_rep_echo import BASELINE
from umsrep.recipes.ums_rep_echo_figure import figure

# Of `Velocities`, as phantom.json names it; speeds in cm/s.
TRUE_NAMES = {
    ("MV", "e"): "E_cm_s",
    ("MV", "a"): "A_cm_s",
    ("MV", "e_a_ratio"): "E_A_ratio",
    ("MA", "s_prime"): "s_cm_s",
    ("MA", "e_prime"): "e_cm_s",
    ("MA", "a_prime"): "a_cm_s",
    ("TR", "tr_vmax"): "TR_Vmax_cm_s",
}
HEADINGS = {
    "e": "E (cm/s)",
    "a": "A (cm/s)",
    "e_a_ratio": "E/A",
    "s_prime": "s' (cm/s)",
    "e_prime": "e' (cm/s)",
    "a_prime": "a' (cm/s)",
    "tr_vmax": "TR Vmax (cm/s)",
}
REFERENCE = "reference masks"
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
    def of(cls, dataset, flow, tasks):
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


def derived_tables(data, out, group, flow, known, repeats):
    """Tables and the figure of the derived tasks.

    Args:
        data: The prepared strips.
        out: Folder of the recipe.
        group: {strategy: `Candidate`} of the heterogeneous tasks.
        flow: Name of the flow's task.
        known: Of `read_truth`, or None.
        repeats: How many there are.

    Returns:
        {title: data frame}; without what the tasks do not allow.
    """
    rows, shown = [], None
    for strategy, candidate in group.items():
        for repeat in range(repeats):
            folder, _ = repeated.folders(out, candidate.name, repeat)
            subject = Subject(folder, data)
            names = Names.of(subject.dataset, flow, candidate.tasks)
            outputs = _outputs(subject)
            advice = _advice(names, subject, outputs)
            speeds = _speeds(names, subject.dataset, outputs)
            rows += _rows(
                *(strategy, repeat, subject.dataset, names),
                *(advice, speeds, known),
            )
            if shown is None:
                shown = subject.dataset, names, outputs, advice, speeds
    if repeats and names.envelope:
        rows += _reference_rows(subject.dataset, names, known)
    frame = pd.DataFrame(rows)
    if frame.empty:
        return {}
    storage.write_csv(Path(out) / "derived.csv", frame)
    figure(Path(out) / "derived.png", *shown)
    return _tables(frame, group, names, known)


def read_truth(file, dataset, flow):
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
        same = entry and entry["patient"] == patient
        if not same or label not in ("", entry["flow"]):
            raise UmsrepError(
                f"{file} is not the truth of these strips: {image} is of "
                f"patient '{patient}' and flow '{label}'. Pass the "
                "phantom.json that lies beside the strips which were prepared."
            )
    return known


def _outputs(subject):
    """{task: outputs}; probabilities of labels are calibrated."""
    outputs = predict.probabilities(subject.network, subject.seen)
    return {
        task: subject.calibrations[task].apply(values)[0]
        if task in subject.calibrations
        else values
        for task, values in outputs.items()
    }


def _advice(names, subject, outputs):
    """List of `Recommended`, or None without a quality."""
    if names.quality is None:
        return None
    task = _recommendation(names, subject.dataset, subject.calibrations)
    pairs = zip(outputs[names.flow], outputs[names.quality], strict=True)
    return [task.of(flow, quality) for flow, quality in pairs]


def _recommendation(names, dataset, calibrations):
    classes = dataset.task(names.quality).classes
    # The run's own threshold is that of the positive class, the last one.
    threshold = calibrations[names.quality].threshold
    if classes.index(GOOD) == 0:
        threshold = 1 - threshold
    return Recommendation(
        names.flow,
        names.quality,
        dataset.task(names.flow).classes,
        classes,
        GOOD,
        quality_threshold=threshold,
    )


def _speeds(names, dataset, outputs):
    """`Velocities` of each image, or None where it has no scale."""
    if names.envelope is None:
        return [None] * len(dataset)
    masks = outputs[names.envelope] > 0.5
    return [_measure(dataset, i, mask) for i, mask in enumerate(masks)]


def _measure(dataset, index, mask):
    scale = dataset.scale(index)
    if mask is None or scale is None or scale.y is None:
        return None
    return PeakVelocity.measure(mask, *velocity_scale(scale, mask.shape))


def _rows(strategy, repeat, dataset, names, advice, speeds, known):
    common = {"strategy": strategy, "repeat": repeat}
    for number, speed in enumerate(speeds):
        yield from _speed_rows(common, dataset, names, number, speed, known)
    if advice is None:
        return
    qualities = _qualities(dataset, names, known)
    flows = list(dataset.table[names.flow])
    for number, (one, quality) in enumerate(
        zip(advice, qualities, strict=True)
    ):
        if quality:
            yield {
                **common,
                "image": dataset.table["image"][number],
                "measure": "keep",
                "value": float(one.keep),
                # Kept under a wrong flow, it would be measured wrongly.
                "true": float(quality == GOOD and one.flow == flows[number]),
            }


def _reference_rows(dataset, names, known):
    """What the resolution and the rules of measuring cost by themselves."""
    if known is None:
        return
    common = {"strategy": REFERENCE, "repeat": 0}
    for number in range(len(dataset)):
        mask = dataset.mask(names.envelope, number)
        speed = _measure(dataset, number, mask)
        yield from _speed_rows(common, dataset, names, number, speed, known)


def _speed_rows(common, dataset, names, number, speed, known):
    true = _true_speeds(dataset, names, number, known)
    flow = dataset.table[names.flow][number]
    for measure, value in true.items():
        found = np.nan if speed is None else speed.row(flow)[measure]
        yield {
            **common,
            "image": dataset.table["image"][number],
            "measure": measure,
            "value": found,
            "true": value,
        }


def _true_speeds(dataset, names, number, known):
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


def _qualities(dataset, names, known):
    """The true quality of each image, "" where unknown."""
    told = dataset.table[names.quality]
    if known is None:
        return list(told)
    stems = [Path(image).stem for image in dataset.table["image"]]
    return [
        known[stem]["quality"] if stem in known else label
        for stem, label in zip(stems, told, strict=True)
    ]


def _tables(frame, group, names, known):
    tables = {}
    kept = frame[frame["measure"] == "keep"]
    order = list(group)
    if len(kept):
        tables["Derived: recommendation"] = pd.DataFrame(
            [_agreement(kept, strategy) for strategy in order]
        )
    speeds = frame[frame["measure"] != "keep"]
    if len(speeds):
        if known is not None:
            order = [*order, REFERENCE]
        against = "truth" if known is not None else "reference masks"
        tables[
            f"Derived: velocities, mean absolute error against {against}"
        ] = pd.DataFrame(
            [
                _errors(speeds[speeds["measure"] == measure], order)
                for measure in HEADINGS
                if (speeds["measure"] == measure).any()
            ]
        )
    return tables


def _agreement(kept, strategy):
    part = kept[kept["strategy"] == strategy]
    values = [
        (
            classification.accuracy(true, found),
            classification.f_score(true, found),
            classification.mcc(true, found),
        )
        for _, one in part.groupby("repeat")
        for true, found in [
            (one["true"].to_numpy(int), one["value"].to_numpy(int))
        ]
    ]
    medians = np.median(values, axis=0)
    spread = np.std(values, axis=0, ddof=1) if len(values) > 1 else None
    cells = [
        f"{m:.3f}" + (f" ± {spread[i]:.3f}" if spread is not None else "")
        for i, m in enumerate(medians)
    ]
    return {
        "Strategy": "separate models" if strategy == BASELINE else strategy,
        "Images": str(part["image"].nunique()),
        **dict(zip(("Accuracy", "F-score", "MCC"), cells, strict=True)),
    }


def _errors(part, order):
    """Errors of one measure: medians over repeats, and how many were found."""
    row = {"Measure": HEADINGS[part["measure"].iloc[0]]}
    row["Images"] = str(part["image"].nunique())
    row["Mean"] = f"{part.drop_duplicates('image')['true'].mean():.2f}"
    for strategy in order:
        means, shares = [], []
        for _, one in part[part["strategy"] == strategy].groupby("repeat"):
            error = (one["value"] - one["true"]).abs()
            means.append(error.mean())
            shares.append(error.notna().mean())
        cell = "–"
        if np.isfinite(means).any():
            cell = f"{np.nanmedian(means):.2f}"
            if len(means) > 1:
                cell += f" ± {np.nanstd(means, ddof=1):.2f}"
        name = "separate models" if strategy == BASELINE else strategy
        row[name] = f"{cell} ({np.median(shares):.0%})"
    return row
