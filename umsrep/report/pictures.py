"""The report's pictures: which are shown, in which order, how large."""

import base64
import math
from pathlib import Path

import cv2
import numpy as np

from umsrep import tasks
from umsrep.errors import UmsrepError
from umsrep.evaluation import table_metrics
from umsrep.metrics import catalogue

# Pictures shown of one kind, task and evaluation.
PICTURES = 16
GRAD_CAM = "gradcam"


def embedded(picture):
    """A `Picture` for the page: its data URI and size in CSS pixels.

    Grey pictures stay as they are, for noise is what they show. Coloured ones
    are coded as JPEG without loss of colour resolution, which spares most of
    the page's size. Sides change by whole factors only, up to 256 pixels and
    down to 400, so that nothing is blurred.

    Raises:
        UmsrepError: the file is no PNG.
    """
    content = picture.file.read_bytes()
    pixels = None
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        pixels = cv2.imdecode(
            np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED
        )
    if pixels is None:
        raise UmsrepError(
            f"{picture.file} is not a readable PNG picture. Make the folder's "
            "pictures again with the command that wrote them."
        )
    kind = "png"
    if pixels.dtype == np.uint8 and pixels.shape[2:] == (3,):
        full = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
        options = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, full)
        jpeg = cv2.imencode(
            ".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90, *options]
        )[1].tobytes()
        if len(jpeg) < len(content):
            kind, content = "jpeg", jpeg
    height, width = pixels.shape[:2]
    grow = max(1, 256 // height)
    shrink = math.ceil(height / 400)
    code = base64.b64encode(content).decode("ascii")
    return {
        "uri": f"data:image/{kind};base64,{code}",
        "width": round(width * grow / shrink),
        "height": round(height * grow / shrink),
        "sharp": grow > 1,
        "alt": picture.caption or picture.file.stem,
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


def _title(kind):
    """Heading of the pictures of a task kind, or of explanations."""
    if kind == GRAD_CAM:
        return "Grad-CAM"
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
