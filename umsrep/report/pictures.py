"""The report's pictures: which are shown, and in which order."""

from pathlib import Path

import numpy as np

from umsrep.evaluation import table_metrics
from umsrep.report.embedding import embedded

# Pictures shown of one kind, task and evaluation.
PICTURES = 16
# Kinds shown from worst to best, and by which column.
RANKED = {"mask": "dice", "map": "cc"}


def sections(named):
    """One section per kind and task, masks first.

    Args:
        named: [(strategy, `Evaluation`)].
    """
    titles = {"mask": "Masks", "map": "Maps", "gradcam": "Grad-CAM"}
    keys = dict.fromkeys(
        (picture.kind, picture.task)
        for _, evaluation in named
        for picture in evaluation.pictures
    )
    return [
        {
            "title": f"{titles.get(kind, kind)}: {task}",
            "kind": kind,
            "strategies": [
                _strip(f"{name} · {evaluation.data}", evaluation, kind, task)
                for name, evaluation in named
            ],
        }
        for kind, task in sorted(
            keys, key=lambda key: (key[0] == "gradcam", key)
        )
    ]


def _strip(title, evaluation, kind, task):
    """The pictures of one kind and task of one evaluation."""
    pictures = [
        p for p in evaluation.pictures if (p.kind, p.task) == (kind, task)
    ]
    ranks = {}
    if kind in RANKED:
        pictures.sort(key=lambda p: (p.score is None, p.score or 0))
        ranks = _ranks(evaluation, task, RANKED[kind])
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


def _ranks(evaluation, task_name, column):
    """{image: "rank 3 of 69"} by a column, lowest first."""
    tasks = [t for t in evaluation.tasks if t.name == task_name]
    if evaluation.predictions is None or not tasks:
        return {}
    rows = table_metrics.labelled(evaluation.predictions, tasks[0])
    values = table_metrics.pixel_values(
        evaluation.predictions, tasks[0], column
    )
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
