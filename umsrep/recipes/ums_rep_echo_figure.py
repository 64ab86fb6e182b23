"""Doppler strips with envelope, velocities and recommendation (Figure 9)."""

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from umsrep.data.storage import atomic_path

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
    columns = 2 * PER_FLOW
    drawing = Figure(figsize=(3.1 * columns, 3.3 * len(rows)), dpi=110)
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
        drawing.text(
            *(0.5, 0.004, "outline: predicted (orange), reference (blue)"),
            ha="center",
            fontsize=8,
        )
    drawing.tight_layout(pad=0.6, rect=(0, 0.02, 1, 1))
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
        if mask is None:
            continue
        outlines, _ = cv2.findContours(
            np.asarray(mask, np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
        )
        for outline in outlines:
            points = np.concatenate([outline, outline[:1]])[:, 0]
            axes.plot(points[:, 0], points[:, 1], color=colour, linewidth=0.8)


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
        try:
            measured = speed.row(recommended.flow if recommended else flow)
        except ValueError:
            measured = {}
        texts = [
            f"{name.replace('_prime', chr(39))} {value:.3g}"
            for name, value in measured.items()
            if np.isfinite(value)
        ]
        lines.append(", ".join(texts) or "nothing measured")
    return "\n".join(lines)
