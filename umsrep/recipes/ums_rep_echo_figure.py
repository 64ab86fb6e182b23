"""Doppler strips with envelope, velocities and recommendation (Figure 9)."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from umsrep.data.storage import atomic_path
from umsrep.derived.velocities import MEASURES

# Blue and orange are told apart by all eyes, and on grey.
PREDICTED, REFERENCE = "#ff9500", "#3aa0ff"
PER_FLOW = 2


def figure(path, dataset, names, outputs, advice, speeds):
    """Writes a PNG: a row per flow, some strips each.

    Args:
        path: The file.
        dataset: Test images.
        names: `ums_rep_echo_derived.Names`.
        outputs: {task: outputs}.
        advice: List of `Recommended`, or None.
        speeds: List of `Velocities` or None.
    """
    chosen = _chosen(dataset, names, advice)
    rows = list(chosen)
    columns = max(map(len, chosen.values()))
    drawing = Figure(
        figsize=(3.1 * columns, 3.6 * len(rows)), dpi=110, layout="constrained"
    )
    FigureCanvasAgg(drawing)
    grid = drawing.subplots(len(rows), columns, squeeze=False)
    for row, flow in enumerate(rows):
        for column in range(columns):
            axes = grid[row, column]
            axes.set(xticks=[], yticks=[])
            if column >= len(chosen[flow]):
                axes.axis("off")
                continue
            number = chosen[flow][column]
            _strip(axes, dataset, names, outputs, number)
            one = advice[number] if advice else None
            axes.set_title(_title(flow, one, speeds[number]), fontsize=7.5)
    if names.envelope:
        drawing.supxlabel(
            "Envelope: predicted (orange), reference (blue)", fontsize=8
        )
    with atomic_path(path) as temporary:
        drawing.savefig(temporary, format="png")


def _chosen(dataset, names, advice):
    """{flow: positions}: the first kept and the first refused images."""
    flows = dataset.table[names.flow]
    chosen = {}
    for flow in dataset.task(names.flow).classes:
        positions = np.flatnonzero(flows == flow)
        kept = [i for i in positions if advice is None or advice[i].keep]
        others = [i for i in positions if i not in set(kept)]
        chosen[flow] = [*kept[:PER_FLOW], *others[:PER_FLOW]]
    return {flow: found for flow, found in chosen.items() if found}


def _strip(axes, dataset, names, outputs, number):
    axes.imshow(dataset.image(number), cmap="gray", vmin=0, vmax=255)
    if not names.envelope:
        return
    reference = dataset.mask(names.envelope, number)
    for mask, colour in (
        (reference, REFERENCE),
        (outputs[names.envelope][number] > 0.5, PREDICTED),
    ):
        if mask is not None and np.any(mask) and not np.all(mask):
            axes.contour(
                np.asarray(mask, float),
                levels=[0.5],
                colors=[colour],
                linewidths=0.9,
            )


def _title(flow, recommended, speed):
    lines = [flow]
    if recommended is not None:
        lines[0] += (
            f", predicted {recommended.flow} "
            f"({recommended.flow_probability:.2f})"
        )
        lines.append(
            "keep"
            if recommended.keep
            else f"not kept: {', '.join(recommended.reasons)}"
        )
        lines[1] += f" (good: {recommended.quality_probability:.2f})"
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
