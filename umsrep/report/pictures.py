"""The report's pictures: which are shown, and in which order."""

from pathlib import Path

import numpy as np

from umsrep import tasks
from umsrep.evaluation import table_metrics
from umsrep.metrics import catalogue
from umsrep.report.embedding import embedded

# Pictures shown of one kind, task and evaluation.
PICTURES = 16
GRAD_CAM = "gradcam"
# What the colours mean, by `TaskKind.picture`.
LEGENDS = {
    "outlines": "Blue: reference. Orange: predicted.",
    "heat": "From blue (least) to red (most looked at), each map of its own "
    "maximum; left the reference, right the prediction.",
    "explanation": "From blue (least) to red (speaks most for the class that "
    "won), each map of its own maximum. It shows the model, not the disease.",
}


def sections(named):
    """One section per kind and task, masks first.

    Args:
        named: [(strategy, `Evaluation`)].
    """
    keys = dict.fromkeys(
        (picture.kind, picture.task)
        for _, evaluation in named
        for picture in evaluation.pictures
    )
    return [
        {
            "title": f"{_title(kind)}: {task}",
            "ranked": bool(_ranked_by(kind)),
            "legend": LEGENDS.get(_drawn_as(kind), ""),
            "strategies": [
                _strip(f"{name} · {evaluation.data}", evaluation, kind, task)
                for name, evaluation in named
            ],
        }
        for kind, task in sorted(
            keys, key=lambda key: (key[0] == GRAD_CAM, key)
        )
    ]


def _ranked_by(kind):
    """The column that ranks a kind's pictures, "" where none does."""
    return tasks.get(kind).ranked_by if kind in tasks.names() else ""


def _drawn_as(kind):
    """How a kind's pictures are drawn, "" where nothing is known."""
    if kind == GRAD_CAM:
        return "explanation"
    return tasks.get(kind).picture if kind in tasks.names() else ""


def _title(kind):
    """Heading of the pictures of a task kind, or of explanations."""
    if kind == GRAD_CAM:
        return "Class activation map"
    return tasks.get(kind).title if kind in tasks.names() else kind


def _strip(title, evaluation, kind, task):
    """The pictures of one kind and task of one evaluation."""
    pictures = [
        p for p in evaluation.pictures if (p.kind, p.task) == (kind, task)
    ]
    ranks = {}
    if column := _ranked_by(kind):
        metric = catalogue.metric(column)
        sign = -1 if metric.lower_is_better else 1
        pictures.sort(key=lambda p: (p.score is None, sign * (p.score or 0)))
        ranks = _ranks(evaluation, task, sign)
    return {
        "name": title,
        "total": len(pictures),
        "pictures": [
            {
                "image": embedded(picture),
                "name": Path(picture.image).stem,
                "tag": ranks.get(picture.image, ""),
                "caption": _caption(picture),
            }
            for picture in _chosen(pictures)
        ],
    }


def _chosen(pictures):
    """All, or the first eight, the middle four and the last four."""
    if len(pictures) <= PICTURES:
        return pictures
    middle = max(8, (len(pictures) - 4) // 2)
    return pictures[:8] + pictures[middle : middle + 4] + pictures[-4:]


def _ranks(evaluation, task_name, sign):
    """{image: "rank 3 of 69"}, the worst first."""
    specs = [t for t in evaluation.tasks if t.name == task_name]
    if evaluation.predictions is None or not specs:
        return {}
    rows = table_metrics.labelled(evaluation.predictions, specs[0])
    values = sign * table_metrics.image_values(evaluation.predictions, specs[0])
    order = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    return {
        image: f"rank {rank + 1} of {len(values)}"
        for image, rank in zip(rows["image"], order, strict=True)
    }


def _caption(picture):
    """The caption, with the score unless it already says it."""
    if picture.score is None or np.isnan(picture.score):
        return picture.caption
    if any(f"{picture.score:.{n}f}" in picture.caption for n in (2, 3)):
        return picture.caption
    score = f"score {picture.score:.3f}"
    return f"{picture.caption}; {score}" if picture.caption else score
