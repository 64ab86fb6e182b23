"""Derived tasks of repeated trainings on Doppler strips."""

from pathlib import Path

import numpy as np
import pandas as pd

from umsrep import figures
from umsrep.data import storage
from umsrep.derived.velocities import MEASURES
from umsrep.evaluation import doppler
from umsrep.evaluation.subject import Subject
from umsrep.experiments.repeats import folders
from umsrep.experiments.strategies import words
from umsrep.metrics import classification

HEADINGS = {
    "e": "E (cm/s)",
    "a": "A (cm/s)",
    "e_a_ratio": "E/A",
    "s_prime": "s' (cm/s)",
    "e_prime": "e' (cm/s)",
    "a_prime": "a' (cm/s)",
    "tr_vmax": "TR Vmax (cm/s)",
}
# Strips of each flow in the figure: kept ones, and refused ones.
PER_FLOW = 2


def derived_tables(data, out, group, flow, known, repeats):
    """Writes derived.csv and derived.png.

    Args:
        data: The prepared strips.
        out: Folder of the experiment.
        group: {strategy: `Candidate`} of the heterogeneous tasks.
        flow: Name of the flow's task.
        known: What `doppler.read_truth` returns, or None.
        repeats: How many there are.

    Returns:
        {title: data frame}; without what the tasks do not allow.
    """
    rows, shown = [], None
    for strategy, candidate in group.items():
        for repeat in range(repeats):
            folder, _ = folders(out, candidate.name, repeat)
            subject = Subject(folder, data)
            derived = doppler.Derived.of(subject, flow, candidate.tasks)
            shown = shown or derived
            rows += [
                {"strategy": strategy, "repeat": repeat, **row}
                for row in doppler.rows(derived, known)
            ]
    rows += [
        {"strategy": doppler.REFERENCE, "repeat": 0, **row}
        for row in doppler.reference_rows(shown.dataset, shown.names, known)
    ]
    frame = pd.DataFrame(rows)
    if frame.empty:
        return {}
    storage.write_csv(Path(out) / "derived.csv", frame)
    figures.save(_figure(shown), Path(out) / "derived.png", dpi=110)
    return _tables(frame, list(group), known)


def _figure(derived):
    """Some strips of each flow with what was predicted and derived."""
    dataset, names = derived.dataset, derived.names
    advice, speeds = derived.advice, derived.speeds
    flows = dataset.table[names.flow]
    rows = []
    for flow in dataset.task(names.flow).classes:
        positions = np.flatnonzero(flows == flow)
        # The first kept and the first refused images.
        kept = [i for i in positions if advice is None or advice[i].keep]
        others = [i for i in positions if i not in set(kept)]
        chosen = [*kept[:PER_FLOW], *others[:PER_FLOW]]
        row = []
        for index in chosen:
            masks = (None, None)
            if names.envelope:
                predicted = derived.outputs[names.envelope][index] > 0.5
                masks = (dataset.mask(names.envelope, index), predicted)
            recommended = advice[index] if advice else None
            title = _strip_title(flow, recommended, speeds[index])
            row.append((title, dataset.image(index), *masks))
        if row:
            rows.append(row)
    footer = "Envelope: predicted (orange), reference (blue)"
    return figures.doppler_strips(rows, footer if names.envelope else None)


def _strip_title(flow, recommended, speed):
    lines = [flow]
    if recommended is not None:
        lines[0] += (
            f", predicted {recommended.flow} "
            f"({recommended.flow_probability:.2f})"
        )
        refused = f"not kept: {', '.join(recommended.reasons)}"
        lines.append(
            f"{'keep' if recommended.keep else refused} "
            f"(good: {recommended.quality_probability:.2f})"
        )
    if speed is not None:
        name = recommended.flow if recommended else flow
        measured = speed.row(name) if name in MEASURES else {}
        texts = [
            f"{measure.replace('_prime', chr(39))} {value:.3g}"
            for measure, value in measured.items()
            if np.isfinite(value)
        ]
        lines.append(", ".join(texts) or "nothing measured")
    return "\n".join(lines)


def _tables(frame, order, known):
    tables = {}
    kept = frame[frame["measure"] == doppler.KEEP]
    if len(kept):
        tables["Derived: recommendation"] = pd.DataFrame(
            [_agreement(kept, strategy) for strategy in order]
        )
    speeds = frame[frame["measure"] != doppler.KEEP]
    if len(speeds):
        against = doppler.REFERENCE
        if known is not None:
            against, order = "truth", [*order, doppler.REFERENCE]
        title = f"Derived: velocities, mean absolute error against {against}"
        tables[title] = pd.DataFrame(
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
        for _, trained in part.groupby("repeat")
        for true, found in [
            (trained["true"].to_numpy(int), trained["value"].to_numpy(int))
        ]
    ]
    medians = np.median(values, axis=0)
    spread = np.std(values, axis=0, ddof=1) if len(values) > 1 else None
    cells = [
        f"{m:.3f}" + (f" ± {spread[i]:.3f}" if spread is not None else "")
        for i, m in enumerate(medians)
    ]
    return {
        "Strategy": words(strategy),
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
        for _, trained in part[part["strategy"] == strategy].groupby("repeat"):
            error = (trained["value"] - trained["true"]).abs()
            means.append(error.mean())
            shares.append(error.notna().mean())
        cell = "–"
        if np.isfinite(means).any():
            cell = f"{np.nanmedian(means):.2f}"
            if len(means) > 1:
                cell += f" ± {np.nanstd(means, ddof=1):.2f}"
        row[words(strategy)] = f"{cell} ({np.median(shares):.0%})"
    return row
